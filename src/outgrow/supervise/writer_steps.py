"""The steps `texts` and `scores`: what a model writes, and its log-probabilities of given texts.

`texts` is used for supervisors' labels and test answers, for students' test answers, and for the candidates of a
preference training; for trained and untrained models, local or behind a server.

`scores` is by teacher forcing: joint decoding scores the sources' pooled candidates, preference training the
student's. Equal texts of an item are scored once. A text that the scorer cannot score (`local_scorer.py`,
`remote_scorer.py`) has no score; that is logged, and the text is passed over where texts are chosen.
"""

import json
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from outgrow.data.task import Split, Task
from outgrow.generation.chat import single_turn
from outgrow.generation.text_generator import (
    GenerationRequest,
    ScoringRequest,
    open_generator,
    score_given_texts,
)
from outgrow.graph.step import Job, Json
from outgrow.texts import WeakTexts


def write_texts(
    job: Job, *, model: dict[str, Json], decoding: dict[str, Json], part: str, seed: int, name: str
) -> None:
    """Inputs `pool`, `split` and, for a trained model, `model`; writes `half_b`, `test` or `held_out.parquet`.

    Args:
        model: the writer's section, as far as reading and writing depend on it.
        decoding: how texts are searched or drawn.
        part: `half_b` (half B), `test`, or `held_out`: the items of the input `held_out`, which no supervisor learned.
        seed: of samples; a search needs none.
        name: under which the texts are known.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    rows = held_out_rows(job, task) if part == "held_out" else np.asarray(getattr(split, part))
    request = GenerationRequest(
        items=[task.items.ids[row] for row in rows.tolist()],
        conversations=[single_turn(task.items.prompts[row], model["system"]) for row in rows.tolist()],
        decoding=decoding,
        seed=seed,
        places=rows,
    )
    generator = open_generator(job, model, job.inputs["model"] / "model" if "model" in job.inputs else None)
    written = generator.write(job, request)
    WeakTexts(request.items, (name,), [[candidates] for candidates in written.candidates]).save(
        job.out / f"{part}.parquet"
    )
    (job.out / "written.json").write_text(json.dumps(written.record(request), indent=1))


def held_out_rows(job: Job, task: Task) -> Int[np.ndarray, "row"]:
    """Pool rows of the items of the input `held_out`."""
    items = set(WeakTexts.load(job.inputs["held_out"] / "held_out.parquet").items)
    return np.flatnonzero([name in items for name in task.items.ids])


def score_texts(job: Job, *, model: dict[str, Json], name: str, part: str = "half_b") -> None:
    """Inputs `pool`, `model` (if trained), and `texts.NAME` for every table; writes `PART.parquet`.

    Its one source is the scorer, its candidates are all different texts of an item in first-seen order.
    """
    tables = [WeakTexts.load(path / f"{part}.parquet") for key, path in job.inputs.items() if key.startswith("texts.")]
    items, texts = pooled(tables)
    folder = job.inputs["model"] / "model" if "model" in job.inputs else None
    task = Task.load(job.inputs["pool"])
    prompt = dict(zip(task.items.ids, task.items.prompts, strict=True))
    conversations = [single_turn(prompt[item], model["system"]) for item in items]
    scored = score_given_texts(job, model, folder, ScoringRequest(items, conversations, texts))
    WeakTexts(items, (name,), [[candidates] for candidates in scored]).save(job.out / f"{part}.parquet")


def pooled(tables: Sequence[WeakTexts]) -> tuple[list[str], list[list[str]]]:
    """Items in the first table's order, and each item's different texts over all tables."""
    texts_by_item: dict[str, dict[str, None]] = {item: {} for table in tables for item in table.items}
    for table in tables:
        for item, _, _, candidate in table.rows():
            texts_by_item[table.items[item]][candidate.text] = None
    return list(texts_by_item), [list(texts) for texts in texts_by_item.values()]
