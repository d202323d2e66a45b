"""The step `texts`: what a model writes for the items of one part of the study.

It is used for supervisors' labels and test answers, for students' test answers, and for the candidates of a preference
training; for trained and untrained models, local or behind a server.
"""

import json

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.generation.chat import asked
from outgrow.generation.open_generator import open_generator
from outgrow.generation.text_generator import GenerationRequest
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
    request = GenerationRequest(
        items=[task.items.ids[row] for row in rows.tolist()],
        conversations=[asked(task.items.prompts[row], model["system"]) for row in rows.tolist()],
        decoding=decoding,
        seed=seed,
        places=rows,
    )
    generator = open_generator(job, model, job.inputs["model"] / "model" if "model" in job.inputs else None)
    written = generator.write(job, request)
    WeakTexts(request.items, (name,), [[found] for found in written.candidates]).save(job.out / f"{part}.parquet")
    (job.out / "written.json").write_text(json.dumps(written.record(request), indent=1))
