"""Votes and items in, a trained student's folder out: steps of the same graph as a study's.

    items, votes ─► taught ─► student ───────────► delivered ─► the folder asked for
                                 └─► answers ─┘                 a student that writes answers in a step of its own

What is finished is reused: a kill, or another loss, costs no more than what it changes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from outgrow.config.method import SoftLabels
from outgrow.config.train import TrainSettings
from outgrow.data.data_identity import content_hash
from outgrow.deliver.training_data_step import TrainingFiles
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.graph.code_identity import read_again
from outgrow.graph.done import DONE
from outgrow.graph.output import alone, place_folder, recover
from outgrow.graph.runner import Event, run_steps
from outgrow.graph.step import Json, Step
from outgrow.graph.store import Store
from outgrow.graph.writable import refuse_odd_name, refuse_unwritable_folder
from outgrow.models.model_names import parse_name
from outgrow.study.step_params import dump, loss_params, places_of_model, reading_params
from outgrow.study.steps import STUDENT, model_params
from outgrow.study.text_experiment import trained_params

CARD = "card.json"
"""By which a student's folder is known as one."""
ASKED = (
    "classes", "renormalise", "votes", "items", "combine", "calibrate", "loss", "weight", "keep", "kind", "metric",
)  # fmt: skip
"""Settings that decide what is taught."""


@dataclass(frozen=True)
class TrainedStudent:
    """A student's folder and what its card tells."""

    folder: Path
    card: Mapping[str, Any]

    @property
    def predictions(self) -> Any:
        """What it says of every item, as an Arrow table."""
        return pq.read_table(self.folder / "predictions.parquet")


def train_from_votes(
    settings: TrainSettings,
    files: TrainingFiles,
    output: Path,
    *,
    store: Path,
    command: str = "",
    on_event: Callable[[Event], None] = lambda event: None,
) -> TrainedStudent:
    """Run the steps and put the student where it is wanted.

    Raises `DataError` and `ConfigError` for bad input, and where another training writes the same folder; `StepFailed`
    for a training that broke, `KeyboardInterrupt` after Ctrl-C; the same call goes on from what was finished.
    """
    refuse_to_overwrite(output)
    if settings.of_texts and files.gold is not None:
        raise ConfigError(
            "--gold: combiners of texts look at no gold; leave it out, or measure the student by `--test`"
        )
    _settle(settings)
    last = delivered_step(settings, files, output.name, command)
    with alone(output):
        recover(output)
        put(_made(last, Store(store), settings.threads, on_event), output)
    return TrainedStudent(output, json.loads((output / CARD).read_text()))


def _made(last: Step, store: Store, threads: int | None, on_event: Callable[[Event], None]) -> Path:
    """The result of the last step, with all that it needs."""
    outcomes = run_steps([last], store, threads=threads, on_event=on_event)
    if outcomes[last.identity].state == "interrupted":
        raise KeyboardInterrupt
    read = outcomes.get(last.inputs["taught"].identity)
    if read is not None and read.state == "failed":
        raise DataError(read.error)
    broken = [one.error for one in outcomes.values() if one.state == "failed"]
    if broken:
        raise StepFailed(broken[0])
    return store.path(last)


def delivered_step(settings: TrainSettings, files: TrainingFiles, name: str, command: str) -> Step:
    """The last of the steps, with the others as its inputs."""
    read_again()
    content = {kind: content_hash(path, f"--{kind}") for kind, path in files._asdict().items() if path is not None}
    told = settings.model_dump(mode="json")
    taught = Step(
        "taught",
        "outgrow.deliver.training_data_step:make_training_data",
        {"settings": {"student": {"model": "-"}, **{key: told[key] for key in ASKED}}, "content": content},
        hints={"files": {kind: str(path.absolute()) for kind, path in files._asdict().items() if path is not None}},
        version=2,
        label=f"{settings.combine.type} of {files.labels.name}",
    )
    student, section = student_step(settings, taught), settings.student
    answers = {"answers": answers_step(settings, taught, student)} if settings.of_texts else {}
    asked = {"prompt": prompt_params(settings)} if settings.of_texts else {}
    about = {
        "student": {
            **dump(section, only=["model", "revision", "adapt", "max_length", "training", "dtype"]),
            "name": name,
            "loss": settings.loss.type,
            "seed": settings.seed,
            "text": settings.items.text,
            **asked,
        },
        "command": command,
        "content": {str(getattr(files, kind).name): found for kind, found in content.items()},
    }
    return Step(
        "delivered",
        "outgrow.deliver.student_folder:make_folder",
        {"model": dump(section, only=["model", "revision", "trust_remote_code"]), "about": about},
        {"taught": taught, "student": student, **answers},
        hints={"places": places_of_model(section.model)},
        label=name,
    )


