"""The texts of one seed by source, for examples: answers, labels, rewritten labels, targets; and texts in shades."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from outgrow.align.pieces import PieceTable
from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store
from outgrow.reporting.evidence.row_answers import EvaluatedItems
from outgrow.reporting.evidence.steps import record
from outgrow.reporting.evidence.texts import TextTable, table_of
from outgrow.study.build import Row, Study
from outgrow.texts import Candidate, TextTargets

ColumnKind = Literal["supervisor", "rewritten", "target", "student", "beside", "ceiling"]
"""`beside`: another student, shown beside the one of the headings."""
Students = Mapping[str, ColumnKind]
"""The kind of column of a student, by the name of its row."""


class TextColumn(NamedTuple):
    """A source and its best text for every item of a part (None: no answer)."""

    source: str
    kind: ColumnKind
    texts: list[Candidate | None]
    remarks: Sequence[str] = ()
    """Per item a note on its text, such as the concept that it follows."""

    @property
    def has_probabilities(self) -> bool:
        """Whether the pieces have probabilities; a server may give none, and its texts then count as certain."""
        return any(text.pieces.logprob.any() for text in self.texts if text is not None)


def fullest_seed(study: Study, store: Store, students: Students) -> int:
    """The number of the first seed under which most of the supervisors, students and the ceiling have a result."""
    rows = [row for row in study.rows if _kind_of(row, students)]
    n_finished = [sum(record(store, row.steps[seed]) is not None for row in rows) for seed in range(len(study.splits))]
    return n_finished.index(max(n_finished))


def answering(study: Study, store: Store, students: Students, seed: int, part: EvaluatedItems) -> list[TextColumn]:
    """Answers to the test items: of supervisors, these students, the ceiling."""
    columns = []
    for row in study.rows:
        kind, table = _kind_of(row, students), table_of(store, row.steps[seed], part.name)
        if kind is not None and table is not None:
            columns.append(TextColumn(row.name, kind, _best_texts(table, part.ids)))
    order: list[ColumnKind] = ["supervisor", "student", "beside", "ceiling"]
    return sorted(columns, key=lambda column: order.index(column.kind))


def labelling(study: Study, store: Store, seed: int, part: EvaluatedItems) -> list[TextColumn]:
    """Every supervisor's labels, rewritten labels, and the targets of methods that make one text per item."""
    table = table_of(store, study.labels[seed], part.name)
    if table is None:
        return []
    names = enumerate(table.texts.sources)
    columns = [TextColumn(name, "supervisor", _best_texts(table, part.ids, place)) for place, name in names]
    return [*columns, *_rewritten(study, store, seed, part), *_targets(study, store, seed, part)]


def _kind_of(row: Row, students: Students) -> ColumnKind | None:
    if row.role == "floor":
        return "supervisor"
    if row.role == "ceiling":
        return "ceiling"
    return students.get(row.name)


def _best_texts(table: TextTable, items: Sequence[str], source: int = 0) -> list[Candidate | None]:
    return [cell[0] if cell else None for cell in table.candidates(items, source)]


def _targets(study: Study, store: Store, seed: int, part: EvaluatedItems) -> Iterator[TextColumn]:
    """Methods with the same targets share a column; a method that keeps all labels makes no targets."""
    methods: dict[str, list[str]] = {}
    steps: dict[str, Step] = {}
    for row in study.rows:
        if row.role == "method" and row.source is None:
            for step in _target_steps(row.steps[seed]):
                steps[step.identity] = step
                methods.setdefault(step.identity, []).append(row.method)
    for identity, step in steps.items():
        if record(store, step) is None:
            continue
        targets = TextTargets.load(store.path(step) / "targets.parquet")
        if len(set(targets.items)) == len(targets.items):
            made = dict(zip(targets.items, map(Candidate, targets.texts, targets.pieces), strict=True))
            names = ", ".join(dict.fromkeys(methods[identity]))
            yield TextColumn(f"target of {names}", "target", [made.get(item) for item in part.ids])


def _rewritten(study: Study, store: Store, seed: int, part: EvaluatedItems) -> Iterator[TextColumn]:
    """Each supervisor's labels as the strong model rewrote them, and the concepts that it inferred."""
    steps = {
        refined.identity: (row.method, refined)
        for row in study.rows
        if row.role == "method"
        for labels in walk([row.steps[seed]])
        if labels.name == "labels"  # without the strong model's own answers for a selection
        for refined in labels.inputs.values()
        if refined.name == "refined"
    }
    for method, step in steps.values():
        table = table_of(store, step, part.name)
        if table is None:
            continue
        concepts = json.loads((store.path(step) / "written.json").read_text(encoding="utf-8"))["concepts"]
        remarks = [concepts.get(item, "") for item in part.ids]
        yield TextColumn(f"{method}: {table.texts.sources[0]}", "rewritten", _best_texts(table, part.ids), remarks)


def _target_steps(step: Step) -> list[Step]:
    return [source for source in walk([step]) if source.name == "targets"]


# ---- texts in shades ------------------------------------------------------------------------------------

CONTINUES = 0b1000_0000
"""The two upper bits of a byte of UTF-8 that does not begin a character."""


class TextSpan(NamedTuple):
    """Some characters of a text, and the probability that its writer gave them after what stands before."""

    text: str
    probability: float


class ShadedText(NamedTuple):
    """A whole text in stretches."""

    stretches: tuple[TextSpan, ...]
    end: float | None
    """The probability that the text ends here; None: the table has no end, the text was cut off."""


def shades(text: str, pieces: PieceTable) -> ShadedText:
    """The stretches of `text`, each with its probability; their texts joined are the text.

    Pieces end at bytes, and a byte-level tokenizer may end one within a character. Such pieces are joined until a
    character is whole, and an empty piece is joined with the next one (at the end: with the one before). Probabilities
    are multiplied, so that their product is the probability of the whole text.
    """
    data = text.encode()
    closed = len(pieces.end) > 0 and int(pieces.end[-1]) > len(data)
    inside = len(pieces.end) - closed
    stretches: list[TextSpan] = []
    start, logprob = 0, 0.0
    for end, piece in zip(pieces.end[:inside].tolist(), pieces.logprob[:inside].tolist(), strict=True):
        logprob += piece
        if end > start and _is_boundary(data, end):
            stretches.append(TextSpan(data[start:end].decode(), float(np.exp(logprob))))
            start, logprob = end, 0.0
    if logprob:
        last = stretches.pop() if stretches else TextSpan("", 1.0)
        stretches.append(TextSpan(last.text, last.probability * float(np.exp(logprob))))
    return ShadedText(tuple(stretches), float(np.exp(pieces.logprob[-1])) if closed else None)


def _is_boundary(data: bytes, position: int) -> bool:
    return position >= len(data) or data[position] & 0b1100_0000 != CONTINUES
