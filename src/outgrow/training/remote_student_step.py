"""The step `student` of a study of texts, where the student lives behind a server: its provider tunes it.

The provider is sent examples, one chat per text, and trains as it sees fit; what it was told and what it made of that
is in `chosen.json`. Its protocol knows texts that are learned and texts that are not, so weights between are refused,
and it takes every text for a whole answer, so texts that were cut off are left out.

The step may be killed at any moment and goes on where it was: see `endpoints/fine_tuning.py`.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock
from jaxtyping import Int
from openai.types.fine_tuning import FineTuningJob
from pydantic import BaseModel

from outgrow.data.task import Split, Task
from outgrow.endpoints.fine_tuning import SHORT, FineTuningClient, JobSpec
from outgrow.endpoints.fine_tuning_server import FineTuningServer, number
from outgrow.errors import DataError
from outgrow.generation.chat import messages, single_turn
from outgrow.generation.remote_generator import TUNED
from outgrow.graph.step import Job, Json
from outgrow.models.skipped_items import NAMED, named, warn_skipped
from outgrow.texts import Candidate, TextTargets


class FineTuningData(NamedTuple):
    """What a provider is sent."""

    examples: list[dict[str, Json]]
    cut_off: list[str]
    """Items with a text that is left out, as its writer did not say where it ends."""

    def content(self, seed: int) -> bytes:
        """A line of JSON per example, shuffled."""
        order = np.random.default_rng(seed).permutation(len(self.examples)).tolist()
        return "".join(json.dumps(self.examples[row], ensure_ascii=False) + "\n" for row in order).encode()


def train_remote_student(job: Job, *, model: dict[str, Json], fine_tuning: dict[str, Json], seed: int) -> None:
    """Inputs `pool`, `split`, `targets`; writes `model/tuned.json`, `metrics.jsonl` and `chosen.json`.

    Hints: `endpoint` and `answers` as for whoever writes behind a server, and `poll`, the seconds between two looks.

    Args:
        model: the student's section, as far as its answers depend on it.
        fine_tuning: `epochs`, `batch_size` and `lr_multiplier`, or "auto" where the provider decides.
        seed: of the order of the texts, and of the provider's training.

    Raises:
        DataError: targets of different weight, or nothing to learn.
        StepFailed: the provider refuses, fails, or cannot be reached.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    targets = TextTargets.load(job.inputs["targets"] / "targets.parquet")
    lesson = lesson_of(task, split.half_b, targets, model["system"])
    if lesson.cut_off:
        warn_skipped(
            f"not learned: {len(lesson.cut_off)} texts were cut off ({named(lesson.cut_off)})", model["unfit"]
        )
    purchase = JobSpec(
        content=lesson.content(seed),
        model=model["model"],
        hyperparameters={
            "n_epochs": fine_tuning["epochs"],
            "batch_size": fine_tuning["batch_size"],
            "learning_rate_multiplier": fine_tuning["lr_multiplier"],
        },
        seed=seed,
    )
    with closing(FineTuningServer({**model, **job.hints["endpoint"]}, job.hints["poll"])) as server:
        provider = FineTuningClient(server, job.scratch)
        with _alone(Path(job.hints["answers"]), purchase):
            begun = provider.start(purchase)
        done = provider.follow(begun, job.report)
        metrics = provider.metrics(done.id)
    write_record(job.out, done, lesson, metrics, server.words)


def cancel_remote(scratch: Path, section: Mapping[str, Any]) -> str | None:
    """Stop the job that a step with this scratch folder has begun, so that the next run starts another.

    `section` is the student's, whole. The job's status afterwards (`succeeded`: it was too late), or `None` if there
    is no job. Raises `StepFailed` if the provider refuses or cannot be reached.
    """
    with closing(FineTuningServer(section)) as server:
        return FineTuningClient(server, scratch).cancel()


def lesson_of(task: Task, half: Int[np.ndarray, "item"], targets: TextTargets, system: str | None) -> FineTuningData:
    """The targets of weight above 0 as chats about the items at these pool rows.

    Raises `DataError` for different weights, for an item of elsewhere, and if there is nothing to learn.
    """
    require_equal_weights(targets)
    prompts = {task.items.ids[row]: task.items.prompts[row] for row in half.tolist()}
    lesson = FineTuningData([], [])
    for row in np.flatnonzero(targets.weight > 0).tolist():
        item, text = targets.items[row], targets.texts[row]
        if item not in prompts:
            raise DataError(f"targets.parquet: item `{item}` is not among the items to learn from")
        if not Candidate(text, targets.pieces[row]).has_end:
            lesson.cut_off.append(item)
            continue
        answer = {"role": "assistant", "content": text}
        lesson.examples.append({"messages": [*messages(single_turn(prompts[item], system)), answer]})
    if not lesson.examples:
        cut = f"{len(lesson.cut_off)} texts were cut off" if lesson.cut_off else "no target has a weight above 0"
        raise DataError(f"nothing to learn: {cut}")
    return lesson


def require_equal_weights(targets: TextTargets) -> None:
    """Raise `DataError` unless every text that counts has the same share of its item's weight."""
    rows = np.flatnonzero(targets.weight > 0)
    items = [targets.items[row] for row in rows.tolist()]
    _, place = np.unique(np.asarray(items, dtype=object).astype(str), return_inverse=True)
    share = targets.weight[rows] / np.bincount(place, targets.weight[rows])[place]
    unlike = np.flatnonzero(~np.isclose(share, share[:1]))
    if len(unlike):
        other = int(unlike[0])
        raise DataError(
            f"targets.parquet: a text of item `{items[0]}` weighs {share[0]:.3g} and one of `{items[other]}`"
            f" {share[other]:.3g}, but a provider learns every text alike; give the method a `combine` with one text"
            " per item (`single`, `joint_decoding`), or equal weights from sources that answer the same items"
        )


def write_record(
    out: Path,
    done: FineTuningJob,
    lesson: FineTuningData,
    metrics: list[dict[str, int | float]],
    words: Callable[[object], str],
) -> None:
    """The tuned model's name, what the provider chose and measured, and what was left out.

    `words` makes of a server's word one that can be kept.
    """
    tokens = number(done.trained_tokens)
    about = {
        "chosen": hyperparameters_of(done, words),
        "learned": len(lesson.examples),
        "trained_tokens": None if tokens is None or tokens < 0 else round(tokens),
        "job": done.id,
        "base": words(done.model),
        "cut_off": len(lesson.cut_off),
        "left_out": {"cut_off": lesson.cut_off[:NAMED]} if lesson.cut_off else {},
    }
    (out / "model").mkdir()
    (out / "model" / TUNED).write_text(json.dumps({"model": done.fine_tuned_model}))
    (out / "chosen.json").write_text(json.dumps(about, indent=1))
    (out / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))


def hyperparameters_of(done: FineTuningJob, words: Callable[[object], str]) -> dict[str, int | float | str]:
    """As the provider reports them, in the old place or the new one."""
    told = getattr(getattr(done.method, "supervised", None), "hyperparameters", None) or done.hyperparameters
    pairs = dict(told) if isinstance(told, dict | BaseModel) else {}
    told_of = {key: words(value) if isinstance(value, str) else value for key, value in pairs.items()}
    return {words(key): value for key, value in told_of.items() if isinstance(value, str) or number(value) is not None}


def _alone(answers: Path, purchase: JobSpec) -> FileLock:
    """Held while the purchase is looked for and made, as two steps of one study may want the same."""
    answers.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(answers.with_name(f".tuning-{purchase.digest[:SHORT]}.lock"))
