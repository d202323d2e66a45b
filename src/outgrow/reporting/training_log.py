"""What trainings logged, as a data frame: the loss of every update and whatever else the trainer wrote."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store
from outgrow.reporting.evidence.steps import record
from outgrow.study.build import Study

if TYPE_CHECKING:
    import pandas as pd

LOG = "metrics.jsonl"


def training_log(study: Study, store: Store, rows: list[str]) -> "pd.DataFrame":
    """A line per update of the last training of every one of `rows` under every seed: `row`, `seed`, `step`, `loss`, …

    Rows without a finished training of their own (votes of files, n-grams, post-processing) are left out.
    """
    import pandas as pd

    return pd.DataFrame(list(log_lines(study, store, rows)))


def log_lines(study: Study, store: Store, rows: list[str]) -> Iterator[dict[str, Any]]:
    """The lines of `training_log`."""
    seeds = dict.fromkeys(study.experiment.seeds)
    for row in study.rows:
        for seed, answers in zip(seeds, row.steps, strict=True):
            training = _training(answers) if row.name in rows else None
            path = None if training is None else store.path(training) / LOG
            if training is None or path is None or record(store, training) is None or not path.is_file():
                continue
            for line in path.read_text(encoding="utf-8").splitlines():
                yield {"row": row.name, "seed": seed, **json.loads(line)}


def _training(answers: Step) -> Step | None:
    """The row's own training: of classes the step itself, of texts the one behind its answers."""
    if answers.name != "texts":
        return answers
    return next((step for step in reversed(walk([answers])) if step.name in ("student", "supervisor")), None)
