"""The step `refined`: one teacher's labels of half B, rewritten by the strong model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.data.task_forms import unanswered
from outgrow.endpoints.usage import Usage
from outgrow.errors import DataError
from outgrow.generation.text_generator import GenerationRequest, GenerationResult, TextGenerator, open_generator
from outgrow.graph.step import Job, Json
from outgrow.refine import refiners
from outgrow.refine.question_batches import WeakExample
from outgrow.refine.refiners import RefinerRequest
from outgrow.texts import Candidate, WeakTexts

STRONG = "half_b.parquet"


def refine_texts(
    job: Job,
    *,
    refiner: str,
    batch: int | None,
    fixed: int | None,
    prompts: dict[str, str],
    model: dict[str, Json],
    decoding: dict[str, Json],
    naming: dict[str, Json] | None,
    name: str,
    seed: int,
) -> None:
    """Inputs `pool`, `split` and, but for `self_bootstrap`, `texts`; writes `half_b.parquet` and `written.json`.

    An item without a weak answer gets none here either; nor does a fixed demonstration. Without any weak answer there
    is nothing to rewrite: a `DataError`.

    Args:
        refiner: one of `refine.prompts.FIELDS`.
        batch: how many questions are shown together.
        fixed: `icl` only: so many items are everybody's demonstrations.
        prompts: the prompts' texts.
        model: who rewrites.
        decoding: how the answers are written.
        naming: how the common style is written.
        name: of the teacher, under which the new labels are known.
        seed: of samples.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    # The refiners' prompts say `Answer:` themselves.
    questions = {task.items.ids[row]: unanswered(task.items.prompts[row]) for row in split.half_b.tolist()}
    places = dict(zip(questions, split.half_b.tolist(), strict=True))
    desk = RefinerSession(job, open_generator(job, model), places, seed)
    concepts: dict[int, str] = {}
    if refiner == "self_bootstrap":
        asks = refiners.self_bootstrap(questions, prompts, model["system"])
    else:
        capabilities = dict(zip(task.items.ids, task.items.capabilities or [], strict=False))
        examples = weak_examples(WeakTexts.load(job.inputs["texts"] / STRONG), questions, capabilities)
        if refiner == "ask_to_improve":
            asks = refiners.ask_to_improve(examples, prompts)
        elif refiner == "icl":
            asks = refiners.icl(examples, prompts, batch or 0, fixed)
        else:
            concepts = desk.concepts(refiners.naming(examples, prompts, batch or 0), naming or {})
            asks = refiners.responding(examples, prompts, batch or 0, concepts)
    answers = desk.answers(asks, decoding)
    WeakTexts(list(questions), (name,), [[answers.get(item, [])] for item in questions]).save(job.out / STRONG)
    (job.out / "written.json").write_text(json.dumps(desk.record(asks, concepts), indent=1))


def weak_examples(
    labels: WeakTexts, questions: Mapping[str, str], capabilities: Mapping[str, str]
) -> list[WeakExample]:
    """The items of half B that a teacher answered, in their order; `capabilities` by item, of a mixture only.

    Where several teachers answered, the answer of the one that was surest of it counts.
    """
    best = {
        item: max((found[0] for found in row if found), key=lambda one: one.mean_logprob).text
        for item, row in zip(labels.items, labels.candidates, strict=True)
        if any(row)
    }
    examples = [
        WeakExample(item, question, best[item], capabilities.get(item, ""))
        for item, question in questions.items()
        if item in best
    ]
    if not examples:
        whose = ", ".join(f"`{name}`" for name in labels.sources)
        raise DataError(f"supervisor {whose} answered no item of half B: there is nothing to rewrite")
    return examples


@dataclass
class RefinerSession:
    """Who asks, and what came of it."""

    job: Job
    author: TextGenerator
    places: Mapping[str, int]
    seed: int
    written: list[tuple[GenerationRequest, GenerationResult]] = field(default_factory=list)

    def concepts(self, asks: Sequence[RefinerRequest], decoding: Mapping[str, Any]) -> dict[int, str]:
        """By batch, the sentence that names its style, on one line."""
        found = self._ask(asks, decoding, "naming")
        named = zip(asks, found, strict=True)
        return {ask.batch: " ".join(texts[0].text.split()) for ask, texts in named if texts}

    def answers(self, asks: Sequence[RefinerRequest], decoding: Mapping[str, Any]) -> dict[str, list[Candidate]]:
        """By item, the new answers, best first."""
        found = self._ask(asks, decoding, "answers")
        return {ask.item: texts for ask, texts in zip(asks, found, strict=True)}

    def _ask(self, asks: Sequence[RefinerRequest], decoding: Mapping[str, Any], kind: str) -> list[list[Candidate]]:
        errand = GenerationRequest(
            items=[ask.item for ask in asks],
            conversations=[ask.conversation for ask in asks],
            decoding=decoding,
            seed=self.seed,
            places=np.asarray([self.places[ask.item] for ask in asks], dtype=np.int64),
        )
        written = self.author.write(self.job.apart(kind), errand)
        self.written.append((errand, written))
        return written.candidates

    def record(self, asks: Sequence[RefinerRequest], concepts: Mapping[int, str]) -> dict[str, Any]:
        """What the step notes: of the last round, the tokens of all, and the style under which each item was asked."""
        errand, last = self.written[-1]
        usage = sum((written.usage for _, written in self.written), Usage())
        return {
            **last.record(errand),
            "tokens_read": usage.read,
            "tokens_written": usage.written,
            "concepts": {ask.item: concepts[ask.batch] for ask in asks if ask.batch in concepts},
        }
