"""`Combined`: one label per item from many votes, with its probability and the accuracy of the sources.

The written table has a row per item: `item`, `source` (always `combined`, so that the table can be read as votes),
`label`, `confidence` (the label's probability), `probabilities` (by class), `votes` (their number), `agreement` (empty
with fewer than two votes), `certainty`, and `gold` if there is gold. The metadata of a Parquet file describe how the
labels were made.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Int

from outgrow.combiners import COMBINERS, fit_by, section_named, short_name, short_names
from outgrow.combiners.combiner_choice import CombinerChoice
from outgrow.combiners.cross_fit import enough_gold
from outgrow.combiners.fit import Fit
from outgrow.combiners.incremental import State, state_of
from outgrow.combiners.panel_worth import PanelWorth, panel_worth
from outgrow.combiners.simulated_accuracy import simulated_quality
from outgrow.combiners.temperature_scaling import LEAST_SOURCES, CalibratedFit, temperature_scaled, to_accuracy
from outgrow.combiners.votes import Votes
from outgrow.config.combine import Combine
from outgrow.data.write_table import write_table
from outgrow.deliver.misread_votes import misread_votes
from outgrow.errors import ConfigError, DataError
from outgrow.extensions import function_of
from outgrow.text_format import MOST_LISTED, many, shortened
from outgrow.vote_table import VoteTable, named_shares

if TYPE_CHECKING:
    import pandas as pd

ABOUT = b"outgrow"
"""Key of the Parquet metadata."""
COMBINED = "combined"
"""The source of combined labels if they are read as votes."""


@dataclass(frozen=True, eq=False)
class Combined:
    """Votes and the labels that a combiner gives to their items."""

    votes: VoteTable
    method: str
    source: str | None
    """The source, if `method` is `single`."""
    calibrated: CalibratedFit
    choice: CombinerChoice | None = None
    """The comparison of `auto`."""
    uncalibrated: Fit | None = None
    """The fit before calibration, for `update`; `None` for a combiner with options other than its defaults."""
    keeps_votes: bool = False
    """Whether every vote is a target of its own; the labels are then those of the majority."""

    def __repr__(self) -> str:
        """How many items have each label; the arrays may be long."""
        labels = Counter(self.votes.classes[k] for k in self.label.tolist()).most_common(MOST_LISTED)
        shown = ", ".join(f"{name} {n}" for name, n in labels)
        return f"Combined({many(len(self.votes.items), 'item')} by {self.method}; labels: {shown}; of {self.votes!r})"

    @property
    def state(self) -> State | None:
        """The state for `update`; `None` for a combiner with options other than its defaults."""
        if self.uncalibrated is None:
            return None
        return state_of(self.votes, self.method, self.source, self.uncalibrated)

    @property
    def fit(self) -> Fit:
        return self.calibrated.fit

    @property
    def posterior(self) -> Float[np.ndarray, "item class"]:
        """P(class | votes); the class balance for an item without votes."""
        return np.asarray(self.fit.posterior)

    @cached_property
    def label(self) -> Int[np.ndarray, "item"]:
        """The combined label; the first class on a tie."""
        return np.asarray(self.posterior.argmax(axis=1))

    @property
    def confidence(self) -> Float[np.ndarray, "item"]:
        """The combined label's probability."""
        return np.asarray(self.posterior.max(axis=1))

    @cached_property
    def certainty(self) -> Float[np.ndarray, "item"]:
        """1 − entropy / ln K."""
        logs = np.log(np.where(self.posterior > 0, self.posterior, 1.0))
        return np.asarray(np.clip(1 + (self.posterior * logs).sum(axis=1) / np.log(self.votes.n_classes), 0, 1))

    @cached_property
    def agreement(self) -> Float[np.ndarray, "item"]:
        """Share of the item's votes for the combined label; nan with fewer than two votes, which cannot agree."""
        votes, label = self.votes, self.label[self.votes.item]
        share = votes.label == label if votes.probs is None else votes.probs[np.arange(votes.n_votes), label]
        total = np.bincount(votes.item, share.astype(float), minlength=len(votes.items))
        return np.where(votes.n_per_item > 1, total / np.maximum(1, votes.n_per_item), np.nan)

    @property
    def has_votes_or_gold(self) -> Bool[np.ndarray, "item"]:
        """Whether an item has a vote or gold; the others have the class balance as posterior."""
        return np.asarray((self.votes.n_per_item > 0) | (self.votes.gold >= 0))

    @cached_property
    def worth(self) -> PanelWorth:
        """How much the sources are worth together."""
        return panel_worth(Votes.of_table(self.votes), self.posterior)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on how the labels were made."""
        n_without = int((~self.has_votes_or_gold).sum())
        without_votes = (
            (f"Items without a vote: {n_without}; their probabilities are the class balance.",) if n_without else ()
        )
        if self.keeps_votes:
            return (
                "Every vote is a target of its own; the labels in the table are those of the majority.",
                *without_votes,
                *self.votes.notes,
            )
        choice_note = () if self.choice is None else (self.choice.why,)
        before = self.calibrated.before
        worth = self.worth.sentences(self.votes.classes, None if before is None else before.accuracy)
        notes = (*choice_note, *worth, self.calibrated.sentence, *self.fit.notes, *without_votes, *self.votes.notes)
        return tuple(shortened(sentence, self.votes.sources) for sentence in notes)

    @property
    def about(self) -> dict[str, Any]:
        """The combiner, its notes, and the estimated accuracy of the sources, as plain data."""
        fit, votes = self.fit, self.votes
        columns = (votes.sources, votes.n_per_source, fit.accuracy, *fit.interval.T)
        return {
            "combine": {
                "method": self.method if self.source is None else f"{self.method}: {self.source}",
                "temperature": self.calibrated.temperature if self.calibrated.by != "nothing" else None,
                "notes": list(self.notes),
                "table": None if self.choice is None or not self.choice.candidates else self.choice.table(),
            },
            "panel": self.worth.as_data(votes.classes),
            "votes": {
                "n": votes.n_votes,
                "n_items": len(votes.items),
                "gold": int((votes.gold >= 0).sum()),
                "classes": list(votes.classes),
                "sources": [
                    {"name": name, "votes": int(n), "accuracy": float(a), "low": float(low), "high": float(high)}
                    for name, n, a, low, high in zip(*columns, strict=True)
                ],
            },
        }

    def to_arrow(self) -> pa.Table:
        """The table described in the module."""
        votes, classes = self.votes, pa.array(self.votes.classes, pa.string())
        gold = classes.take(pa.array(votes.gold, mask=votes.gold < 0))
        columns = {
            "item": pa.array(votes.items, pa.string()),
            "source": pa.array([COMBINED] * len(votes.items), pa.string()),
            "label": classes.take(pa.array(self.label)),
            "confidence": self.confidence,
            "probabilities": named_shares(self.posterior, votes.classes),
            "votes": votes.n_per_item,
            "agreement": pa.array(self.agreement, from_pandas=True),
            "certainty": self.certainty,
            **({"gold": gold} if (votes.gold >= 0).any() else {}),
        }
        metadata = {ABOUT: json.dumps(self.about, ensure_ascii=False)}
        return pa.table(columns).replace_schema_metadata(metadata)

    def to_pandas(self) -> "pd.DataFrame":
        """`to_arrow` as a DataFrame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def save(self, path: Path) -> None:
        """Write the table in the format of its suffix: .parquet, .csv, .tsv, .jsonl."""
        write_table(self.to_arrow(), path)


