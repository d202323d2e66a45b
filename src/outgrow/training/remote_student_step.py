"""The step `student` of a study of texts with a student behind a server: its provider tunes it.

The provider is sent examples, one chat per text; `chosen.json` has the settings that it was sent and those that it
used. Its protocol has no weights, so different weights are refused, and no unfinished texts, so texts that were cut
off are left out.

A killed step resumes its job: see `endpoints/fine_tuning.py`.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from openai.types.fine_tuning import FineTuningJob
from pydantic import BaseModel

from outgrow.data.task import Split, Task
from outgrow.endpoints.fine_tuning import SHORT, FineTuningClient, JobSpec
from outgrow.endpoints.object_server import ObjectServer, number
from outgrow.errors import DataError
from outgrow.generation.chat import messages, single_turn
from outgrow.generation.remote_generator import TUNED
from outgrow.graph.file_lock import hold
from outgrow.graph.step import Job, Json
from outgrow.models.skipped_items import NAMED, named, warn_skipped
from outgrow.texts import Candidate, TextTargets


class FineTuningData(NamedTuple):
    """The examples for a provider."""

    examples: list[dict[str, Json]]
    cut_off: list[str]
    """Items with a text that is left out, as it has no end."""

    def content(self, seed: int) -> bytes:
        """A line of JSON per example, shuffled."""
        order = np.random.default_rng(seed).permutation(len(self.examples)).tolist()
        return "".join(json.dumps(self.examples[row], ensure_ascii=False) + "\n" for row in order).encode()


def train_remote_student(job: Job, *, model: dict[str, Json], fine_tuning: dict[str, Json], seed: int) -> None:
    """Inputs `pool`, `split`, `targets`; writes `model/tuned.json`, `metrics.jsonl` and `chosen.json`.

    Hints: `endpoint` and `answers` as for all requests to a server, and `poll`, seconds between two looks at the job.

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
    data = fine_tuning_data(task, split.half_b, targets, model["system"])
    if data.cut_off:
        warn_skipped(f"not learned: {len(data.cut_off)} texts were cut off ({named(data.cut_off)})", model["unfit"])
    job_spec = JobSpec(
        content=data.content(seed),
        model=model["model"],
        hyperparameters={
            "n_epochs": fine_tuning["epochs"],
            "batch_size": fine_tuning["batch_size"],
            "learning_rate_multiplier": fine_tuning["lr_multiplier"],
        },
        seed=seed,
    )
    with closing(ObjectServer({**model, **job.hints["endpoint"]}, job.hints["poll"])) as server:
        provider = FineTuningClient(server, job.scratch)
        with _locked(Path(job.hints["answers"]), job_spec):
            begun = provider.start(job_spec)
        done = provider.follow(begun, job.report)
        metrics = provider.metrics(done.id)
    write_record(job.out, done, data, metrics, server.words)


def cancel_remote(scratch: Path, section: Mapping[str, Any]) -> str | None:
    """Stop the job that a step with this scratch folder has begun, so that the next run starts another.

    `section` is the student's, whole. The job's status afterwards (`succeeded`: it was too late), or `None` if there
    is no job. Raises `StepFailed` if the provider refuses or cannot be reached.
    """
    with closing(ObjectServer(section)) as server:
        return FineTuningClient(server, scratch).cancel()


def fine_tuning_data(
    task: Task, half: Int[np.ndarray, "item"], targets: TextTargets, system: str | None
) -> FineTuningData:
    """The targets of weight above 0 as chats about the items at these pool rows.

    Raises `DataError` for different weights, for an item of elsewhere, and if there is nothing to learn.
    """
    require_equal_weights(targets)
    prompts = {task.items.ids[row]: task.items.prompts[row] for row in half.tolist()}
    data = FineTuningData([], [])
    for row in np.flatnonzero(targets.weight > 0).tolist():
        item, text = targets.items[row], targets.texts[row]
        if item not in prompts:
            raise DataError(f"targets.parquet: item `{item}` is not among the items to learn from")
        if not Candidate(text, targets.pieces[row]).has_end:
            data.cut_off.append(item)
            continue
        answer = {"role": "assistant", "content": text}
        data.examples.append({"messages": [*messages(single_turn(prompts[item], system)), answer]})
    if not data.examples:
        cut = f"{len(data.cut_off)} texts were cut off" if data.cut_off else "no target has a weight above 0"
        raise DataError(f"nothing to learn: {cut}")
    return data


def require_equal_weights(targets: TextTargets) -> None:
    """Raise `DataError` unless every text that counts has the same share of its item's weight."""
    rows = np.flatnonzero(targets.weight > 0)
    items = [targets.items[row] for row in rows.tolist()]
    _, place = np.unique(np.asarray(items, dtype=object).astype(str), return_inverse=True)
    share = targets.weight[rows] / np.bincount(place, targets.weight[rows])[place]
    unlike = np.flatnonzero(~np.isclose(share, share[:1]))
    if len(unlike):
        index = int(unlike[0])
        raise DataError(
            f"targets.parquet: a text of item `{items[0]}` weighs {share[0]:.3g} and one of `{items[index]}`"
            f" {share[index]:.3g}, but a provider learns every text alike; give the method a `combine` with one text"
            " per item (`single`, `joint_decoding`), or equal weights from sources that answer the same items"
        )


def write_record(
    out: Path,
    done: FineTuningJob,
    data: FineTuningData,
    metrics: list[dict[str, int | float]],
    words: Callable[[object], str],
) -> None:
    """The tuned model's name, what the provider chose and measured, and what was left out.

    `words` makes of a server's word one that can be kept.
    """
    tokens = number(done.trained_tokens)
    about = {
        "chosen": hyperparameters_of(done, words),
        "learned": len(data.examples),
        "trained_tokens": None if tokens is None or tokens < 0 else round(tokens),
        "job": done.id,
        "base": words(done.model),
        "cut_off": len(data.cut_off),
        "left_out": {"cut_off": data.cut_off[:NAMED]} if data.cut_off else {},
    }
    (out / "model").mkdir()
    (out / "model" / TUNED).write_text(json.dumps({"model": done.fine_tuned_model}))
    (out / "chosen.json").write_text(json.dumps(about, indent=1))
    (out / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics))


def hyperparameters_of(done: FineTuningJob, words: Callable[[object], str]) -> dict[str, int | float | str]:
    """As the provider reports them, in the old place or the new one."""
    reported = getattr(getattr(done.method, "supervised", None), "hyperparameters", None) or done.hyperparameters
    pairs = dict(reported) if isinstance(reported, dict | BaseModel) else {}
    values = {key: words(value) if isinstance(value, str) else value for key, value in pairs.items()}
    return {words(key): value for key, value in values.items() if isinstance(value, str) or number(value) is not None}


def _locked(answers: Path, job_spec: JobSpec) -> AbstractContextManager[None]:
    """A lock while the job is looked for and created, because two steps of one study may need the same job."""
    return hold(answers.with_name(f".tuning-{job_spec.digest[:SHORT]}.lock"))
