"""`Combined`: one label per item, made of many votes, with all that is known of how sure it is.

What is written is a table with a row per item: `item`, `source` (always `combined`, so that it can be read as votes
again), `label`, `confidence` (the label's probability), `probabilities` (by class), `votes` (how many there are),
`agreement`, `certainty`, and `gold` where it is known. In Parquet its metadata tell how it was made.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Float, Int

from outgrow.combiners.auto import CombinerChoice, choose
from outgrow.combiners.bayesian_dawid_skene import BayesianFit, dependence_told
from outgrow.combiners.fit import Fit
from outgrow.combiners.fits import READS_SILENCE, FitBy, fit_by
from outgrow.combiners.incremental import State, start
from outgrow.combiners.temperature_scaling import CalibratedFit, temperature_scaled
from outgrow.combiners.vote_fits import hardened
from outgrow.combiners.votes import Votes
from outgrow.config.combine import (
    SHORT_NAMES,
    Auto,
    Combine,
    FlyingSquid,
    KeepAll,
    LabelModel,
    SingleSource,
    short_name,
)
from outgrow.data.write_table import write_table
from outgrow.errors import ConfigError, DataError
from outgrow.text_format import listed, shortened
from outgrow.vote_table import VoteTable, named_shares

if TYPE_CHECKING:
    import pandas as pd

RAW = ("keep_all",)
"""Combiners that combine nothing: every vote is a target of its own."""
ABOUT = b"outgrow"
"""The key of the metadata."""
COMBINED = "combined"
"""The source under which combined labels are votes again."""


@dataclass(frozen=True, eq=False)
class Combined:
    """The votes, and what a combiner makes of them."""

    votes: VoteTable
    method: str
    source: str | None
    """The source, where `method` is `single`."""
    tempered: CalibratedFit
    choice: CombinerChoice | None = None
    """What `auto` compared."""
    state: State | None = None
    """From which `update` goes on; None for a combiner with options of its own."""

    @property
    def fit(self) -> Fit:
        return self.tempered.fit

    @property
    def posterior(self) -> Float[np.ndarray, "item class"]:
        """P(class | votes); the balance of the classes where nobody voted."""
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
    def told_of(self) -> Bool[np.ndarray, "item"]:
        """Items of which votes or gold say something; of the others there is the balance alone."""
        return np.asarray((self.votes.n_per_item > 0) | (self.votes.gold >= 0))

    @property
    def told(self) -> tuple[str, ...]:
        """What was done, why, and what to know of it, one sentence each."""
        nothing = int((~self.told_of).sum())
        silent = (f"Items without a vote: {nothing}; theirs is the balance of the classes alone.",) if nothing else ()
        if self.method in RAW:
            return (
                "Every vote is a target of its own; the labels shown are the majority's.",
                *silent,
                *self.votes.notes,
            )
        why = () if self.choice is None else (self.choice.why,)
        copies = dependence_told(self.fit) if isinstance(self.fit, BayesianFit) else ()
        told = (*why, self.tempered.sentence, *copies, *silent, *self.votes.notes)
        return tuple(shortened(sentence, self.votes.sources) for sentence in told)

    @property
    def about(self) -> dict[str, Any]:
        """How the labels were made, and what is held of the sources, as plain data."""
        fit, votes = self.fit, self.votes
        columns = (votes.sources, votes.n_per_source, fit.accuracy, *fit.interval.T)
        return {
            "combine": {
                "method": self.method if self.source is None else f"{self.method}: {self.source}",
                "temperature": self.tempered.temperature if self.tempered.by != "nothing" else None,
                "told": list(self.told),
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

    `calibrate` tempers the posteriors, by gold where there is some, else by hidden votes. Raises `ConfigError` for a
    combiner that votes cannot be combined by, `DataError` where nobody voted.
    """
    section = Auto(type="auto") if section is None else section
    compact = Votes.of_table(votes)
    if not votes.n_votes:
        raise DataError("nobody voted on anything: there is nothing to combine")
    if getattr(section, "hard", False):
        compact = hardened(compact)
    if isinstance(section, KeepAll):
        return Combined(votes, section.type, None, CalibratedFit(fit_by("vote")(compact), 1.0, "nothing", None, None))
    choice = choose(compact) if isinstance(section, Auto) else None
    method, source, by = fitting(section, votes) if choice is None else (choice.method, choice.source, choice.fit_by)
    if changed_options(section):
        return Combined(votes, method, source, _tempered(compact, method, by, by(compact), calibrate), choice)
    # Fitted as a state is, to the very end, so that votes added later find the same labels.
    state, fit = start(votes, method, source=source)
    return Combined(votes, method, source, _tempered(compact, method, by, fit, calibrate), choice, state)


def combined_of(votes: VoteTable, method: str, source: str | None, fit: Fit, *, calibrate: bool) -> Combined:
    """The labels of a fit that is there already."""
    compact, by = Votes.of_table(votes), fit_by(method, source)
    return Combined(votes, method, source, _tempered(compact, method, by, fit, calibrate))


def _tempered(votes: Votes, method: str, by: FitBy, fit: Fit, calibrate: bool) -> CalibratedFit:
    if not calibrate:
        return CalibratedFit(fit, 1.0, "nothing", None, None)
    return temperature_scaled(votes, by, fit=fit, reads_silence=method in READS_SILENCE)


def fitting(section: Combine, votes: VoteTable) -> tuple[str, str | None, FitBy]:
    """The name, the one source if there is one, and the function of a combiner with its options."""
    if isinstance(section, SingleSource):
        source = _only_source(section, votes)
        return "single", source, fit_by("single", source)
    options = section.model_dump(exclude={"type", "hard", "abstentions", "temper"})
    changed = changed_options(section)
    takes_options = isinstance(section, LabelModel | FlyingSquid)
    if not takes_options and changed:
        raise ConfigError(f"combine.{changed[0]}: is for studies; here `{section.type}` takes no options")
    name = short_name(section)
    by = fit_by(name)
    return name, None, partial(by, **options) if takes_options else by


def changed_options(section: Combine) -> list[str]:
    """Options that are not as they are by default, or as the short name has them.

    `calibrate` has no meaning here, for `calibrate` decides.
    """
    named = ("type", "source", "temper", *SHORT_NAMES.get(short_name(section), ()))
    fields = {name: field for name, field in type(section).model_fields.items() if name not in named}
    return [name for name, field in fields.items() if getattr(section, name) != field.default]


def _only_source(section: SingleSource, votes: VoteTable) -> str:
    if section.source is None and len(votes.sources) > 1:
        raise ConfigError(f"`single` needs a source: one of {listed(votes.sources)}")
    if section.source is not None and section.source not in votes.sources:
        raise ConfigError(f"no source named `{section.source}`; there are {listed(votes.sources)}")
    return section.source or votes.sources[0]


def about_file(path: Path) -> dict[str, Any]:
    """What `Combined.save` noted in a Parquet file's metadata."""
    found: Mapping[bytes, bytes] = pq.read_schema(path).metadata or {}
    if ABOUT not in found:
        raise DataError(f"{path}: was not written by `outgrow combine`")
    about: dict[str, Any] = json.loads(found[ABOUT])
    return about
