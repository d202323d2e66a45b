"""Examples of a *generate* study: single items with every source's text, as a page beside the report.

Items are drawn with a fixed seed among all items of a kind (the student is right and no supervisor is, it repeats an
error, …), and every group has the number of such items. All are of one seed of the study. *Right* is a text with the
highest score in the study's metric.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import jinja2
import numpy as np
from jaxtyping import Bool, Float

from outgrow.data.task import Task
from outgrow.graph.store import Store
from outgrow.metrics.estimate import show_number
from outgrow.metrics.text_score import TaskScore, score_of
from outgrow.render.html_page import style_sheet, template
from outgrow.reporting.about import About
from outgrow.reporting.evidence.row_answers import EvaluatedItems, read_part, read_split
from outgrow.reporting.evidence.text_columns import (
    ColumnKind,
    ShadedText,
    Students,
    TextColumn,
    answering,
    fullest_seed,
    labelling,
    shades,
)
from outgrow.reporting.results import Results, highest
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
Right = Mapping[ColumnKind, Bool[np.ndarray, "column item"]]
"""By kind of column, which texts are right."""


@dataclass(frozen=True)
class ExampleText:
    """One text for an item."""

    source: str
    kind: ColumnKind
    shades: ShadedText | None
    """None: no answer."""
    per_piece: float | None
    """The geometric mean of the pieces' probabilities, with the end; None if unknown, 0 without an answer."""
    score: float
    """For this item, 0 … 1."""
    remark: str = ""
    """A further note on the text."""

    @property
    def right(self) -> bool:
        return self.score >= FULL_MARKS


@dataclass(frozen=True)
class ItemExample:
    """An item with all its texts, and gold."""

    item: str
    prompt: str
    gold: str
    texts: tuple[ExampleText, ...]


@dataclass(frozen=True)
class ExampleGroup:
    """Examples of one kind."""

    title: str
    count: int
    """All items of the kind."""
    among: int
    """All items of the part."""
    examples: tuple[ItemExample, ...]


@dataclass(frozen=True)
class ItemExamples:
    """What the page shows."""

    seed: int
    student: str
    """The row whose answers stand for the student; empty if no method has a result."""
    beside: str
    """A row that differs from `student` in whether its labels were rewritten; empty if there is none."""
    test: tuple[ExampleGroup, ...]
    """Test items with the answers of every source."""
    labels: tuple[ExampleGroup, ...]
    """Items of half B with the supervisors' labels."""


def find_examples(study: Study, store: Store, results: Results) -> ItemExamples | None:
    """Examples of the seed with the most results; None if there are no texts yet."""
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
    examples = ItemExamples(
        results.about.seeds[seed],
        student,
        beside,
        _groups(score, test, answers, answer_kinds),
        _groups(score, half_b, labels, label_kinds),
    )
    return examples if examples.test or examples.labels else None


def students_to_show(study: Study, results: Results) -> tuple[str, str]:
    """The headline's row, and the highest one that differs in whether labels were rewritten; or nothing."""
    best = results.headline
    if best is None:
        return "", ""
    rewriting = {method.name for method in expanded(study.experiment) if method.refine is not None}
    rewritten = best.method in rewriting
    counterpart = highest([row for row in results.fair if (row.method in rewriting) != rewritten])
    return best.name, counterpart.name if counterpart else ""


# ---- which items ----------------------------------------------------------------------------------------


def answer_kinds(columns: Sequence[TextColumn], right: Right) -> dict[str, Marks]:
    """By heading, the test items of a kind."""
    if "student" not in right:
        return {}
    good, weak = right["student"][0], _any(right["supervisor"])
    return {
        "The student is right, every supervisor is wrong": good & ~weak,
        "The student repeats a supervisor's error, letter by letter": ~good & _repeated(columns),
        "The student is wrong, some supervisor is right": ~good & weak,
    }


