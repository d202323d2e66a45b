"""Who says what about the items of one seed: supervisors, student and ceiling; labels and what was made of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store
from outgrow.reporting.evidence.missing import record
from outgrow.reporting.evidence.texts import TextTable, table_of
from outgrow.reporting.evidence.votes import EvaluatedItems
from outgrow.study.build import Row, Study
from outgrow.texts import Candidate, TextTargets

VoiceKind = Literal["supervisor", "rewritten", "target", "student", "beside", "ceiling"]
"""`beside`: another student, shown beside the one that the headings speak of."""
Students = Mapping[str, VoiceKind]
"""By the name of its row, as what a student is shown."""


class TextColumn(NamedTuple):
    """Who speaks, and its best text for every item of a part (None: no answer)."""

    who: str
    kind: VoiceKind
    texts: list[Candidate | None]
    remarks: Sequence[str] = ()
    """Per item what else is to be known of its text; the concept that it follows, say."""

    @property
    def told(self) -> bool:
        """Whether anybody says how probable its pieces are; a server need not, and its texts then stand as certain."""
        return any(text.pieces.logprob.any() for text in self.texts if text is not None)


def fullest_seed(study: Study, store: Store, students: Students) -> int:
    """The number of the first seed under which most of the supervisors, students and the ceiling have a result."""
    rows = [row for row in study.rows if _kind_of(row, students)]
    there = [sum(record(store, row.steps[seed]) is not None for row in rows) for seed in range(len(study.splits))]
    return there.index(max(there))


def answering(study: Study, store: Store, students: Students, seed: int, part: EvaluatedItems) -> list[TextColumn]:
    """Everybody's answers to the test items: supervisors, these students, the ceiling."""
    voices = []
    for row in study.rows:
        kind, table = _kind_of(row, students), table_of(store, row.steps[seed], part.name)
        if kind is not None and table is not None:
            voices.append(TextColumn(row.name, kind, _best_texts(table, part.ids)))
    order: list[VoiceKind] = ["supervisor", "student", "beside", "ceiling"]
    return sorted(voices, key=lambda voice: order.index(voice.kind))


def labelling(study: Study, store: Store, seed: int, part: EvaluatedItems) -> list[TextColumn]:
    """What every supervisor wrote for the student, and the one text that a method made of it, where it makes one."""
    table = table_of(store, study.labels[seed], part.name)
    if table is None:
        return []
    names = enumerate(table.texts.sources)
    voices = [TextColumn(name, "supervisor", _best_texts(table, part.ids, number)) for number, name in names]
    return [*voices, *_rewritten(study, store, seed, part), *_targets(study, store, seed, part)]


def _kind_of(row: Row, students: Students) -> VoiceKind | None:
    if row.role == "floor":
        return "supervisor"
    if row.role == "ceiling":
        return "ceiling"
    return students.get(row.name)


def _best_texts(table: TextTable, items: Sequence[str], source: int = 0) -> list[Candidate | None]:
    return [found[0] if found else None for found in table.candidates(items, source)]


def _targets(study: Study, store: Store, seed: int, part: EvaluatedItems) -> Iterator[TextColumn]:
    """Methods that learn the same targets share a voice; a method that keeps all labels has made none of its own."""
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
    """What the strong model made of each supervisor's labels, and of what concept it thought."""
    steps = {
        one.identity: (row.method, one)
        for row in study.rows
        if row.role == "method"
        for labels in walk([row.steps[seed]])
        if labels.name == "labels"  # not what a selection asked the strong model for
        for one in labels.inputs.values()
        if one.name == "refined"
    }
    for method, step in steps.values():
        table = table_of(store, step, part.name)
        if table is None:
            continue
        told = json.loads((store.path(step) / "written.json").read_text(encoding="utf-8"))["concepts"]
        remarks = [told.get(item, "") for item in part.ids]
        yield TextColumn(f"{method}: {table.texts.sources[0]}", "rewritten", _best_texts(table, part.ids), remarks)


def _target_steps(step: Step) -> list[Step]:
    return [one for one in walk([step]) if one.name == "targets"]
