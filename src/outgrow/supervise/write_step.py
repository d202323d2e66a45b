"""The step `texts`: what a model writes for the items of one part of the study.

A trained supervisor labels half B and answers the test items; a student answers, and writes the texts among which the
supervisors prefer; the untouched student answers without any training, and so does a supervisor that is only told what
to do. All of it is this one step, wherever the model lives.
"""

import json

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.generation.chat import single_turn
from outgrow.generation.text_generator import GenerationRequest, open_generator
from outgrow.graph.step import Job, Json
from outgrow.texts import WeakTexts


def write_texts(
    job: Job, *, model: dict[str, Json], decoding: dict[str, Json], part: str, seed: int, name: str
) -> None:
    """Inputs `pool`, `split` and, for a trained model, `model`; writes `half_b.parquet` or `test.parquet`.

    Args:
        model: the writer's section, as far as reading and writing depend on it.
        decoding: how texts are searched or drawn.
        part: `half_b` (half B) or `test`.
        seed: of samples; a search needs none.
        name: under which the texts are known.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    rows = np.asarray(getattr(split, part))
    errand = GenerationRequest(
        items=[task.items.ids[row] for row in rows.tolist()],
        conversations=[single_turn(task.items.prompts[row], model["system"]) for row in rows.tolist()],
        decoding=decoding,
        seed=seed,
        places=rows,
    )
    author = open_generator(job, model, job.inputs["model"] / "model" if "model" in job.inputs else None)
    written = author.write(job, errand)
    WeakTexts(errand.items, (name,), [[found] for found in written.candidates]).save(job.out / f"{part}.parquet")
    (job.out / "written.json").write_text(json.dumps(written.record(errand), indent=1))
