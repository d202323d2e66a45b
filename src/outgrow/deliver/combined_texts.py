"""`CombinedTexts`: one text per item, made of what several sources wrote, with how many of them agree.

What is written is a table with a row per text that is to be learned: `item`, `label` (the text), `share` (of the votes
that its answer won, or of the sources that agree with its slots; of texts that are kept as they are the weight) and
`votes` (how many sources wrote something). In Parquet its metadata tell how it was made. Every source counts the same,
and no share is a calibrated probability. How often a source agrees with the combined texts says who stands apart, not
who is right.
"""

import json
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
    """A source of texts."""

    name: str
    votes: int
    """Items for which it wrote something."""
    agreement: float | None
    """Its texts held against the combined ones, by the metric of the task; `None` where nothing is combined."""


@dataclass(frozen=True, eq=False)
class CombinedTexts:
    """The texts, and what a combiner makes of them."""

    texts: WeakTexts
    method: str
    metric: str
    """By which texts are compared."""
    targets: TextTargets
    """What a student learns; texts that counted for nothing have no row."""
    share: Float[np.ndarray, "row"]
    """Of each row of the targets, whatever it weighs."""
    text_notes: tuple[str, ...] = ()

    @property
    def votes(self) -> Int[np.ndarray, "item"]:
        """How many sources wrote something for each item."""
        return np.asarray([sum(map(bool, row)) for row in self.texts.candidates], dtype=np.int64)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done and what to know of it, one sentence each."""
        return (*self.targets.origin, *self.text_notes)

    @property
    def writers(self) -> list[TextSourceSummary]:
        """The sources, with how often they agree with what was made of all."""
        label_of = dict(zip(self.targets.items, self.targets.texts, strict=True))
        merged = self.method in COMBINERS and COMBINERS[self.method].merges_texts
        found = []
        for number, name in enumerate(self.texts.sources):
            cells = zip(self.texts.items, (row[number] for row in self.texts.candidates), strict=True)
            best = {item: cell[0].text for item, cell in cells if cell}
            shared = [item for item in best if item in label_of] if merged else []
            pair = ([best[item] for item in shared], [label_of[item] for item in shared])
            score = TEXT_METRICS[self.metric].score
            agreement = float(score.value(score.counts(*pair).sum(axis=0))) if shared else None
            found.append(TextSourceSummary(name, len(best), agreement))
        return found

    @property
    def about(self) -> dict[str, Any]:
        """How the texts were made, as plain data; the same keys as `Combined.about` as far as they apply."""
        return {
            "combine": {"method": self.method, "temperature": None, "notes": list(self.notes), "table": None},
            "votes": {
                "n": int(self.votes.sum()),
                "n_items": len(self.texts.items),
                "gold": 0,
                "classes": [],
                "metric": TEXT_METRICS[self.metric].score.title,
                "sources": [one._asdict() for one in self.writers],
            },
        }

    def to_arrow(self) -> pa.Table:
        """See the module."""
        votes_of = dict(zip(self.texts.items, self.votes.tolist(), strict=True))
        columns = {
            "item": pa.array(self.targets.items, pa.string()),
            "label": pa.array(self.targets.texts, pa.string()),
            "share": self.share,
            "votes": pa.array([votes_of[item] for item in self.targets.items], pa.int64()),
        }
        return pa.table(columns).replace_schema_metadata({ABOUT: json.dumps(self.about, ensure_ascii=False)})

    def to_pandas(self) -> "pd.DataFrame":
        """One row per text."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def save(self, path: Path) -> None:
        """Write the table in the format of its suffix: .parquet, .csv, .tsv, .jsonl."""
        write_table(self.to_arrow(), path)


def combine_texts(
    texts: WeakTexts, section: Combine, metric: TextMetric | None = None, notes: tuple[str, ...] = ()
) -> CombinedTexts:
    """One text per item, by the combiner that `section` names; `keep_all` and `single` leave texts as they are.

    `metric` is what texts are measured by (default: as in `config.train`), and says when answers are the same where
    `section` does not. Raises `ConfigError` for a combiner of classes or a metric that does not count answers,
    `DataError` where nothing can be read.
    """
    record, measured = COMBINERS.of(section), text_metric(section, metric)
    if not combines_texts(record):
        raise ConfigError(f"combine: `{section.type}` is not for texts; use {text_combiner_names()}")
    weighted = section.with_text_metric(measured)
    if record.merges_texts and "weight" in type(section).model_fields:
        weighted = weighted.model_copy(update={"weight": "share"})
    targets = combine_texts_by(weighted, texts)
    if not len(targets):
        raise DataError(f"no item has a text that counts: there is nothing to learn. {' '.join(targets.origin)}")
    share = targets.weight
    if getattr(section, "weight", None) == "one":
        targets = replace(targets, weight=np.ones(len(targets)))
    name = section.type if section.only_source is None else f"{section.type}: {section.only_source}"
    return CombinedTexts(texts, name, measured, targets, share, notes)
