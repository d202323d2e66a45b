"""Run a model over all items of a step; a kill costs one batch at most.

Results go into one memory-mapped file in the step's scratch folder, a batch at a time; after each batch is on the
disk, a small note says how many are done. The next run of the step takes the same batches in the same order and goes
on behind the note, so that the finished file is the same, bit for bit. Batches are of items of like length, hence the
file fills up in no particular order. Results that are no arrays of one shape, such as texts, are lines of JSON.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from outgrow.errors import StepFailed
from outgrow.graph.step import Job
from outgrow.models.token_batches import Rows, length_sorted_batches, with_smaller_batches

DEFAULT_BATCH_TOKENS = 4096
Known = tuple[Rows, Float[np.ndarray, "row ..."]]
"""Some items' results."""


@dataclass(frozen=True)
class ResumableInference:
    """The computation for every item."""

    lengths: Int[np.ndarray, "item"]
    """Tokens that each item takes of a batch."""
    shape: tuple[int, ...]
    """Of one item's result."""
    run: Callable[[Rows], Float[np.ndarray, "row ..."]]
    """The results of the items at the given rows."""
    blocks: Sequence[Rows] | None = None
    """Items that are batched among themselves; by default all of them are."""


def sweep(job: Job, work: ResumableInference, known: Sequence[Known] = ()) -> Path:
    """Compute every item's result; returns the `.npy` file, float32 [item, …], which lies in `job.scratch`.

    `known` are rows of whole blocks whose results are there already. Raises `StepFailed` for results that are not
    finite, and where a single item does not fit into memory.
    """
    batches = _batches(work, known, int(job.hints.get("batch_tokens", DEFAULT_BATCH_TOKENS)))
    path, note = job.scratch / "sweep.npy", job.scratch / "sweep.json"
    plan = _fingerprint(batches, work.shape)
    done = _batches_done(path, note, plan)
    if not done:
        note.unlink(missing_ok=True)
        _allocate(path, (len(work.lengths), *work.shape))
    results = np.lib.format.open_memmap(path, mode="r+")
    for rows, values in known:
        results[rows] = values
    results.flush()
    items = sum(map(len, batches[:done])) + sum(len(rows) for rows, _ in known)
    for n_done, batch in enumerate(batches[done:], start=done + 1):
        for rows, values in with_smaller_batches(work.run, [batch]):
            if not np.isfinite(values).all():
                raise StepFailed("the model's output is not finite; use `dtype: float32` (or bfloat16)")
            results[rows] = values
        results.flush()
        _write(note, {"plan": plan, "done": n_done})
        items += len(batch)
        job.report(f"{items} of {len(work.lengths)} items", items / max(1, len(work.lengths)))
    return path


def _batches(work: ResumableInference, known: Sequence[Known], batch_tokens: int) -> list[Rows]:
    """Batches of items of similar length, for each block without known results."""
    known_rows = {int(row) for rows, _ in known for row in rows}
    blocks = [np.arange(len(work.lengths))] if work.blocks is None else work.blocks
    left = [block for block in blocks if len(block) and int(block[0]) not in known_rows]
    return [block[rows] for block in left for rows in length_sorted_batches(work.lengths[block], batch_tokens)]


def _allocate(path: Path, shape: tuple[int, ...]) -> None:
    """A file of zeros, written out: on a full disk that is an error now, not a crash at some later page."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    left = 4 * math.prod(shape)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        while left:
            left -= file.write(bytes(min(left, 1 << 22)))


def _batches_done(path: Path, note: Path, plan: str) -> int:
    """How far an earlier run of the same plan came; 0 if there was none, or its files are not whole."""
    try:
        noted = json.loads(note.read_text())
        return int(noted["done"]) if noted["plan"] == plan and path.is_file() else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _fingerprint(batches: Sequence[Rows], shape: tuple[int, ...]) -> str:
    """A hash of the batches and the shape of the results; another `batch_tokens` starts anew."""
    text = json.dumps([list(shape), [batch.tolist() for batch in batches]])
    return hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, content: dict[str, object]) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def ragged_sweep(job: Job, batches: Sequence[Rows], run: Callable[[Rows], list[Any]], what: str) -> dict[int, Any]:
    """Each row's result: `run(rows)` gives one JSON value per row. `what` names the file and the work.

    Raises `StepFailed` where a single item does not fit into memory.
    """
    path = job.scratch / f"{what}.jsonl"
    plan = {"plan": [batch.tolist() for batch in batches]}
    lines = _whole_lines(path, plan)
    results: dict[int, Any] = dict(pair for line in lines for pair in line)
    total = sum(map(len, batches))
    with path.open("a", encoding="utf-8") as file:
        for batch in batches[len(lines) :]:
            done = with_smaller_batches(run, [batch])
            line = [
                (row, result) for rows, results in done for row, result in zip(rows.tolist(), results, strict=True)
            ]
            file.write(json.dumps(line, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
            results.update(line)
            job.report(f"{what}: {len(results)} of {total} items", len(results) / max(1, total))
    return results


def _whole_lines(path: Path, plan: dict[str, Any]) -> list[list[tuple[int, Any]]]:
    """The results of an earlier run of the same plan; the file is cut after its last whole line."""
    head = json.dumps(plan) + "\n"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not text.startswith(head):
        path.write_text(head, encoding="utf-8")
        return []
    whole = text[: text.rindex("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [[(row, result) for row, result in json.loads(line)] for line in whole.splitlines()[1:]]
