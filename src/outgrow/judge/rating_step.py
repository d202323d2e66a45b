"""The step `ratings`: a language model rates one row's answers to the test items.

Each answer is rated alone on several scales, or together with another answer on one scale, in one order or both; then
the measure is whether the row's answer wins. `metrics/ratings.py` parses the ratings. A failed question has no rating,
not a rating of zero, and is listed under `failed`. `why_failed` describes the first failure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from outgrow.data.task import Split, Task
from outgrow.data.template import fill
from outgrow.endpoints.usage import Usage
from outgrow.generation.chat import single_turn
from outgrow.generation.text_generator import NOTHING, GenerationRequest, TextGenerator, open_generator
from outgrow.graph.step import Job, Json
from outgrow.judge.options import described, example
from outgrow.metrics.ratings import RatingScale, agreed_rating, swap_mean, why_failed, win_rate
from outgrow.texts import WeakTexts

TEST, RATINGS = "test.parquet", "ratings.parquet"


@dataclass(frozen=True)
class JudgedItem:
    """A test item with the answers that are rated."""

    item: str
    question: str
    key: str
    answer: str
    other: str = ""


def rate_texts(
    job: Job,
    *,
    model: dict[str, Json],
    scales: dict[str, list[float]],
    prompt: str,
    system: str | None,
    decoding: dict[str, Json],
    against: str | None,
    swap: bool,
    name: str,
    seed: int,
) -> None:
    """Inputs `pool`, `split`, `texts` and, against the untouched student, `reference`; writes `ratings.parquet`.

    The table has a row per test item and a column per scale (with `against` one column `name` of 1, 0.5 and 0); NaN
    for a failed question.

    Args:
        model: the parts of the judge's section on which its answers depend.
        scales: lowest and highest rating by name.
        prompt: the text with fields.
        system: the judge's system prompt.
        decoding: the settings of decoding, with several samples per question.
        against: `gold` or `untouched`; None rates each answer alone.
        swap: with `against`, rate in both orders.
        name: the name of the judge.
        seed: the seed of its samples.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    cases = read_cases(task, split, job.inputs, against)
    places = split.test
    rating_scales = [RatingScale(key, float(lowest), float(highest)) for key, (lowest, highest) in scales.items()]
    session = JudgeSession(job, open_generator(job, model), prompt, system, decoding, seed, places)
    if against is None:
        columns = dict(zip(scales, session.rate(cases, rating_scales).T, strict=True))
    else:
        columns = {name: session.compare(cases, rating_scales[0], swap)}
    pq.write_table(pa.table({"item": [case.item for case in cases], **columns}), job.out / RATINGS)
    failed = np.isnan(np.stack(list(columns.values()))).any(axis=0)
    record = {
        "items": len(cases),
        "failed": [case.item for case, has_failed in zip(cases, failed.tolist(), strict=True) if has_failed],
        "why_failed": session.why_failed,
        "tokens_read": session.usage.read,
        "tokens_written": session.usage.written,
    }
    (job.out / "written.json").write_text(json.dumps(record, indent=1))


def read_cases(task: Task, split: Split, inputs: Mapping[str, Path], against: str | None) -> list[JudgedItem]:
    """The test items with the row's answers; an abstention counts as an empty answer."""
    items = task.items.take(split.test)
    answers = _texts(inputs["texts"], items.ids)
    other = [""] * len(answers)
    if against is not None:
        other = items.answers or other if against == "gold" else _texts(inputs["reference"], items.ids)
    columns = zip(items.ids, items.prompts, items.keys or [""] * len(answers), answers, other, strict=True)
    return [JudgedItem(*row) for row in columns]


def _texts(folder: Path, items: Sequence[str]) -> list[str]:
    return [row[0] or "" for row in WeakTexts.load(folder / TEST).take(items).texts]


@dataclass
class JudgeSession:
    """A judge with its prompt and decoding, and its token usage."""

    job: Job
    generator: TextGenerator
    prompt: str
    system: str | None
    decoding: Mapping[str, Any]
    seed: int
    places: Int[np.ndarray, "item"]
    usage: Usage = NOTHING
    why_failed: str = ""
    """The reason of the first failed question."""

    def rate(self, cases: Sequence[JudgedItem], scales: list[RatingScale]) -> Float[np.ndarray, "item scale"]:
        """The ratings of each answer, rated alone."""
        rated = self._ratings(cases, [self._single(case, scales) for case in cases], scales, "alone")
        return np.asarray([ratings or [np.nan] * len(scales) for ratings in rated], dtype=np.float64)

    def compare(self, cases: Sequence[JudgedItem], scale: RatingScale, swap: bool) -> Float[np.ndarray, "item"]:
        """1 if the row's answer is rated higher than the other one, 0 if lower, 0.5 if equal; NaN if it failed."""
        prompts = [self._pair(case, scale, case.answer, case.other) for case in cases]
        ratings = self._ratings(cases, prompts, [scale, scale], "first")
        if swap:
            swapped_prompts = [self._pair(case, scale, case.other, case.answer) for case in cases]
            swapped = self._ratings(cases, swapped_prompts, [scale, scale], "second")
            unswapped = [pair and pair[::-1] for pair in swapped]
            ratings = [swap_mean(*pair) for pair in zip(ratings, unswapped, strict=True)]
        pairs = np.asarray([pair or [np.nan, np.nan] for pair in ratings], dtype=np.float64)
        return win_rate(pairs[:, 0], pairs[:, 1])

    def _single(self, case: JudgedItem, scales: list[RatingScale]) -> str:
        return fill(
            self.prompt,
            question=case.question,
            answer=case.answer,
            key=case.key,
            scales=described(scales),
            example=example(scales),
        )

    def _pair(self, case: JudgedItem, scale: RatingScale, first: str, second: str) -> str:
        return fill(
            self.prompt,
            question=case.question,
            first=first,
            second=second,
            key=case.key,
            scales=described([scale]),
            example=example([scale], 2),
        )

    def _ratings(
        self, cases: Sequence[JudgedItem], prompts: Sequence[str], scales: list[RatingScale], order: str
    ) -> list[list[float] | None]:
        """The agreed ratings of each question; None for a failed one."""
        answers = self._generate(cases, prompts, order)
        reasons = (why_failed(samples, scales) for samples in answers)
        self.why_failed = self.why_failed or next(filter(None, reasons), "")
        return [agreed_rating(samples, scales) for samples in answers]

    def _generate(self, cases: Sequence[JudgedItem], prompts: Sequence[str], order: str) -> list[list[str]]:
        """The judge's samples for each question."""
        request = GenerationRequest(
            items=[case.item for case in cases],
            conversations=[single_turn(prompt, self.system) for prompt in prompts],
            decoding=self.decoding,
            seed=self.seed,
            places=self.places,
            distinct=False,
            scored=False,
        )
        result = self.generator.write(self.job.with_scratch(order), request)
        self.usage += result.usage
        return [[sample.text for sample in samples] for samples in result.candidates]
