"""The student of a study's row as an object: its folder, and its answers to new items.

    new items ─► features (probe) ─► predicted
              ├─► merged (LoRA)   ─► predicted
              └─► texts

Steps of the study's store: the same items are answered once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow.config.train import ItemColumns
from outgrow.data.task import REWARD, Task
from outgrow.deliver.in_memory_tables import file_of_table
from outgrow.deliver.predict import new_items_step
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.graph.done import DONE
from outgrow.graph.output import replace_folder
from outgrow.graph.runner import run_steps
from outgrow.graph.step import Job, Step
from outgrow.graph.store import Store
from outgrow.graph.writable import refuse_unwritable_folder
from outgrow.labels import WeakLabels
from outgrow.texts import WeakTexts

if TYPE_CHECKING:
    import pandas as pd

TRAINED = ("student", "supervisor", "preference")
SUPERVISORS_LOSS = {"type": "cross_entropy"}


@dataclass(frozen=True)
class StudyStudent:
    """A model that a study has trained."""

    row: str
    seed: int
    answers: Step = field(repr=False)
    """What the row answered: of classes the training itself, of texts a step after it."""
    store: Store = field(repr=False)
    pool: Step = field(repr=False)

    @property
    def step(self) -> Step:
        """The last training."""
        return self.answers.inputs.get("model", self.answers)

    @property
    def folder(self) -> Path:
        """Its weights: a head (`head.json`), or a folder for `from_pretrained`."""
        return self.store.path(self.step) / "model"

    def save(self, folder: str | Path) -> Path:
        """Write its whole model as a new folder for `from_pretrained`, with an adapter merged into its base.

        With `reward_head: true` this is a reward model: `AutoModelForSequenceClassification` with one output, as TRL
        loads it. Raises `DataError` for a probe, which is a head only, and where something is in the way.
        """
        if "features" in self.step.inputs:
            raise DataError(f"row `{self.row}`: a probe is a head only, and its files are in {self.folder}")
        out = Path(folder)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise DataError(f"{out}: exists and is no empty folder; name another one")
        refuse_unwritable_folder("folder", out.parent)
        source = self.step
        if "lora" in self.step.params["model"]:
            source = self._merged()
            _run(source, self.store)
        out.parent.mkdir(parents=True, exist_ok=True)
        replace_folder("folder", self.store.path(source) / "model", out, without=DONE)
        return out

    def _merged(self) -> Step:
        """Its adapter in its base."""
        task, model = Task.load(self.store.path(self.pool)), self.step.params["model"]
        classes = REWARD if model.get("reward_head") else task.classes if task.kind == "classify" else ()
        params = {"model": model, "classes": list(classes)}
        function = "outgrow.deliver.study_student:merge_adapter"
        label = f"{self.row}, seed {self.seed}"
        return Step("merged", function, params, {"student": self.step}, hints=self.step.hints, label=label)

    def predict(self, items: Any, *, text: str = "text", id: str | None = None) -> "pd.DataFrame":
        """Its answers to new items.

        Of classes: `item`, `label`, `confidence`, and `p.CLASS` for every class. Of texts: `item`, the `answer`,
        written with the study's `answering`, and `confidence`, the geometric mean of its pieces' probabilities.

        `items` is a list of texts as the study's prompts are written, a path, a `DataFrame`, an Arrow table or a list
        of dicts; `text` a column or a template of several. Raises `ConfigError` for a student that chooses among
        options, `DataError` and `StepFailed` with one sentence.
        """
        task = Task.load(self.store.path(self.pool))
        if task.kind == "choose":
            raise ConfigError(f"row `{self.row}`: `predict` is for classes and texts; its model is in {self.folder}")
        rows = [{"text": item} for item in items] if _is_texts(items) else items
        file = file_of_table(rows, self.store.root, "items")
        if task.kind == "generate":
            return self._written(file, text, id)
        last = self._predicted(file, task.classes, text, id)
        _run(last, self.store)
        return _table(WeakLabels.load(self.store.path(last) / "answers.parquet"), task.classes)

    def _written(self, file: Path, text: str, id: str | None) -> "pd.DataFrame":
        """The step of the study's test answers, with new items as the test part."""
        new = new_items_step("read_new_prompts", file, ItemColumns(text=text, id=id), "items")
        known = self.answers
        inputs = {**known.inputs, "pool": new, "split": new}
        last = Step(
            *(known.name, known.function, known.params, inputs), version=known.version, hints=known.hints,
            label=f"{self.row}, seed {self.seed}",
        )  # fmt: skip
        _run(last, self.store)
        return _text_table(WeakTexts.load(self.store.path(last) / f"{known.params['part']}.parquet"))

    def _predicted(self, file: Path, classes: Sequence[str], text: str, id: str | None) -> Step:
        pool = new_items_step("read_new_items", file, ItemColumns(text=text, id=id), "items", classes=list(classes))
        objective = self.step.params.get("loss", SUPERVISORS_LOSS)
        inputs, model = {"pool": pool, "student": self.step}, self.step.params["model"]
        steps = "outgrow.training.predict_step"
        label = f"{self.row}, seed {self.seed}"
        if "features" in self.step.inputs:
            inputs["features"] = self._features(pool)
            return Step("predicted", f"{steps}:predict_with_head", {"objective": objective}, inputs, label=label)
        if "lora" in model:
            inputs["student"] = self._merged()
        wanted = {"objective": objective, "max_length": model["max_length"]}
        return Step(*("predicted", f"{steps}:predict_with_model", wanted, inputs), hints=self.step.hints, label=label)

    def _features(self, pool: Step) -> Step:
        """The hidden states that its head reads, of other items."""
        known = self.step.inputs["features"]
        return Step(
            *(known.name, known.function, known.params, {"pool": pool}),
            version=known.version,
            hints=known.hints,
            label=known.label,
        )


