"""`CombinedTexts`: one text per item from the texts of several sources, with the share of sources that agree.

The written table has a row per target text: `item`, `label` (the text), `share` (of the votes for its answer, or of
the sources that agree with its slots; for texts that are not combined, their weight) and `votes` (number of sources
with a text). The metadata of a Parquet file describe how it was made. `answer_vote` and `slot_vote` give all sources
equal weight, and their share is not a probability; that of `answer_one_coin` is its model's, and is not calibrated.
The agreement of a source with the combined texts measures deviation, not correctness.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from outgrow.combiners import COMBINERS
from outgrow.combiners.text_targets_step import combine_texts_by
from outgrow.config.combine import Combine
from outgrow.config.train import combines_texts, text_combiner_names, text_metric
from outgrow.data.write_table import write_table
from outgrow.deliver.combined import ABOUT
from outgrow.errors import ConfigError, DataError
from outgrow.metrics.text_score import TEXT_METRICS, TextMetric
from outgrow.texts import TextTargets, WeakTexts

if TYPE_CHECKING:
    import pandas as pd


class TextSourceSummary(NamedTuple):
    """The texts of one source."""

    name: str
    votes: int
    """Items with a text of this source."""
    agreement: float | None
    """The task's metric of its texts against the combined ones; `None` if texts are not combined."""


@dataclass(frozen=True, eq=False)
class CombinedTexts:
    """Texts of several sources, and the targets that a combiner makes from them."""

    texts: WeakTexts
    method: str
    metric: str
    """The metric that compares texts."""
    targets: TextTargets
    """The targets of a student; a text of weight 0 has no row."""
    share: Float[np.ndarray, "row"]
    """The share of each row of the targets, independent of its weight."""
    text_notes: tuple[str, ...] = ()

    @property
    def votes(self) -> Int[np.ndarray, "item"]:
        """Number of sources with a text for each item."""
        return np.asarray([sum(map(bool, row)) for row in self.texts.candidates], dtype=np.int64)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on how the texts were made."""
        return (*self.targets.origin, *self.text_notes)

    @property
    def writers(self) -> list[TextSourceSummary]:
        """The sources with their agreement with the combined texts."""
        label_of = dict(zip(self.targets.items, self.targets.texts, strict=True))
        merged = self.method in COMBINERS and COMBINERS[self.method].merges_texts
        summaries = []
        for index, name in enumerate(self.texts.sources):
            cells = zip(self.texts.items, (row[index] for row in self.texts.candidates), strict=True)
            best = {item: cell[0].text for item, cell in cells if cell}
            shared = [item for item in best if item in label_of] if merged else []
            compared = ([best[item] for item in shared], [label_of[item] for item in shared])
            score = TEXT_METRICS[self.metric].score
            agreement = float(score.value(score.counts(*compared).sum(axis=0))) if shared else None
            summaries.append(TextSourceSummary(name, len(best), agreement))
        return summaries

    @property
    def about(self) -> dict[str, Any]:
        """The combiner, its notes and the sources as plain data, with the keys of `Combined.about`."""
        return {
            "combine": {"method": self.method, "temperature": None, "notes": list(self.notes), "table": None},
            "votes": {
                "n": int(self.votes.sum()),
                "n_items": len(self.texts.items),
                "gold": 0,
                "classes": [],
                "metric": TEXT_METRICS[self.metric].score.title,
                "sources": [source._asdict() for source in self.writers],
            },
        }

    def to_arrow(self) -> pa.Table:
        """The table described in the module."""
        votes_of = dict(zip(self.texts.items, self.votes.tolist(), strict=True))
        columns = {
            "item": pa.array(self.targets.items, pa.string()),
            "label": pa.array(self.targets.texts, pa.string()),
            "share": self.share,
            "votes": pa.array([votes_of[item] for item in self.targets.items], pa.int64()),
        }
        return pa.table(columns).replace_schema_metadata({ABOUT: json.dumps(self.about, ensure_ascii=False)})

    def to_pandas(self) -> "pd.DataFrame":
        """`to_arrow` as a DataFrame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def save(self, path: Path) -> None:
        """Write the table in the format of its suffix: .parquet, .csv, .tsv, .jsonl."""
        write_table(self.to_arrow(), path)


def combine_texts(
    texts: WeakTexts,
    section: Combine,
    metric: TextMetric | None = None,
    notes: tuple[str, ...] = (),
    gold: Mapping[str, str] | None = None,
) -> CombinedTexts:
    """One text per item by the combiner of `section`; `keep_all` and `single` keep texts unchanged.

    `metric` compares texts (default: as in `config.train`), and decides the equality of answers unless `section` does.
    `gold` has the right texts of some items.
    Raises `ConfigError` for a combiner of classes or a metric that cannot count answers, `DataError` without targets.
    """
    record, measured = COMBINERS.of(section), text_metric(section, metric)
    if not combines_texts(record):
        raise ConfigError(f"combine: `{section.type}` is not for texts; use {text_combiner_names()}")
    weighted = section.with_text_metric(measured)
    if record.merges_texts and "weight" in type(section).model_fields:
        weighted = weighted.model_copy(update={"weight": "share"})
    targets = combine_texts_by(weighted, texts, gold=gold)
    if not len(targets):
        raise DataError(
            f"no item has a text with a weight above 0, so there are no targets. {' '.join(targets.origin)}"
        )
    share = targets.weight
    if getattr(section, "weight", None) == "one":
        targets = replace(targets, weight=np.ones(len(targets)))
    name = section.type if section.only_source is None else f"{section.type}: {section.only_source}"
    return CombinedTexts(texts, name, measured, targets, share, notes)