def combine_votes(votes: VoteTable, section: Combine | None = None, *, calibrate: bool = True) -> Combined:
    """One label per item by the combiner of `section` (default: `auto`); sources of one group count as one.

    `calibrate`: fit a temperature of the posteriors, by gold if there is enough, otherwise by simulations. Raises
    `ConfigError` for a combiner that is not for votes, `DataError` without votes.
    """
    section = section_named("auto") if section is None else section
    if not votes.n_votes:
        raise DataError("there is no vote to combine")
    votes = votes.by_group()
    record, compact = COMBINERS.of(section), Votes.of_table(votes)
    if not record.of_votes:
        raise ConfigError(f"`{record.name}` is for texts, and these are votes on classes")
    if record.keeps_votes:
        return Combined(
            votes, record.name, None, uncalibrated(fit_by(section_named("vote"))(compact)), None, None, True
        )
    compact = compact.hardened() if section.hard_votes else compact
    choice: CombinerChoice | None = function_of(record.choose)(compact) if record.choose else None
    chosen = section if choice is None else choice.section
    method, source = short_name(chosen), chosen.only_source
    if record.needs_source and source is None and len(votes.sources) == 1:
        source = votes.sources[0]
    fit: Fit = fit_by(chosen)(compact)
    fit = replace(fit, notes=(*fit.notes, *misread_votes(votes, chosen, fit.posterior)))
    calibrated = calibrated_fit(votes, compact, chosen, fit) if calibrate else uncalibrated(fit)
    changed = changed_options(section) or changed_options(chosen)
    return Combined(votes, method, source, calibrated, choice, None if changed else fit)


def combined_of(votes: VoteTable, method: str, source: str | None, fit: Fit, *, calibrate: bool) -> Combined:
    """The labels of a fit."""
    section = section_named(method if source is None else f"{method}: {source}")
    fit = replace(fit, notes=(*fit.notes, *misread_votes(votes, section, fit.posterior)))
    calibrated = calibrated_fit(votes, Votes.of_table(votes), section, fit) if calibrate else uncalibrated(fit)
    return Combined(votes, method, source, calibrated)


def calibrated_fit(table: VoteTable, votes: Votes, section: Combine, fit: Fit) -> CalibratedFit:
    """The fit with the temperature of gold if there is enough, otherwise of simulated tables like this one."""
    if enough_gold(votes.without_silence()):
        return temperature_scaled(votes, section, fit)
    rows = np.flatnonzero((table.gold < 0) & (table.n_per_item > 0))
    if not len(rows) or (table.n_per_source > 0).sum() < LEAST_SOURCES:
        return uncalibrated(fit)
    return to_accuracy(votes, fit, simulated_quality(table.take(rows), fit.posterior[rows], by_class=False).accuracy)


def uncalibrated(fit: Fit) -> CalibratedFit:
    """The fit without calibration."""
    return CalibratedFit(fit, 1.0, "nothing", None, None)


def changed_options(section: Combine) -> list[str]:
    """Options that differ from the defaults of the section, or of its short name.

    Options of a study's targets, such as `calibrate`, do not count: here `calibrate` of the settings applies.
    """
    defaults = {"type": section.type, **short_names().get(short_name(section), {})}
    fields = {name: field for name, field in type(section).model_fields.items() if name not in defaults}
    used = {*section.options, "hard"} - {"source"}
    return [name for name, field in fields.items() if name in used and getattr(section, name) != field.default]


def about_file(path: Path) -> dict[str, Any]:
    """The metadata of a Parquet file by `Combined.save`."""
    metadata: Mapping[bytes, bytes] = pq.read_schema(path).metadata or {}
    if ABOUT not in metadata:
        raise DataError(f"{path}: was not written by `outgrow combine`")
    about: dict[str, Any] = json.loads(metadata[ABOUT])
    return about
