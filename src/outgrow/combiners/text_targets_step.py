"""The steps that make targets of texts: from the supervisors' texts, from gold, and pairs for preference training.

Tables are checked as they are read: a log-probability that is not finite would silently decide which text is chosen.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from outgrow.combiners import COMBINERS
from outgrow.combiners.combiner_record import CombinerSection
from outgrow.combiners.preference_pairs import preference_pairs
from outgrow.combiners.targets_step import section_of
from outgrow.combiners.weak_ratios import weak_ratios
from outgrow.data.task import Split, Task
from outgrow.errors import ConfigError, DataError
from outgrow.extensions import function_of
from outgrow.graph.step import Job
from outgrow.texts import TextTargets, WeakTexts, certain


def make_text_targets(job: Job, *, combine: dict[str, Any]) -> None:
    """Combine the `labels` of half B by the combiner named in `combine["type"]`; scorers are inputs `scores.NAME`."""
    targets = combine_texts_by(section_of(combine), load_texts(job.inputs["labels"]), scores_of(job))
    if not len(targets):
        why = " ".join(targets.origin)
        raise DataError(f"no item of half B has an answer that counts: there is nothing to train on. {why}")
    targets.save(job.out / "targets.parquet")


def combine_texts_by(
    section: CombinerSection,
    texts: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    gold: Mapping[str, str] | None = None,
) -> TextTargets:
    """The targets by the combiner of texts that `section` names, with the right texts of some items.

    Raises `ConfigError` for a combiner of votes, and for gold that the combiner does not take.
    """
    record = COMBINERS.of(section)
    if record.text_targets is None:
        raise ConfigError(f"`{record.name}` combines votes on classes, and these are texts")
    if gold and not record.takes_text_gold:
        names = ", ".join(f"`{name}`" for name, other in COMBINERS.items() if other.takes_text_gold)
        raise ConfigError(f"gold: `{record.name}` does not use the right texts of some items; use {names}")
    known = {"gold": gold} if gold else {}
    targets: TextTargets = function_of(record.text_targets)(texts, scores, **section.options, **known)
    return targets


def make_text_gold(job: Job) -> None:
    """Gold texts of half B, certain in every piece: what the ceiling learns."""
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    items = task.items.take(split.half_b)
    missing = np.flatnonzero(items.gold < 0)
    if len(missing) or items.answers is None:
        name = items.ids[missing[0]] if len(missing) else items.ids[0]
        raise DataError(f"item `{name}` has no gold text, and the ceiling needs it for every item of half B")
    pieces = [certain(text) for text in items.answers]
    TextTargets(items.ids, items.answers, pieces, np.ones(len(items))).save(job.out / "targets.parquet")


def make_pairs(
    job: Job,
    *,
    epsilon: float | Literal["per_pair"],
    weights: str | dict[str, float],
    logprobs: Literal["sum", "mean"],
) -> None:
    """The supervisors' preferences among a student's own texts.

    Inputs `candidates` (the student's texts), `reference` (its own scores of them), `scores.NAME` per supervisor;
    writes `pairs.parquet`.
    """
    candidates, reference = load_texts(job.inputs["candidates"]), load_texts(job.inputs["reference"])
    pairs = preference_pairs(
        candidates, scores_of(job), reference, epsilon=epsilon, weights=weights, logprobs=logprobs
    )
    if not len(pairs):
        raise DataError(
            "no item of half B has two different texts to prefer between; raise `preference.candidates.candidates`."
            f" {' '.join(pairs.origin)}"
        )
    pairs.save(job.out / "pairs.parquet")


def make_ratios(job: Job, *, weights: str | dict[str, float]) -> None:
    """What the supervisors' training changed, on a student's own texts.

    Inputs `candidates` (the student's texts), `reference` (its own scores of them), and per supervisor `before.NAME`
    and `scores.NAME`; writes `ratios.parquet` and `reference.parquet`.
    """
    candidates, reference = load_texts(job.inputs["candidates"]), load_texts(job.inputs["reference"])
    result = weak_ratios(candidates, scores_of(job, "before"), scores_of(job), reference, weights)
    if not len(result.ratios):
        raise DataError(
            f"no text of the student can be read by all: there is nothing to learn. {' '.join(result.ratios.origin)}"
        )
    result.ratios.save(job.out / "ratios.parquet")
    result.reference.save(job.out / "reference.parquet")


def scores_of(job: Job, kind: str = "scores") -> dict[str, WeakTexts]:
    """By scorer, the tables among the step's inputs `KIND.NAME`."""
    names = {key.removeprefix(f"{kind}."): path for key, path in job.inputs.items() if key.startswith(f"{kind}.")}
    return {name: load_texts(path) for name, path in names.items()}


def load_texts(folder: Path) -> WeakTexts:
    """A step's `half_b.parquet`. Raises `DataError` for a log-probability that is not finite."""
    path = folder / "half_b.parquet"
    table = WeakTexts.load(path)
    for item, source, rank, candidate in table.rows():
        bad = ~np.isfinite(candidate.pieces.logprob)
        if bad.any():
            where = int(bad.argmax())
            raise DataError(
                f"{path}: source `{table.sources[source]}`, item `{table.items[item]}`, text {rank}: the"
                f" log-probability of piece {where} is {candidate.pieces.logprob[where]:g}; it must be finite and at"
                " most 0: mend the model that stated it, or leave it out"
            )
    return table
