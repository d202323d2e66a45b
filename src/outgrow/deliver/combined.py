"""`Combined`: one label per item, made of many votes, with its probability and its sources.

What is written is a table with a row per item: `item`, `source` (always `combined`, so that it can be read as votes
again), `label`, `confidence` (the label's probability), `probabilities` (by class), `votes` (how many there are),
`agreement`, `certainty`, and `gold` where it is known. In Parquet the metadata hold how it was made.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Int

from outgrow.combiners import COMBINERS, fit_by, section_named, short_name, short_names
from outgrow.combiners.combiner_choice import CombinerChoice
from outgrow.combiners.fit import Fit
from outgrow.combiners.incremental import State, state_of
from outgrow.combiners.temperature_scaling import CalibratedFit, temperature_scaled
from outgrow.combiners.votes import Votes
from outgrow.config.combine import Combine
from outgrow.data.write_table import write_table
from outgrow.errors import ConfigError, DataError
from outgrow.extensions import function_of
from outgrow.text_format import shortened
from outgrow.vote_table import VoteTable, named_shares

if TYPE_CHECKING:
    import pandas as pd

ABOUT = b"outgrow"
"""The key of the metadata."""
COMBINED = "combined"
"""The source under which combined labels are votes again."""


@dataclass(frozen=True, eq=False)
class Combined:
    """The votes, and a combiner's labels of them."""

    votes: VoteTable
    method: str
    source: str | None
    """The source, where `method` is `single`."""
    calibrated: CalibratedFit
    choice: CombinerChoice | None = None
    """The comparison of `auto`."""
    uncalibrated: Fit | None = None
    """The fit before calibration, for `update`; `None` for a combiner with options other than its defaults."""
    keeps_votes: bool = False
    """Every vote is a target of its own; the labels are the majority's."""

    @property
    def state(self) -> State | None:
        """From which `update` continues; `None` for a combiner with options other than its defaults."""
        if self.uncalibrated is None:
            return None
        return state_of(self.votes, self.method, self.source, self.uncalibrated)

    @property
    def fit(self) -> Fit:
        return self.calibrated.fit

    @property
    def posterior(self) -> Float[np.ndarray, "item class"]:
        """P(class | votes); the balance of the classes where there is no vote."""
        return np.asarray(self.fit.posterior)

    @cached_property
    def said(self) -> Int[np.ndarray, "item"]:
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
        """The share of the item's votes for the combined label; 0 without votes."""
        votes, label = self.votes, self.said[self.votes.item]
        share = votes.said == label if votes.probs is None else votes.probs[np.arange(votes.n_votes), label]
        total = np.bincount(votes.item, share.astype(float), minlength=len(votes.items))
        return np.asarray(total / np.maximum(1, votes.n_per_item))

    @property
    def has_votes_or_gold(self) -> Bool[np.ndarray, "item"]:
        """Items with a vote or gold; the others have the balance alone."""
        return np.asarray((self.votes.n_per_item > 0) | (self.votes.gold >= 0))

    @property
    def notes(self) -> tuple[str, ...]:
        """How the labels were made, one sentence each."""
        nothing = int((~self.has_votes_or_gold).sum())
        silent = (f"Items without a vote: {nothing}; theirs is the balance of the classes alone.",) if nothing else ()
        if self.keeps_votes:
            return (
                "Every vote is a target of its own; the labels shown are the majority's.",
                *silent,
                *self.votes.notes,
            )
        why = () if self.choice is None else (self.choice.why,)
        sentences = (*why, self.calibrated.sentence, *self.fit.notes, *silent, *self.votes.notes)
        return tuple(shortened(sentence, self.votes.sources) for sentence in sentences)

    @property
    def about(self) -> dict[str, Any]:
        """How the labels were made, and the estimates of the sources, as plain data."""
        fit, votes = self.fit, self.votes
        columns = (votes.sources, votes.n_per_source, fit.accuracy, *fit.interval.T)
        return {
            "combine": {
                "method": self.method if self.source is None else f"{self.method}: {self.source}",
                "temperature": self.calibrated.temperature if self.calibrated.by != "nothing" else None,
                "notes": list(self.notes),
                "table": None if self.choice is None else self.choice.table(),
            },
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
        """See the module."""
        votes, classes = self.votes, pa.array(self.votes.classes, pa.string())
        gold = classes.take(pa.array(votes.gold, mask=votes.gold < 0))
        columns = {
            "item": pa.array(votes.items, pa.string()),
            "source": pa.array([COMBINED] * len(votes.items), pa.string()),
            "label": classes.take(pa.array(self.said)),
            "confidence": self.confidence,
            "probabilities": named_shares(self.posterior, votes.classes),
            "votes": votes.n_per_item,
            "agreement": self.agreement,
            "certainty": self.certainty,
            **({"gold": gold} if (votes.gold >= 0).any() else {}),
        }
        metadata = {ABOUT: json.dumps(self.about, ensure_ascii=False)}
        return pa.table(columns).replace_schema_metadata(metadata)

    def to_pandas(self) -> "pd.DataFrame":
        """One row per item."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def save(self, path: Path) -> None:
        """Write the table in the format of its suffix: .parquet, .csv, .tsv, .jsonl."""
        write_table(self.to_arrow(), path)


def combine_votes(votes: VoteTable, section: Combine | None = None, *, calibrate: bool = True) -> Combined:
    """One label per item, by the combiner that `section` names (default: `auto`).

    `calibrate` calibrates the posteriors, by gold where there is some, else by held-out votes. Raises `ConfigError`
    for a combiner that is not for votes, `DataError` without votes.
    """
    section = section_named("auto") if section is None else section
    if not votes.n_votes:
        raise DataError("there is no vote, and so nothing to combine")
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
    calibrated = temperature_scaled(compact, chosen, fit) if calibrate else uncalibrated(fit)
    return Combined(votes, method, source, calibrated, choice, None if changed_options(section) else fit)


def combined_of(votes: VoteTable, method: str, source: str | None, fit: Fit, *, calibrate: bool) -> Combined:
    """The labels of a fit."""
    section = section_named(method if source is None else f"{method}: {source}")
    calibrated = temperature_scaled(Votes.of_table(votes), section, fit) if calibrate else uncalibrated(fit)
    return Combined(votes, method, source, calibrated)


def uncalibrated(fit: Fit) -> CalibratedFit:
    """The fit as it is."""
    return CalibratedFit(fit, 1.0, "nothing", None, None)


def changed_options(section: Combine) -> list[str]:
    """Options that differ from the defaults of the section, or of its short name.

    Options that only a study's targets have are left out: here `calibrate` of the settings decides.
    """
    defaults = {"type": section.type, **short_names().get(short_name(section), {})}
    fields = {name: field for name, field in type(section).model_fields.items() if name not in defaults}
    used = {*section.options, "hard"} - {"source"}
    return [name for name, field in fields.items() if name in used and getattr(section, name) != field.default]


def about_file(path: Path) -> dict[str, Any]:
    """The metadata that `Combined.save` wrote into a Parquet file."""
    metadata: Mapping[bytes, bytes] = pq.read_schema(path).metadata or {}
    if ABOUT not in metadata:
        raise DataError(f"{path}: was not written by `outgrow combine`")
    about: dict[str, Any] = json.loads(metadata[ABOUT])
    return about
