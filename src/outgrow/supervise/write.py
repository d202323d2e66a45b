"""The step `texts`: what a model writes for the items of one part of the study.

A trained supervisor labels half B and answers the test items; a student answers, and writes the texts among which the
supervisors prefer; the untouched student answers without any training. All of it is this one step.
"""

import json
import logging

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.graph.step import Job, Json
from outgrow.models.generator import write
from outgrow.models.load import pick_device
from outgrow.models.writer import load_writer
from outgrow.texts import WeakTexts

log = logging.getLogger(__name__)
NAMED = 5
"""Items that a message names."""


def write_texts(
    job: Job, *, model: dict[str, Json], decoding: dict[str, Json], part: str, seed: int, name: str
) -> None:
    """Inputs `pool`, `split` and, for a trained model, `model`; writes `strong.parquet` or `test.parquet`.

    Args:
        model: the writer's section, as far as reading and writing depend on it.
        decoding: how texts are searched or drawn.
        part: `strong` (half B) or `test`.
        seed: of samples; a search needs none.
        name: under which the texts are known.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    rows = np.asarray(getattr(split, part))
    folder = job.inputs["model"] / "model" if "model" in job.inputs else None
    writer = load_writer(model, folder, pick_device(job.hints))
    prompts = [task.items.prompts[row] for row in rows.tolist()]
    written = write(job, writer, prompts, decoding, seed, rows)
    items = [task.items.ids[row] for row in rows.tolist()]
    if written.too_long:
        named = ", ".join(items[number] for number in written.too_long[:NAMED])
        log.warning("%d prompts leave no room for an answer, and get none: %s, …", len(written.too_long), named)
    WeakTexts(items, (name,), [[found] for found in written.candidates]).save(job.out / f"{part}.parquet")
    about = {
        "items": len(items),
        "without_answer": [items[number] for number in written.too_long],
        "cut_off_texts": written.cut_off,
        "empty_texts": sum(one.text == "" for found in written.candidates for one in found),
    }
    (job.out / "written.json").write_text(json.dumps(about, indent=1))
