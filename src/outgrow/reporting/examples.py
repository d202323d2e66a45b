"""Examples of a *generate* study: single items with everybody's text, to see what the numbers are made of.

Which items are shown is drawn with a fixed seed among all items of a kind (the student is right and no supervisor is,
it repeats a mistake, …), and every group says how many such items there are: examples are no evidence. All are of one
seed of the study. *Right* is a text with full marks in the study's metric.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from outgrow.data.task import Task
from outgrow.graph.store import Store
from outgrow.metrics.text_score import TaskScore, score_of
from outgrow.reporting.evidence.text_columns import Students, TextColumn, VoiceKind, answering, fullest_seed, labelling
from outgrow.reporting.evidence.votes import EvaluatedItems, read_part, read_split
from outgrow.reporting.headline import best_method, highest
from outgrow.reporting.results import Results
from outgrow.reporting.shades import ShadedText, shades
from outgrow.study.build import Study
from outgrow.study.method_rows import expanded
from outgrow.texts import Candidate

SHOWN = 6
"""Examples of a group."""
DRAWN_BY = 7
"""The seed of the draw among the items of a group."""
FULL_MARKS = 1 - 1e-9
RANDOM = "Drawn at random"

Marks = Bool[np.ndarray, "item"]
Right = Mapping[VoiceKind, Bool[np.ndarray, "voice item"]]
"""By kind of voice, whose text is right for which item."""


@dataclass(frozen=True)
class ExampleText:
    """One text for an item."""

    who: str
    kind: VoiceKind
    shades: ShadedText | None
    """None: no answer."""
    per_piece: float | None
    """The geometric mean of the pieces' probabilities, the end included; None where nobody told them, 0 without an
    answer."""
    score: float
    """For this item, 0 … 1."""
    remark: str = ""
    """What else is to be known of the text."""

    @property
    def right(self) -> bool:
        return self.score >= FULL_MARKS


@dataclass(frozen=True)
class ItemExample:
    """An item, what everybody says, and what is right."""

    item: str
    prompt: str
    gold: str
    said: tuple[ExampleText, ...]


@dataclass(frozen=True)
class ExampleGroup:
    """Examples of one kind."""

    title: str
    count: int
    """All items of the kind."""
    among: int
    """Of so many items."""
    examples: tuple[ItemExample, ...]


@dataclass(frozen=True)
class ItemExamples:
    """What the page shows."""

    seed: int
    student: str
    """The row whose answers stand for the student; empty if no method has a result."""
    beside: str
    """A row that learned rewritten labels if that one did not, or the other way round; empty if there is none."""
    test: tuple[ExampleGroup, ...]
    """Test items with everybody's answer."""
    labels: tuple[ExampleGroup, ...]
    """Items of half B with the supervisors' labels."""


def find_examples(study: Study, store: Store, results: Results) -> ItemExamples | None:
    """Examples of the seed with the most to show; None where nobody has written anything yet."""
    student, beside = students_to_show(study, results)
    students: Students = {beside: "beside", student: "student"}
    seed = fullest_seed(study, store, students)
    split = read_split(store, study.splits[seed])
    if split is None:
        return None
    task = Task.load(store.path(study.pool))
    test, half_b = read_part(task, [split], "test"), read_part(task, [split], "half_b")
    answers, labels = answering(study, store, students, seed, test), labelling(study, store, seed, half_b)
    score = score_of(task)
    found = ItemExamples(
        results.about.seeds[seed],
        student,
        beside,
        _groups(score, test, answers, answer_kinds),
        _groups(score, half_b, labels, label_kinds),
    )
    return found if found.test or found.labels else None


def students_to_show(study: Study, results: Results) -> tuple[str, str]:
    """The highest row, and the highest of those that differ from it in whether labels were rewritten; or nothing."""
    best = best_method(results)
    if best is None:
        return "", ""
    rewriting = {method.name for method in expanded(study.experiment) if method.refine is not None}
    rewritten = best.method in rewriting
    other = highest([row for row in results.fair if (row.method in rewriting) != rewritten])
    return best.name, other.name if other else ""


# ---- which items ----------------------------------------------------------------------------------------


