"""Run a model over all items of a step, a batch at a time, where results are no arrays of one shape: texts, say.

Like `resumable_inference.py`, so that a kill costs one batch at most: each batch's results are one line of JSON in
the step's scratch folder. The next run of the step takes the same batches in the same order and goes on behind the
last whole line. JSON keeps every digit of a float, so results are the same, bit for bit.
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from outgrow.graph.step import Job
from outgrow.models.token_batches import Rows, with_smaller_batches


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
            line = [(row, one) for rows, found in done for row, one in zip(rows.tolist(), found, strict=True)]
            file.write(json.dumps(line, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
            results.update(line)
            job.report(f"{what}: {len(results)} of {total} items", len(results) / max(1, total))
    return results


def _whole_lines(path: Path, plan: dict[str, Any]) -> list[list[tuple[int, Any]]]:
    """What an earlier run of the same plan left; the file then ends behind its last whole line."""
    head = json.dumps(plan) + "\n"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not text.startswith(head):
        path.write_text(head, encoding="utf-8")
        return []
    whole = text[: text.rindex("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [[(row, one) for row, one in json.loads(line)] for line in whole.splitlines()[1:]]
