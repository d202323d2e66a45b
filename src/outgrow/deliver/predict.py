"""`outgrow predict`: a student's labels of new items, and which of them go back to the sources.

items ─► new_items ─► predicted ─► a table: item, label, confidence, probabilities, by (student | sources)
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from outgrow.config.train import ItemColumns
from outgrow.data.data_identity import content_hash
from outgrow.data.task import Items, Split, Task
from outgrow.data.unlabelled_items import id_column, read_unlabelled
from outgrow.deliver.train import CARD
from outgrow.errors import DataError, StepFailed
from outgrow.graph.code_identity import read_again
from outgrow.graph.runner import Event, run_steps
from outgrow.graph.step import Job, Json, Step
from outgrow.graph.store import Store
from outgrow.labels import WeakLabels
from outgrow.models.model_identity import model_identity
from outgrow.readers.open_table import read_table
from outgrow.vote_table import named_shares

STUDENT, SOURCES = "student", "sources"


def predict_labels(
    student: Path,
    items: Path,
    *,
    text: str | None = None,
    id: str | None = None,
    threshold: float | None = None,
    device: str = "auto",
    store: Path,
    on_event: Callable[[Event], None] = lambda event: None,
) -> pa.Table:
    """The table above.

    `text` is a column or a template, by default that of the training; `threshold` replaces that of the card. Raises
    `DataError` for bad input, `StepFailed` for a failed step.
    """
    card = read_card(student)
    least = threshold if threshold is not None else threshold_of(card)
    last = predicted_step(student, card, items, text=text, id=id, device=device)
    steps = Store(store)
    with steps.in_use():
        _run_to(last, steps, on_event)
        answers = WeakLabels.load(steps.path(last) / "answers.parquet")
    return labels_table(answers.items, card["classes"], answers.probs[:, 0], least)


def _run_to(last: Step, store: Store, on_event: Callable[[Event], None]) -> None:
    """Run the last step and its inputs."""
    outcomes = run_steps([last], store, on_event=on_event)
    if any(outcome.state == "interrupted" for outcome in outcomes.values()):
        raise KeyboardInterrupt
    failed = {identity: one.error for identity, one in outcomes.items() if one.state == "failed"}
    if failed:
        bad_items = last.inputs["pool"].identity in failed
        raise (DataError if bad_items else StepFailed)(next(iter(failed.values())))


def read_card(student: Path) -> Mapping[str, Any]:
    """The card of a classifier's folder. Raises `DataError` for another folder."""
    try:
        card: dict[str, Any] = json.loads((student / CARD).read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{student}: is not a student of `outgrow train` ({CARD} cannot be read)") from error
    if card.get("kind") != "classify" or "objective" not in card.get("student", {}):
        fix = "train it again" if card.get("kind") == "classify" else "`outgrow predict` is for classes"
        raise DataError(f"{student}: this student cannot be asked here; {fix}")
    return card


def threshold_of(card: Mapping[str, Any]) -> float:
    """The least confidence of an answer of its own: that of the card's cascade, infinity if none is certified.

    0 without a cascade: the student answers everything.
    """
    cascade = card.get("cascade")
    if cascade is None:
        return 0.0
    return float("inf") if cascade["threshold"] is None else float(cascade["threshold"])


def predicted_step(
    student: Path, card: Mapping[str, Any], items: Path, *, text: str | None, id: str | None, device: str
) -> Step:
    """The step with the answers; its input `pool` has the items."""
    read_again()
    about, identity = card["student"], model_identity(str(student.absolute()))
    usual = {"usual_id": about["id"]} if "id" in about else {}
    columns = ItemColumns(text=text or about["text"], id=id)
    pool = new_items_step("read_new_items", items, columns, "--items", classes=card["classes"], **usual)
    model = f"folder {identity}"
    return Step(
        "predicted",
        "outgrow.training.predict_step:predict_items",
        {"model": model, "objective": about["objective"], "max_length": about["max_length"], "identity": identity},
        {"pool": pool},
        hints={"device": device, "places": {model: str(student.absolute())}},
        label=student.name,
    )


def new_items_step(function: str, file: Path, columns: ItemColumns, option: str, **params: Json) -> Step:
    """The step that reads new items by a function of this module; `option` names the file in messages."""
    params = {"columns": columns.model_dump(mode="json"), **params, "content": content_hash(file, option)}
    hints: dict[str, Json] = {"items": str(file.absolute())}
    return Step("new_items", f"outgrow.deliver.predict:{function}", params, hints=hints, label=file.name)


def read_new_items(
    job: Job, *, columns: dict[str, Json], classes: list[str], content: str, usual_id: str | None = None
) -> None:
    """Write the task of the file in the hint `items`. `content` only enters the step's identity.

    `usual_id`: the column of ids in the training, used if the file has it and no other is named.
    """
    Task("new", "classify", tuple(classes), _new_items(job, columns, usual_id)).save(job.out)


def read_new_prompts(job: Job, *, columns: dict[str, Json], content: str) -> None:
    """The same for answers that are texts, with a split whose test part is all items."""
    items = _new_items(job, columns)
    none = np.zeros(0, dtype=np.int64)
    Task("new", "generate", (), replace(items, answers=[""] * len(items))).save(job.out)
    Split(none, none, np.arange(len(items))).save(job.out)


def _new_items(job: Job, columns: dict[str, Json], usual_id: str | None = None) -> Items:
    table, roles = read_table(Path(job.hints["items"])), ItemColumns.model_validate(columns)
    usual = usual_id if usual_id in table.columns else id_column(table, ())
    return read_unlabelled(table, roles.text, roles.id or usual)


def labels_table(items: list[str], classes: list[str], probs: np.ndarray, threshold: float) -> pa.Table:
    """A row per item."""
    confidence = probs.max(axis=1)
    alone = confidence >= threshold
    return pa.table(
        {
            "item": pa.array(items, pa.string()),
            "label": pa.array(classes, pa.string()).take(pa.array(probs.argmax(axis=1))),
            "confidence": confidence,
            "probabilities": named_shares(probs, classes),
            "by": pa.array(np.where(alone, STUDENT, SOURCES).tolist(), pa.string()),
        }
    )
