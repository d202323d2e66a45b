"""A finished study as tables that others can analyse, one Parquet file each.

items         every item of half B and of the test part: text, options, gold
weak_labels   by seed, source and item of half B: what the supervisor gave
targets       by seed and item of half B: what students learned, and the rows that learned it
predictions   by seed, part, row and item: the row's answer, its confidence, gold
scores        by row: role, score and PGR with their 95 % intervals

Classes stand under their names. Distributions (`probs`) are in the order of the study's classes.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from outgrow.graph.step import Step
from outgrow.labels import Targets, WeakLabels
from outgrow.metrics.estimate import Estimate
from outgrow.reporting.evidence.row_answers import EvaluatedItems, read_answers, read_part
from outgrow.reporting.evidence.row_provenance import learned_last
from outgrow.reporting.evidence.steps import record
from outgrow.reporting.evidence.texts import read_labels
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.texts import TextTargets

PROBS = pa.list_(pa.float32())
Row = dict[str, Any]


def dataset_tables(frame: Frame, results: Results, *, texts: bool = True) -> dict[str, pa.Table]:
    """The tables of the module by name, those without a row left out; without `texts` no prompt and no option."""
    parts = [read_part(frame.task, frame.splits, "half_b", unlabelled=True), frame.test]
    tables = {
        "predictions": pa.Table.from_pylist(list(_predictions(frame, parts)), _answers_schema(frame)),
        "weak_labels": _concat(_weak_labels(frame, parts[0]), ("seed", "item", "source"), frame),
        "targets": _concat(_targets(frame), ("seed", "item"), frame, learned_by=pa.list_(pa.string())),
        "items": pa.Table.from_pylist(list(_items(frame, parts, texts)), _items_schema(frame, texts)),
        "scores": pa.Table.from_pylist(list(_scores(results)), _scores_schema()),
    }
    return {name: table for name, table in tables.items() if len(table)}


# ---- schemas -----------------------------------------------------------------------------------------------


def _answers_schema(frame: Frame) -> pa.Schema:
    fields = [("seed", pa.int64()), ("part", pa.string()), ("row", pa.string()), ("item", pa.string())]
    confidence = [] if frame.of_texts else [("confidence", pa.float64())]
    return pa.schema([*fields, ("answer", pa.string()), *confidence, ("gold", pa.string())])


def _items_schema(frame: Frame, texts: bool) -> pa.Schema:
    prompt = [("text", pa.string())] if texts else []
    options = [("options", pa.list_(pa.string()))] if texts and frame.task.items.options is not None else []
    capability = [("capability", pa.string())] if frame.task.items.capabilities is not None else []
    return pa.schema([("item", pa.string()), *prompt, *options, *capability, ("gold", pa.string())])


def _scores_schema() -> pa.Schema:
    numbers = [(f"{kind}{end}", pa.float64()) for kind in ("score", "pgr") for end in ("", "_low", "_high")]
    return pa.schema([("row", pa.string()), ("role", pa.string()), *numbers, ("n", pa.int64()), ("seeds", pa.int64())])


def _concat(rows: Iterator[Row], keys: tuple[str, ...], frame: Frame, **more: pa.DataType) -> pa.Table:
    """Rows with a label each; of classes with the distribution too. Targets have a weight."""
    kinds = {"seed": pa.int64(), "item": pa.string(), "source": pa.string()}
    fields = [(key, kinds[key]) for key in keys] + [("label", pa.string())]
    fields += [] if frame.of_texts else [("probs", PROBS)]
    fields += [("weight", pa.float64())] if more else []
    return pa.Table.from_pylist(list(rows), pa.schema([*fields, *more.items()]))


# ---- rows --------------------------------------------------------------------------------------------------


def _items(frame: Frame, parts: list[EvaluatedItems], texts: bool) -> Iterator[Row]:
    """Each item once. The schema leaves out what does not belong into the table."""
    wanted = {name for items in parts for name in items.ids}
    everything = frame.task.items
    for row, name in enumerate(everything.ids):
        if name in wanted:
            found: Row = {"item": name, "gold": _gold(frame, row)}
            if texts:
                found["text"] = everything.prompts[row]
                found["options"] = everything.options[row] if everything.options is not None else None
            if everything.capabilities is not None:
                found["capability"] = everything.capabilities[row]
            yield found


def _gold(frame: Frame, row: int) -> str | None:
    gold, items = int(frame.task.items.gold[row]), frame.task.items
    if gold < 0:
        return None
    return items.answers[row] if items.answers is not None else frame.task.classes[gold]


def _predictions(frame: Frame, parts: list[EvaluatedItems]) -> Iterator[Row]:
    gold_of = {name: _gold(frame, row) for row, name in enumerate(frame.task.items.ids)}
    for items in parts:
        if frame.of_texts and items.name != "test":
            continue  # students of texts answer the test items alone
        for place, row in enumerate(frame.study.rows):
            for seed, mine in enumerate(items.of_seed):
                for index, answer, confidence in _answers(frame, place, seed, items):
                    if mine[index]:
                        name = items.ids[index]
                        key: Row = {"seed": _seeds(frame)[seed], "part": items.name, "row": row.name, "item": name}
                        yield {**key, "answer": answer, "confidence": confidence, "gold": gold_of[name]}


def _answers(
    frame: Frame, place: int, seed: int, items: EvaluatedItems
) -> Iterator[tuple[int, str | None, float | None]]:
    """Index, answer (None: none given) and confidence of the items that a row has a result for."""
    if frame.of_texts:
        texts = frame.texts[place]
        for index in np.flatnonzero(texts.there[seed]).tolist():
            yield index, str(texts.text[seed, index]) if texts.answered[seed, index] else None, None
        return
    found = _read_once(frame, place, items)
    for index in np.flatnonzero(found.there[seed]).tolist():
        answered = bool(found.answered[seed, index])
        answer = frame.task.classes[found.hard[seed, index]] if answered else None
        yield index, answer, float(found.confidence[seed, index]) if answered else None


def _read_once(frame: Frame, place: int, items: EvaluatedItems) -> Any:
    key = f"dataset/{items.name}/{place}"
    if key not in frame.label_tables:
        frame.label_tables[key] = read_answers(frame.store, frame.study.rows[place].steps, items)
    return frame.label_tables[key]


def _weak_labels(frame: Frame, half_b: EvaluatedItems) -> Iterator[Row]:
    if frame.of_texts:
        names = [row.source or row.name for row in frame.floor]
        for name, given in zip(names, read_labels(frame.store, frame.study.labels, names, half_b), strict=True):
            for seed, index in np.argwhere(given.answered).tolist():
                key: Row = {"seed": _seeds(frame)[seed], "item": half_b.ids[index], "source": name}
                yield {**key, "label": str(given.text[seed, index])}
        return
    for row in frame.floor:
        for seed, step in zip(_seeds(frame), row.steps, strict=True):
            path = frame.store.path(step) / "half_b.parquet"
            if record(frame.store, step) is None or not path.is_file():
                continue
            labels = WeakLabels.load(path)
            for index in np.flatnonzero(labels.voted[:, 0]).tolist():
                key = {"seed": seed, "item": labels.items[index], "source": row.source or row.name}
                yield {**key, **_distribution(frame, labels.probs[index, 0])}


def _targets(frame: Frame) -> Iterator[Row]:
    """Variants and methods that learned from one step share its rows."""
    learned: dict[str, tuple[int, Step, list[str]]] = {}
    for row in frame.study.rows:
        for seed, answers in zip(_seeds(frame), row.steps, strict=True):
            step = learned_last(answers)
            if step is not None and record(frame.store, step) is not None:
                learned.setdefault(f"{seed} {step.identity}", (seed, step, []))[2].append(row.name)
    for seed, step, rows in learned.values():
        path = frame.store.path(step) / "targets.parquet"
        if frame.of_texts:
            texts = TextTargets.load(path)
            for item, text, weight in zip(texts.items, texts.texts, texts.weight.tolist(), strict=True):
                yield {"seed": seed, "item": item, "label": text, "weight": weight, "learned_by": rows}
            continue
        targets = Targets.load(path)
        for item, probs, weight in zip(targets.items, targets.probs, targets.weight.tolist(), strict=True):
            key = {"seed": seed, "item": item, "weight": weight, "learned_by": rows}
            yield {**key, **_distribution(frame, probs)}


def _distribution(frame: Frame, probs: Float[np.ndarray, "class"]) -> Row:
    return {"label": frame.task.classes[int(probs.argmax())], "probs": probs.tolist()}


def _scores(results: Results) -> Iterator[Row]:
    for row in results.rows:
        yield {
            "row": row.name,
            "role": row.role,
            **_interval("score", row.score),
            **_interval("pgr", row.pgr),
            "n": row.score.n,
            "seeds": row.score.seeds,
        }


def _interval(name: str, found: Estimate | None) -> Row:
    return {} if found is None else {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _seeds(frame: Frame) -> list[int]:
    return list(dict.fromkeys(frame.study.experiment.seeds))
