"""The steps `texts` and `scores`: what a model writes, and its log-probabilities of given texts.

`texts` is used for supervisors' labels and test answers, for students' test answers, and for the candidates of a
preference training; for trained and untrained models, local or behind a server.

`scores` is by teacher forcing: joint decoding scores the sources' pooled candidates, preference training the
student's. Equal texts of an item are scored once. A text that the scorer's tokenizer cannot reproduce, or that does
not fit behind its prompt, has no score; that is logged, and the text is passed over where texts are chosen.
"""

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.generation.causal_lm import CausalLM, TokenIds, canonical, forced, load_writer, pieces_with
from outgrow.generation.chat import Prompt, single_turn
from outgrow.generation.text_generator import GenerationRequest, open_generator
from outgrow.graph.step import Job, Json
from outgrow.models.load_model import pick_device
from outgrow.models.resumable_inference import DEFAULT_BATCH_TOKENS, ragged_sweep
from outgrow.models.skipped_items import warn_skipped
from outgrow.models.token_batches import length_sorted_batches
from outgrow.texts import Candidate, WeakTexts


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
    writer = load_writer(model, folder, pick_device(job.hints))
    task = Task.load(job.inputs["pool"])
    prompt = dict(zip(task.items.ids, task.items.prompts, strict=True))
    prompts = [single_turn(prompt[item], model["system"]) for item in items]
    scored = score(job, writer, items, prompts, texts)
    WeakTexts(items, (name,), [[candidates] for candidates in scored]).save(job.out / f"{part}.parquet")


def pooled(tables: Sequence[WeakTexts]) -> tuple[list[str], list[list[str]]]:
    """Items in the first table's order, and each item's different texts over all tables."""
    texts_by_item: dict[str, dict[str, None]] = {item: {} for table in tables for item in table.items}
    for table in tables:
        for item, _, _, candidate in table.rows():
            texts_by_item[table.items[item]][candidate.text] = None
    return list(texts_by_item), [list(texts) for texts in texts_by_item.values()]


class TokenizedText(NamedTuple):
    """One text as the scorer's tokens, the end of the text included."""

    text: str
    end: Int[np.ndarray, "piece"]
    """Where the text's own pieces end, in bytes."""
    ids: TokenIds


def score(
    job: Job, writer: CausalLM, items: Sequence[str], prompts: Sequence[Prompt], texts: Sequence[Sequence[str]]
) -> list[list[Candidate]]:
    """Every text of every item with the writer's log-probability of each of its pieces, the end included."""
    prompt_ids = writer.prompts(prompts)
    ready = [
        _ready(writer, item, len(ids), item_texts)
        for item, ids, item_texts in zip(items, prompt_ids, texts, strict=True)
    ]
    rows = [row for row, tokenized_texts in enumerate(ready) if tokenized_texts]
    if not rows:
        return [[] for _ in items]
    choices, run = forced(
        writer, [prompt_ids[row] for row in rows], [[text.ids for text in ready[row]] for row in rows]
    )
    budget = int(job.hints.get("batch_tokens", DEFAULT_BATCH_TOKENS))
    results = ragged_sweep(job, length_sorted_batches(choices.lengths(True), budget), run, "scored")
    scored: list[list[Candidate]] = [[] for _ in items]
    for index, row in enumerate(rows):
        scored[row] = [_candidate(text, logprobs) for text, logprobs in zip(ready[row], results[index], strict=True)]
    return scored


def _ready(writer: CausalLM, item: str, prompt_length: int, texts: Sequence[str]) -> list[TokenizedText]:
    ready = []
    for text in texts:
        try:
            end, ids = canonical(writer, text, item)
        except DataError as error:
            warn_skipped(f"not scored: {error}", writer.unfit)
            continue
        if prompt_length + len(ids) > writer.longest:
            warn_skipped(
                f"not scored: item `{item}` and a text are together longer than {writer.longest} tokens", writer.unfit
            )
            continue
        ready.append(TokenizedText(text, end, ids))
    return ready


def _candidate(tokenized: TokenizedText, logprobs: Sequence[float]) -> Candidate:
    table = pieces_with(tokenized.end, logprobs[:-1])
    return Candidate(tokenized.text, table.close(logprobs[-1], len(tokenized.text.encode())))
