"""The step `delivered`: a trained student as a folder that `from_pretrained` reads, with its card.

config.json, model.safetensors, tokenizer …   an adapter is merged into its base
README.md                                     the model card
labels.parquet                                the combined labels it learned from
predictions.parquet                           the student's predictions for all items; a text student's answers to the
                                              items that it did not learn from
card.json                                     the card's numbers
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.data.task import Split, Task
from outgrow.deliver.card import card_text, facts_of
from outgrow.deliver.cascade import cascade_of
from outgrow.errors import StepFailed
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.texts import WeakTexts

ADAPTER = "adapter_config.json"


def make_folder(
    job: Job, *, model: dict[str, Any], about: dict[str, Any], cascade: dict[str, Any] | None = None
) -> None:
    """Write the folder. Inputs: `training_data` and `student`; for a text student also `answers`.

    `model` is the student's section, `about` the card's description of the settings, `cascade` its settings.
    """
    data, student = job.inputs["training_data"], job.inputs["student"]
    answers = job.inputs.get("answers", student)
    job.report("writing the model", 0.1)
    write_model(student / "model", model, Task.load(data).classes, job.out)
    shutil.copyfile(data / "combined.parquet", job.out / "labels.parquet")
    write = write_texts if "answers" in job.inputs else write_predictions
    write(data, answers, job.out / "predictions.parquet")
    facts = facts_of(data, answers, about)
    facts["cascade"] = None if cascade is None else cascade_of(data, answers, **cascade)
    if facts["kind"] == "generate":
        facts["chat"] = is_asked_by_chat(job.out, about["student"]["prompt"]["chat"])
    (job.out / "card.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1))
    (job.out / "README.md").write_text(card_text(facts), encoding="utf-8")


def write_model(trained: Path, model: Mapping[str, Any], classes: Sequence[str], out: Path) -> None:
    """Copy the folder of full weights, or merge an adapter into the base in `model`.

    `classes`: the outputs of its head; none for a language model.
    """
    if not (trained / ADAPTER).is_file():
        shutil.copytree(trained, out, dirs_exist_ok=True)
        return
    # These imports take seconds, and the main process imports this module, too.
    from outgrow.generation.causal_lm import merged
    from outgrow.models.load_model import load_causal_lm, load_classifier, load_tokenizer
    from outgrow.models.silence_transformers import silence_transformers

    name, revision, trusted = model["model"], model["revision"], model["trust_remote_code"]
    if classes:
        base = load_classifier(name, revision, n_classes=len(classes), seed=0, trust_remote_code=trusted)
    else:
        base = load_causal_lm(name, revision, dtype="float32", device="cpu", trust_remote_code=trusted)
    full_model = merged(base, trained)
    if classes:
        full_model.config.id2label = dict(enumerate(classes))
        full_model.config.label2id = {name: index for index, name in enumerate(classes)}
    with silence_transformers():
        full_model.save_pretrained(out)
        load_tokenizer(name, revision, trust_remote_code=trusted).save_pretrained(out)


def is_asked_by_chat(folder: Path, chat: bool | str) -> bool:
    """Whether the model is prompted with its tokenizer's chat template; `auto`: if it has one."""
    from outgrow.models.load_model import load_tokenizer

    return bool(load_tokenizer(str(folder), None).chat_template) if chat == "auto" else bool(chat)


def write_predictions(data: Path, student: Path, path: Path) -> None:
    """Write class, confidence and distribution for every item."""
    task, split = Task.load(data), Split.load(data)
    parts = [WeakLabels.load(student / f"{part}.parquet") for part in ("half_b", "test")]
    probs = np.concatenate([part.probs[:, 0] for part in parts])
    names = [name for part in parts for name in part.items]
    if len(names) != len(split.half_b) + len(split.test):
        raise StepFailed(f"{student}: answers to {len(names)} items of {len(task.items)}; run the same command again")
    classes = probs.argmax(axis=1)
    pq.write_table(
        pa.table(
            {
                "item": names,
                "label": pa.array(task.classes).take(pa.array(classes)),
                "confidence": probs.max(axis=1),
                "probs": pa.FixedSizeListArray.from_arrays(probs.ravel(), task.n_classes),
                "learned": [True] * len(split.half_b) + [False] * len(split.test),
            },
            metadata={"classes": json.dumps(task.classes)},
        ),
        path,
    )


def write_texts(data: Path, answers: Path, path: Path) -> None:
    """Write a text student's answers to the items that it did not learn from; null for a prompt that was too long."""
    task, written = Task.load(data), WeakTexts.load(answers / "test.parquet")
    item_ids = [task.items.ids[row] for row in Split.load(data).test.tolist()]
    if written.items != item_ids:
        raise StepFailed(
            f"{answers}: answers to {len(written.items)} items of {len(item_ids)}; run the same command again"
        )
    label = pa.array([row[0] for row in written.texts], pa.string())
    pq.write_table(pa.table({"item": pa.array(item_ids, pa.string()), "label": label}), path)
