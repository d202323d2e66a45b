"""`WeakTexts` and `TextTargets`: what `WeakLabels` and `Targets` are when the answers are texts.

A source answers an item of a *generate* task with one or more candidate texts, best first. Each candidate keeps the
bytes at which its pieces end and the log-probability that the source gave each piece, the end of the sequence included
(`align.PieceTable`), so that the source need not be in memory again. A source that abstains has no candidate.

The same table holds a student's answers, and what one model thinks of texts that others wrote: then the source is the
model that scores, and its candidates are all the texts of an item, in the order of the pool.

`TextTargets` is what training sees: rows of (item, text, pieces with their log-probabilities, weight), several rows
per item allowed. Gold is a text whose pieces are all certain.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float

from outgrow.align.pieces import PieceTable
from outgrow.errors import DataError
from outgrow.labels import pack_names, unpack_names

HELD_OUT_ITEMS = "held_out.json"
"""Names of the items that a training kept aside and did not learn."""
PIECE_COLUMNS = {"piece_end": pa.list_(pa.int32()), "piece_logprob": pa.list_(pa.float64())}


class Candidate(NamedTuple):
    """A text and the log-probabilities of its pieces under a source."""

    text: str
    pieces: PieceTable

    @property
    def logprob(self) -> float:
        """Of the whole text, in nats."""
        return float(self.pieces.logprob.sum())

    @property
    def has_end(self) -> bool:
        """Whether the writer ended the text itself: then its last piece is the end, one byte behind the text."""
        end = self.pieces.end
        return len(end) > 0 and int(end[-1]) > len(self.text.encode())

    @property
    def mean_logprob(self) -> float:
        """Per piece: the length-normalised score that candidates are ranked by."""
        return self.logprob / max(1, len(self.pieces.logprob))


def ranked(candidates: Iterable[Candidate], distinct: bool = True) -> list[Candidate]:
    """Best first by mean log-probability; of equal texts only the more probable spelling, if `distinct`."""
    best = sorted(candidates, key=lambda candidate: -candidate.mean_logprob)
    if not distinct:
        return best
    by_text: dict[str, Candidate] = {}
    for candidate in best:
        by_text.setdefault(candidate.text, candidate)
    return list(by_text.values())


@dataclass(frozen=True)
class WeakTexts:
    """Candidate texts of several sources for the same items."""

    items: list[str]
    sources: tuple[str, ...]
    candidates: list[list[list[Candidate]]]
    """[item][source]: best first; empty = abstention."""

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.candidates} or {len(self.sources)}
        if len(self.candidates) != len(self.items) or widths != {len(self.sources)}:
            raise DataError(
                f"weak texts: {len(self.items)} items and {len(self.sources)} sources do not fit"
                f" {len(self.candidates)} rows of {sorted(widths)} sources"
            )

    @property
    def texts(self) -> list[list[str | None]]:
        """[item][source]: the best candidate's text; `None` = abstention."""
        return [[candidates[0].text if candidates else None for candidates in row] for row in self.candidates]

    def rows(self) -> Iterator[tuple[int, int, int, Candidate]]:
        """(item number, source number, rank, candidate), in order."""
        for item, row in enumerate(self.candidates):
            for source, candidates in enumerate(row):
                for rank, candidate in enumerate(candidates):
                    yield item, source, rank, candidate

    def only(self, sources: Sequence[str]) -> "WeakTexts":
        """The same items as answered by `sources`, in that order."""
        missing = [name for name in sources if name not in self.sources]
        if missing:
            raise DataError(f"no source named `{missing[0]}`; there are {', '.join(self.sources)}")
        pick = [self.sources.index(name) for name in sources]
        return WeakTexts(self.items, tuple(sources), [[row[column] for column in pick] for row in self.candidates])

    def take(self, items: Sequence[str]) -> "WeakTexts":
        """These items, by name, in that order. Raises `DataError` for one that is not in the table."""
        place = {name: index for index, name in enumerate(self.items)}
        missing = [name for name in items if name not in place]
        if missing:
            raise DataError(f"sources {', '.join(self.sources)}: no answer for item `{missing[0]}`")
        return WeakTexts(list(items), self.sources, [self.candidates[place[name]] for name in items])

    def save(self, path: Path) -> None:
        """Write the long table `item`, `source`, `rank`, `text`, `piece_end`, `piece_logprob`."""
        rows = list(self.rows())
        columns: dict[str, Any] = {
            "item": pa.array([self.items[item] for item, *_ in rows], pa.string()),
            "source": pa.array([self.sources[source] for _, source, *_ in rows], pa.string()),
            "rank": pa.array([rank for *_, rank, _ in rows], pa.int32()),
            "text": pa.array([candidate.text for *_, candidate in rows], pa.string()),
            **_piece_columns([candidate.pieces for *_, candidate in rows]),
        }
        names = {"items": pack_names(self.items), "sources": pack_names(self.sources)}
        pq.write_table(pa.table(columns, metadata=names), path)

    @staticmethod
    def load(path: Path) -> "WeakTexts":
        """Read what `save` wrote."""
        table, names = _read(path, "items", "sources")
        items, sources = names
        place = {name: index for index, name in enumerate(items)}
        column = {name: index for index, name in enumerate(sources)}
        candidates: list[list[list[Candidate]]] = [[[] for _ in sources] for _ in items]
        heads = zip(table["item"].to_pylist(), table["source"].to_pylist(), table["text"].to_pylist(), strict=True)
        for (item, source, text), pieces in zip(heads, _pieces_of(table), strict=True):
            candidates[place[item]][column[source]].append(Candidate(text, pieces))
        return WeakTexts(items, tuple(sources), candidates)


