"""The step `texts`: what a model writes for the items of one part of the study.

A trained supervisor labels half B and answers the test items; a student answers, and writes the texts among which the
supervisors prefer; the untouched student answers without any training. All of it is this one step.
"""

import json
from collections.abc import Sequence

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.graph.step import Job, Json
from outgrow.models.generator import write
from outgrow.models.load import pick_device
from outgrow.models.unfit import named, tell_unfit
from outgrow.models.writer import Writer, load_writer
from outgrow.texts import WeakTexts


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
    items = [task.items.ids[row] for row in rows.tolist()]
    too_long = prompts_without_room(writer, items, prompts, decoding["max_new_tokens"])
    written = write(job, writer, prompts, decoding, seed, rows)
    WeakTexts(items, (name,), [[found] for found in written.candidates]).save(job.out / f"{part}.parquet")
    about = {
        "items": len(items),
        "without_answer": too_long,
        "cut_off_texts": written.cut_off,
        "empty_texts": sum(one.text == "" for found in written.candidates for one in found),
    }
    (job.out / "written.json").write_text(json.dumps(about, indent=1))


def prompts_without_room(writer: Writer, items: Sequence[str], prompts: Sequence[str], new_tokens: int) -> list[str]:
    """Items that get no answer. Says so, or raises `DataError` if the model's section wants to stop there."""
    fits = writer.fits(writer.prompts(prompts), new_tokens)
    found = [item for item, there in zip(items, fits.tolist(), strict=True) if not there]
    if found:
        room = f"{new_tokens} new tokens within {writer.longest} (`max_length`, or the model's context)"
        tell_unfit(f"{len(found)} prompts leave no room for {room}, and get no answer ({named(found)})", writer.unfit)
    return found