def label_kinds(columns: Sequence[TextColumn], right: Right) -> dict[str, Marks]:
    """By heading, the items of half B of a kind."""
    some_right, some_wrong = _any(right["supervisor"]), _any(~right["supervisor"])
    return {
        "Some supervisors are right, some are wrong": some_right & some_wrong,
        "Every supervisor is wrong": ~some_right,
    }


def _any(marks: Bool[np.ndarray, "column item"]) -> Marks:
    return np.asarray(marks.any(axis=0))


def _repeated(columns: Sequence[TextColumn]) -> Marks:
    """Where the student's text is equal to a supervisor's."""
    student = next(column for column in columns if column.kind == "student")
    weak = [column.texts for column in columns if column.kind == "supervisor"]
    rows = zip(student.texts, zip(*weak, strict=True), strict=True)
    return np.asarray(
        [
            text is not None and text.text in {candidate.text for candidate in weak_texts if candidate}
            for text, weak_texts in rows
        ]
    )


def _groups(
    score: TaskScore,
    part: EvaluatedItems,
    columns: Sequence[TextColumn],
    kinds: Callable[[Sequence[TextColumn], Right], dict[str, Marks]],
) -> tuple[ExampleGroup, ...]:
    """The examples of a part; nothing without items or supervisors."""
    if not part.n or not any(column.kind == "supervisor" for column in columns):
        return ()
    scores = np.stack([item_scores(score, column.texts, part) for column in columns])
    of_kind = {
        column.kind: [place for place, other_column in enumerate(columns) if other_column.kind == column.kind]
        for column in columns
    }
    right: Right = {kind: scores[places] >= FULL_MARKS for kind, places in of_kind.items()}
    marked = {**kinds(columns, right), RANDOM: np.ones(part.n, dtype=np.bool_)}
    drawn = _draw(marked)
    return tuple(
        ExampleGroup(
            title,
            int(marks.sum()),
            part.n,
            tuple(_example(part, item, columns, scores[:, item]) for item in drawn[title]),
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
    """The score of every item; 1 where there is nothing to find and nothing was found."""
    plain = [text.text if text else "" for text in texts]
    values = score.value(score.counts(plain, part.answers, part.capabilities))
    return np.where(np.isnan(values), 1.0, values)


def _example(
    part: EvaluatedItems, item: int, columns: Sequence[TextColumn], scores: Float[np.ndarray, "column"]
) -> ItemExample:
    texts = tuple(_text(column, item, score) for column, score in zip(columns, scores.tolist(), strict=True))
    return ItemExample(part.ids[item], part.prompts[item], part.answers[item], texts)


def _text(column: TextColumn, item: int, score: float) -> ExampleText:
    candidate = column.texts[item]
    remark = column.remarks[item] if column.remarks else ""
    if candidate is None:
        return ExampleText(column.source, column.kind, None, 0.0, score, remark)
    per_piece = float(np.exp(candidate.mean_logprob)) if column.has_probabilities else None
    return ExampleText(column.source, column.kind, shades(*candidate), per_piece, score, remark)


# ---- page -----------------------------------------------------------------------------------------------

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
"""Characters that a browser does not show, without line ends and tabs."""


def make_examples_page(about: About, examples: ItemExamples) -> str:
    """The whole file."""
    css = style_sheet("reporting/examples.css")
    return _template().render(about=about, metric=about.metric_title, examples=examples, css=css)


@cache
def _template() -> jinja2.Template:
    return template("reporting/examples.html", tenth=tenth, probability=show_probability, printable=printable)


def tenth(probability: float) -> int:
    """The colour of a probability: 0 (below 0.1) … 9 (0.9 and above)."""
    return min(9, max(0, int(probability * 10)))


def show_probability(probability: float) -> str:
    """`0.42`; a small one as `3e-05`."""
    return show_number(probability, 2) if probability >= 0.005 else f"{probability:.0e}"


def printable(text: str) -> str:
    """The text with a picture (␀ … ␡) in place of each control character."""
    return CONTROL.sub(lambda match: chr(0x2421 if match[0] == "\x7f" else 0x2400 + ord(match[0])), text)
