"""The steps that make targets of texts: from the supervisors' texts, from gold, and pairs for preference training.

Tables are checked as they are read: a log-probability that is not finite would silently decide which text is chosen.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int

from outgrow.combiners import COMBINERS
from outgrow.combiners.candidate_pool import HeldOutTexts
from outgrow.combiners.combiner_record import CombinerSection
from outgrow.combiners.preference_pairs import preference_pairs
from outgrow.combiners.targets_step import GOLD, half_a_note, section_of
from outgrow.combiners.weak_ratios import weak_ratios
from outgrow.data.task import Split, Task
from outgrow.errors import ConfigError, DataError
from outgrow.extensions import function_of
from outgrow.graph.step import Job
from outgrow.texts import HELD_OUT_ITEMS, Candidate, TextTargets, WeakTexts, certain


def make_text_targets(job: Job, *, combine: dict[str, Any]) -> None:
    """Combine the `labels` of half B by the combiner named in `combine["type"]`.

    Scorers are inputs `scores.NAME`; `held_out.NAME` are their scores of texts of items that they did not learn.
    """
    labels, scores = load_texts(job.inputs["labels"]), scores_of(job)
    targets = combine_texts_by(section_of(combine), labels, scores, held_out=held_out_texts(job))
    if not len(targets):
        why = " ".join(targets.origin)
        raise DataError(f"no item of half B has an answer that counts: there is nothing to train on. {why}")
    targets.save(job.out / "targets.parquet")


def combine_texts_by(
    section: CombinerSection,
    texts: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    gold: Mapping[str, str] | None = None,
    held_out: HeldOutTexts | None = None,
) -> TextTargets:
    """The targets by the combiner of texts that `section` names, with the right texts of some items, or scores of
    texts of others with gold.

    Raises `ConfigError` for a combiner of votes, and for gold that the combiner does not take.
    """
    record = COMBINERS.of(section)
    if record.text_targets is None:
        raise ConfigError(f"`{record.name}` combines votes on classes, and these are texts")
    if gold and not record.takes_text_gold:
        names = ", ".join(f"`{name}`" for name, other in COMBINERS.items() if other.takes_text_gold)
        raise ConfigError(f"gold: `{record.name}` does not use the right texts of some items; use {names}")
    known: dict[str, Any] = {"gold": gold} if gold else {}
    if held_out is not None and record.takes_held_out_texts:
        known["held_out"] = held_out
    targets: TextTargets = function_of(record.text_targets)(texts, scores, **section.options, **known)
    return targets


def held_out_texts(job: Job) -> HeldOutTexts | None:
    """The inputs `held_out.NAME` with the items' gold; None without such inputs."""
    scores = scores_of(job, "held_out")
    if not scores:
        return None
    task = Task.load(job.inputs["pool"])
    items = set(next(iter(scores.values())).items)
    gold = gold_texts(task, np.flatnonzero([name in items for name in task.items.ids]))
    return HeldOutTexts(scores, dict(zip(gold.items, gold.texts, strict=True)))


def save_held_out_gold(job: Job) -> None:
    """Gold texts of the items of half A that no training among the inputs `model.NAME` learned, as texts of `gold`."""
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    models = [path for key, path in job.inputs.items() if key.startswith("model.")]
    held_out = set.intersection(*(set(json.loads((path / HELD_OUT_ITEMS).read_text())) for path in models))
    gold = gold_texts(task, split.half_a)
    chosen = [
        (item, Candidate(text, pieces))
        for item, text, pieces in zip(gold.items, gold.texts, gold.pieces, strict=True)
        if item in held_out
    ]
    if not chosen:
        raise DataError(
            "no item of half A was held out by all supervisors, so that the weights of `candidate_pool` cannot be"
            " fitted; raise their `holdout`, or use `anchors: none`"
        )
    table = WeakTexts([item for item, _ in chosen], (GOLD,), [[[candidate]] for _, candidate in chosen])
    table.save(job.out / "held_out.parquet")


def gold_texts(task: Task, rows: Int[np.ndarray, "row"]) -> TextTargets:
    """The gold texts of these pool rows, certain in every piece; rows without gold are left out."""
    answers = task.items.answers
    if answers is None:
        return TextTargets([], [], [], np.zeros(0))
    with_gold = rows[task.items.gold[rows] >= 0].tolist()
    texts = [answers[row] for row in with_gold]
    items = [task.items.ids[row] for row in with_gold]
    return TextTargets(items, texts, [certain(text) for text in texts], np.ones(len(items)))


def add_half_a_texts(job: Job) -> None:
    """Half A's gold texts with weight 1, before the input `targets` if there is one."""
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    gold = gold_texts(task, split.half_a)
    if not len(gold):
        raise DataError("no item of half A has a gold text, and this row learns it")
    gold = replace(gold, origin=(half_a_note(len(gold)),))
    if "targets" in job.inputs:
        gold = _joined(gold, TextTargets.load(job.inputs["targets"] / "targets.parquet"))
    gold.save(job.out / "targets.parquet")


def _joined(gold: TextTargets, labels: TextTargets) -> TextTargets:
    """Rows of half A, then rows of half B."""
    return TextTargets(
        [*gold.items, *labels.items],
        [*gold.texts, *labels.texts],
        [*gold.pieces, *labels.pieces],
        np.concatenate([gold.weight, labels.weight]),
        (*gold.origin, *labels.origin),
    )


def make_text_gold(job: Job) -> None:
    """Gold texts of half B, certain in every piece: what the ceiling learns."""
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    gold = gold_texts(task, split.half_b)
    missing = set(task.items.take(split.half_b).ids).difference(gold.items)
    if missing:
        name = next(task.items.ids[row] for row in split.half_b.tolist() if task.items.ids[row] in missing)
        raise DataError(f"item `{name}` has no gold text, and the ceiling needs it for every item of half B")
    gold.save(job.out / "targets.parquet")


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
    return {name: load_texts(path, "held_out" if kind == "held_out" else "half_b") for name, path in names.items()}


def load_texts(folder: Path, part: str = "half_b") -> WeakTexts:
    """A step's texts of one part. Raises `DataError` for a log-probability that is not finite."""
    path = folder / f"{part}.parquet"
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