def join_texts(tables: Sequence[WeakTexts]) -> WeakTexts:
    """Put several sources' answers to the *same* items side by side."""
    first = tables[0]
    for table in tables[1:]:
        if table.items != first.items:
            raise DataError(f"sources {first.sources} and {table.sources} did not answer the same items")
    sources = tuple(name for table in tables for name in table.sources)
    if len(set(sources)) < len(sources):
        raise DataError(f"two sources share a name among {sources}")
    rows = [[cell for table in tables for cell in table.candidates[item]] for item in range(len(first.items))]
    return WeakTexts(first.items, sources, rows)


@dataclass(frozen=True)
class TextTargets:
    """Rows to train on: a text with the probabilities of its pieces, and a weight, for an item of a task."""

    items: list[str]
    texts: list[str]
    pieces: list[PieceTable]
    weight: Float[np.ndarray, "row"]
    origin: tuple[str, ...] = ()
    """What the targets were made of and what had to be done otherwise, one sentence each."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_items(self) -> int:
        """Different items with a weight above 0."""
        return len({name for name, weight in zip(self.items, self.weight.tolist(), strict=True) if weight > 0})

    def keep(self, row: Bool[np.ndarray, "row"]) -> "TextTargets":
        """The rows marked true."""
        some = np.flatnonzero(row).tolist()
        return TextTargets(
            items=[self.items[index] for index in some],
            texts=[self.texts[index] for index in some],
            pieces=[self.pieces[index] for index in some],
            weight=self.weight[row],
            origin=self.origin,
        )

    def save(self, path: Path) -> None:
        """Write the table `item`, `text`, `piece_end`, `piece_logprob`, `weight`."""
        columns: dict[str, Any] = {
            "item": pa.array(self.items, pa.string()),
            "text": pa.array(self.texts, pa.string()),
            **_piece_columns(self.pieces),
            "weight": pa.array(self.weight, pa.float64()),
        }
        pq.write_table(pa.table(columns, metadata={"origin": pack_names(self.origin)}), path)

    @staticmethod
    def load(path: Path) -> "TextTargets":
        """Read what `save` wrote."""
        table, (origin,) = _read(path, "origin")
        return TextTargets(
            items=table["item"].to_pylist(),
            texts=table["text"].to_pylist(),
            pieces=_pieces_of(table),
            weight=table["weight"].to_numpy().astype(np.float64),
            origin=tuple(origin),
        )


def certain(text: str) -> PieceTable:
    """One piece of probability 1 for the whole text, and a certain end: what gold is made of."""
    n_bytes = len(text.encode())
    return PieceTable(np.asarray([n_bytes]), np.zeros(1)).close(0.0, n_bytes)


def _piece_columns(pieces: Sequence[PieceTable]) -> dict[str, Any]:
    values = {
        "piece_end": [piece_table.end.tolist() for piece_table in pieces],
        "piece_logprob": [piece_table.logprob.tolist() for piece_table in pieces],
    }
    return {name: pa.array(values[name], kind) for name, kind in PIECE_COLUMNS.items()}


def _pieces_of(table: pa.Table) -> list[PieceTable]:
    ends, logprobs = (table[name].to_pylist() for name in PIECE_COLUMNS)
    return [
        PieceTable(np.asarray(end, dtype=np.int64), np.asarray(logprob, dtype=np.float64))
        for end, logprob in zip(ends, logprobs, strict=True)
    ]


def _read(path: Path, *names: str) -> tuple[pa.Table, list[list[str]]]:
    try:
        table = pq.read_table(path)
        return table, [unpack_names(table.schema.metadata[name.encode()]) for name in names]
    except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a readable table of texts ({error})") from error