def student_of(row: str, seed: int, answers: Step, store: Store, pool: Step) -> StudyStudent:
    """The model behind a row's answers. Raises `DataError` where there is none, or none yet."""
    student = StudyStudent(row, seed, answers, store, pool)
    if student.step.name not in TRAINED or "model" not in student.step.params:
        before = " (post-processing of another row's student)" if answers.name in ("matched", "views") else ""
        raise DataError(f"row `{row}` has no trained model of its own{before}")
    if "fine_tuning" in student.step.params:
        raise DataError(f"row `{row}`, seed {seed}: its provider keeps the model; {store.path(student.step)} names it")
    if not student.folder.is_dir():
        raise DataError(f"row `{row}`, seed {seed}: its model is not in {store.root}; `outgrow run` trains it")
    return student


def merge_adapter(job: Job, *, model: dict[str, Any], classes: list[str]) -> None:
    """Write `model/`: the adapter of the input `student` merged into its base."""
    from outgrow.deliver.student_folder import write_model

    write_model(job.inputs["student"] / "model", model, classes, job.out / "model")


def _is_texts(items: Any) -> bool:
    return isinstance(items, list | tuple) and all(isinstance(item, str) for item in items)


def _run(last: Step, store: Store) -> None:
    outcomes = run_steps([last], store)
    if any(outcome.state == "interrupted" for outcome in outcomes.values()):
        raise KeyboardInterrupt
    failed = [outcome.error for outcome in outcomes.values() if outcome.state == "failed"]
    if failed:
        raise StepFailed(failed[0])


def _table(answers: WeakLabels, classes: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    probs = answers.probs[:, 0]
    columns: Mapping[str, Any] = {
        "item": answers.items,
        "label": [classes[index] for index in probs.argmax(axis=1).tolist()],
        "confidence": probs.max(axis=1),
        **{f"p.{name}": probs[:, index] for index, name in enumerate(classes)},
    }
    return pd.DataFrame(columns)


def _text_table(answers: WeakTexts) -> "pd.DataFrame":
    import pandas as pd

    best = [candidates[0] if candidates else None for (candidates,) in answers.candidates]
    columns: Mapping[str, Any] = {
        "item": answers.items,
        "answer": [None if one is None else one.text for one in best],
        "confidence": [None if one is None else math.exp(one.mean_logprob) for one in best],
    }
    return pd.DataFrame(columns)