def answer_kinds(voices: Sequence[TextColumn], right: Right) -> dict[str, Marks]:
    """By heading, the test items of a kind."""
    if "student" not in right:
        return {}
    good, weak = right["student"][0], _any(right["supervisor"])
    return {
        "The student is right, every supervisor is wrong": good & ~weak,
        "The student repeats a supervisor's mistake, letter by letter": ~good & _repeated(voices),
        "The student is wrong, some supervisor is right": ~good & weak,
    }


def label_kinds(voices: Sequence[TextColumn], right: Right) -> dict[str, Marks]:
    """By heading, the items of half B of a kind."""
    one, one_not = _any(right["supervisor"]), _any(~right["supervisor"])
    return {
        "Some supervisors are right, some are wrong": one & one_not,
        "Every supervisor is wrong": ~one,
    }


def _any(marks: Bool[np.ndarray, "voice item"]) -> Marks:
    return np.asarray(marks.any(axis=0))


def _repeated(voices: Sequence[TextColumn]) -> Marks:
    """Where the student says exactly what a supervisor says."""
    student = next(voice for voice in voices if voice.kind == "student")
    weak = [voice.texts for voice in voices if voice.kind == "supervisor"]
    rows = zip(student.texts, zip(*weak, strict=True), strict=True)
    return np.asarray([said is not None and said.text in {one.text for one in rest if one} for said, rest in rows])


def _groups(
    score: TaskScore,
    part: EvaluatedItems,
    voices: Sequence[TextColumn],
    kinds: Callable[[Sequence[TextColumn], Right], dict[str, Marks]],
) -> tuple[ExampleGroup, ...]:
    """The examples of a part; nothing without items or supervisors."""
    if not part.n or not any(voice.kind == "supervisor" for voice in voices):
        return ()
    scores = np.stack([item_scores(score, voice.texts, part) for voice in voices])
    of_kind = {
        voice.kind: [number for number, other in enumerate(voices) if other.kind == voice.kind] for voice in voices
    }
    right: Right = {kind: scores[numbers] >= FULL_MARKS for kind, numbers in of_kind.items()}
    marked = {**kinds(voices, right), RANDOM: np.ones(part.n, dtype=np.bool_)}
    drawn = _draw(marked)
    return tuple(
        ExampleGroup(
            title,
            int(marks.sum()),
            part.n,
            tuple(_example(part, item, voices, scores[:, item]) for item in drawn[title]),
        )
        for title, marks in marked.items()
    )


def _draw(marked: Mapping[str, Marks]) -> dict[str, list[int]]:
    """Some items of every kind, none twice. The random ones are drawn first, so that they are random."""
    order = np.random.default_rng(DRAWN_BY).permutation(len(marked[RANDOM])).tolist()
    drawn: dict[str, list[int]] = {}
    for title in [RANDOM, *marked]:
        if title not in drawn:
            taken = {item for items in drawn.values() for item in items}
            drawn[title] = [item for item in order if marked[title][item] and item not in taken][:SHOWN]
    return drawn


def item_scores(
    score: TaskScore, texts: Sequence[Candidate | None], part: EvaluatedItems
) -> Float[np.ndarray, "item"]:
    """The score of every item by itself; 1 where there is nothing to find and nothing was invented."""
    said = [one.text if one else "" for one in texts]
    values = score.value(score.counts(said, part.answers, part.capabilities))
    return np.where(np.isnan(values), 1.0, values)


def _example(
    part: EvaluatedItems, item: int, voices: Sequence[TextColumn], scores: Float[np.ndarray, "voice"]
) -> ItemExample:
    said = tuple(_said(voice, item, score) for voice, score in zip(voices, scores.tolist(), strict=True))
    return ItemExample(part.ids[item], part.prompts[item], part.answers[item], said)


def _said(voice: TextColumn, item: int, score: float) -> ExampleText:
    candidate = voice.texts[item]
    remark = voice.remarks[item] if voice.remarks else ""
    if candidate is None:
        return ExampleText(voice.who, voice.kind, None, 0.0, score, remark)
    per_piece = float(np.exp(candidate.mean_logprob)) if voice.told else None
    return ExampleText(voice.who, voice.kind, shades(*candidate), per_piece, score, remark)