def student_step(settings: TrainSettings, taught: Step) -> Step:
    """The training of a study, on what `taught` wrote."""
    section, hints = settings.student, _hints(settings)
    if settings.of_texts:
        return _text_student(settings, taught, hints)
    params: dict[str, Json] = {
        "adapt": section.adapt,
        "model": model_params(section),
        "loss": loss_params(settings.loss, "classify"),
        "self_training": None,
        "tune": dump(settings.tune),
        "seed": settings.seed,
        "name": STUDENT,
    }
    inputs = dict.fromkeys(("pool", "split", "targets", "labels"), taught)
    return Step(
        "student", "outgrow.training.student_step:train_student", params, inputs, hints=hints, label=section.model
    )


def _text_student(settings: TrainSettings, taught: Step, hints: dict[str, Json]) -> Step:
    """The same of a student that writes."""
    section = settings.student
    params: dict[str, Json] = {
        "adapt": section.adapt,
        "model": trained_params(section),
        "loss": loss_params(settings.loss, "generate"),
        "soft_labels": dump(SoftLabels()),
        "self_training": None,
        "seed": settings.seed,
    }
    inputs = dict.fromkeys(("pool", "split", "targets"), taught)
    function = "outgrow.training.text_student_step:train_text_student"
    return Step("student", function, params, inputs, hints=hints, label=section.model)


def answers_step(settings: TrainSettings, taught: Step, student: Step) -> Step:
    """What a student that writes says of the items that it did not learn from."""
    params: dict[str, Json] = {
        "model": reading_params(settings.student),
        "decoding": dump(settings.answering),
        "part": "test",
        "seed": settings.seed,
        "name": STUDENT,
    }
    inputs = {"pool": taught, "split": taught, "model": student}
    function = "outgrow.supervise.write_step:write_texts"
    return Step("texts", function, params, inputs, hints=_hints(settings), label=settings.student.model)


def prompt_params(settings: TrainSettings) -> dict[str, Json]:
    """How a student that writes is asked."""
    asked = dump(settings.student, only=["system", "chat"])
    return {**asked, "max_new_tokens": settings.answering.max_new_tokens}


def _hints(settings: TrainSettings) -> dict[str, Json]:
    return {
        "device": settings.device,
        "batch_tokens": settings.student.batch_tokens,
        "report_to": [],
        "run_name": STUDENT,
        "places": places_of_model(settings.student.model),
    }


def refuse_to_overwrite(output: Path) -> None:
    """A folder that is no student of ours is left alone, and one that cannot be made is told before the training."""
    if output.name in ("", ".."):
        raise DataError(
            f"--output: {output} is where you are, or above; name a folder for the student, such as `student`"
        )
    refuse_odd_name("--output", output)
    refuse_unwritable_folder("--output", output.parent)
    if output.exists() and not (output / CARD).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(f"{output}: is there already, and is no student that outgrow wrote; choose another `--output`")


def put(made: Path, output: Path) -> None:
    """Copy a step's result to where its user wants it: whole, or not at all."""
    refuse_to_overwrite(output)  # once more: a training takes its time
    try:
        place_folder(made, output, without=DONE)
    except OSError as error:
        raise DataError(
            f"{output}: cannot be written ({error.strerror or error}); the student is in {made}"
        ) from error


def _settle(settings: TrainSettings) -> None:
    """Let the hub name the model's commit, so that every later run finds the same steps."""
    if parse_name(settings.student.model).place == "hub":
        from outgrow.models.fetch_model import pin_revision  # the hub's library takes its time to import

        pin_revision(settings.student.model, settings.student.revision)
