"""The step `refined`: one supervisor's labels of half B, rewritten by the strong model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from outgrow.data.task import Split, Task
from outgrow.data.task_forms import unanswered
from outgrow.endpoints.usage import Usage
from outgrow.errors import DataError
from outgrow.extensions import function_of
from outgrow.generation.text_generator import GenerationRequest, GenerationResult, TextGenerator, open_generator
from outgrow.graph.step import Job, Json
from outgrow.refine import REFINERS
from outgrow.refine.refiner_record import RefinerInputs, RefinerRequest, WeakExample
from outgrow.texts import Candidate, WeakTexts

HALF_B = "half_b.parquet"


def refine_texts(
    job: Job,
    *,
    refine: dict[str, Json],
    prompts: dict[str, str],
    model: dict[str, Json],
    decoding: dict[str, Json],
    name: str,
    seed: int,
) -> None:
    """Inputs `pool`, `split` and, if the refiner reads labels, `texts`; writes `half_b.parquet` and `written.json`.

    Items without a weak answer and fixed demonstrations get no answer. Raises `DataError` without any weak answer.

    Args:
        refine: the section of a refiner in `REFINERS`, without the options in the other arguments.
        prompts: the texts of the prompts.
        model: the section of the rewriting model.
        decoding: the settings of decoding.
        name: the supervisor's name, which is that of the new labels.
        seed: the seed of samples.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    record = REFINERS.named(refine["type"])
    # The refiners' prompts contain `Answer:` themselves.
    questions = {task.items.ids[row]: unanswered(task.items.prompts[row]) for row in split.half_b.tolist()}
    places = dict(zip(questions, split.half_b.tolist(), strict=True))
    session = RefinerSession(job, open_generator(job, model), places, seed)
    examples = [WeakExample(item, question, "") for item, question in questions.items()]
    if record.reads_labels:
        capabilities = dict(zip(task.items.ids, task.items.capabilities or [], strict=False))
        examples = weak_examples(WeakTexts.load(job.inputs["texts"] / HALF_B), questions, capabilities)
    inputs = RefinerInputs(examples, prompts, refine, model["system"], session.texts)
    requests = function_of(record.requests)(inputs)
    answers = session.answers(requests, decoding)
    WeakTexts(list(questions), (name,), [[answers.get(item, [])] for item in questions]).save(job.out / HALF_B)
    (job.out / "written.json").write_text(json.dumps(session.record(requests), indent=1))


def weak_examples(
    labels: WeakTexts, questions: Mapping[str, str], capabilities: Mapping[str, str]
) -> list[WeakExample]:
    """The answered items of half B, in their order. `capabilities`: by item, for a mixture only.

    Among answers of several supervisors, the one with the highest mean log-probability counts.
    """
    best = {
        item: max((texts[0] for texts in row if texts), key=lambda text: text.mean_logprob).text
        for item, row in zip(labels.items, labels.candidates, strict=True)
        if any(row)
    }
    examples = [
        WeakExample(item, question, best[item], capabilities.get(item, ""))
        for item, question in questions.items()
        if item in best
    ]
    if not examples:
        names = ", ".join(f"`{name}`" for name in labels.sources)
        raise DataError(f"supervisor {names} has no answer to an item of half B, so there is nothing to rewrite")
    return examples


@dataclass
class RefinerSession:
    """The rewriting model, and its requests and results."""

    job: Job
    generator: TextGenerator
    places: Mapping[str, int]
    seed: int
    written: list[tuple[GenerationRequest, GenerationResult]] = field(default_factory=list)

    def texts(self, name: str, requests: Sequence[RefinerRequest], decoding: Mapping[str, Any]) -> list[list[str]]:
        """The texts for each request of a round before the last, best first."""
        return [
            [candidate.text for candidate in candidates] for candidates in self._generate(name, requests, decoding)
        ]

    def answers(self, requests: Sequence[RefinerRequest], decoding: Mapping[str, Any]) -> dict[str, list[Candidate]]:
        """The new answers by item, best first."""
        candidates = self._generate("answers", requests, decoding)
        return {request.item: texts for request, texts in zip(requests, candidates, strict=True)}

    def _generate(
        self, name: str, requests: Sequence[RefinerRequest], decoding: Mapping[str, Any]
    ) -> list[list[Candidate]]:
        generation = GenerationRequest(
            items=[request.item for request in requests],
            conversations=[request.conversation for request in requests],
            decoding=decoding,
            seed=self.seed,
            places=np.asarray([self.places[request.item] for request in requests], dtype=np.int64),
        )
        result = self.generator.write(self.job.with_scratch(name), generation)
        self.written.append((generation, result))
        return result.candidates

    def record(self, requests: Sequence[RefinerRequest]) -> dict[str, Any]:
        """The last round's record, the tokens of all rounds, and the concept of each item."""
        generation, last = self.written[-1]
        usage = sum((result.usage for _, result in self.written), Usage())
        return {
            **last.record(generation),
            "tokens_read": usage.read,
            "tokens_written": usage.written,
            "concepts": {request.item: request.concept for request in requests if request.concept is not None},
        }
