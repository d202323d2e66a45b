"""From votes and items to a trained student's folder, as steps of a graph.

    items, votes ─► training_data ─► student ───────────► delivered ─► the output folder
                                        └─► answers ─┘                 a text student has a step for its answers

Finished steps are reused, as in a study.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from outgrow.config.train import TrainSettings
from outgrow.data.data_identity import content_hash
from outgrow.data.task import Kind
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
from outgrow.study.check_engines import no_search, searches
from outgrow.study.check_models import engine_lacking
from outgrow.study.step_params import dump, loss_params, model_hints, places_of_model, writing_params
from outgrow.study.steps import STUDENT
from outgrow.study.student_step import student_step

CARD = "card.json"
"""The file that marks a student's folder."""
DATA_SETTINGS = (
    "classes", "renormalise", "votes", "items", "combine", "calibrate", "loss", "weight", "keep", "kind", "metric",
)  # fmt: skip
"""Settings on which the training data depend."""


@dataclass(frozen=True)
class TrainedStudent:
    """A student's folder and the content of its card."""

    folder: Path
    card: Mapping[str, Any]

    @property
    def predictions(self) -> Any:
        """Its predictions for all items, as an Arrow table."""
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
    """Run the steps and copy the student to `output`.

    Raises `DataError` and `ConfigError` for bad input and if another training writes the same folder, `StepFailed` for
    a failed training, `KeyboardInterrupt` after Ctrl-C. The same call continues from the finished steps.
    """
    refuse_to_overwrite(output)
    if settings.of_texts and files.gold is not None:
        raise ConfigError(
            "--gold: combiners of texts do not use gold; leave it out, or evaluate the student with `--test`"
        )
    _require_engine(settings)
    _pin_revision(settings)
    last = delivered_step(settings, files, output.name, command)
    steps = Store(store)
    with alone(output), steps.in_use():
        recover(output)
        put(_run_to(last, steps, settings.threads, on_event), output)
    return TrainedStudent(output, json.loads((output / CARD).read_text()))


def _require_engine(settings: TrainSettings) -> None:
    """Raise `ConfigError` for an engine that the student cannot use, or that is not there."""
    engine = settings.student.engine
    if engine.type == "hf":
        return
    if not settings.of_texts:
        raise ConfigError(f"student.engine: `{engine.type}` runs students that write texts; leave it out")
    if searches(settings.answering):
        raise ConfigError(no_search("answering", settings.answering))
    if lacking := list(engine_lacking("student", settings.student)):
        raise ConfigError(lacking[0])


def _run_to(last: Step, store: Store, threads: int | None, on_event: Callable[[Event], None]) -> Path:
    """Run the last step and its inputs; returns the folder of its result."""
    outcomes = run_steps([last], store, threads=threads, on_event=on_event)
    if outcomes[last.identity].state == "interrupted":
        raise KeyboardInterrupt
    data = outcomes.get(last.inputs["training_data"].identity)
    if data is not None and data.state == "failed":
        raise DataError(data.error)
    errors = [outcome.error for outcome in outcomes.values() if outcome.state == "failed"]
    if errors:
        raise StepFailed(errors[0])
    return store.path(last)


def delivered_step(settings: TrainSettings, files: TrainingFiles, name: str, command: str) -> Step:
    """The last step, with the other steps as its inputs."""
    read_again()
    paths = files.paths
    content = {kind: content_hash(path, f"--{kind.split()[0]}") for kind, path in paths.items()}
    options = settings.model_dump(mode="json")
    cascade = settings.cascade.accuracy is not None
    kept = [*DATA_SETTINGS, *(["cascade"] if cascade and files.test is None else [])]
    data = Step(
        "training_data",
        "outgrow.deliver.training_data_step:make_training_data",
        {"settings": {"student": {"model": "-"}, **{key: options[key] for key in kept}}, "content": content},
        hints={"files": {kind: str(path.absolute()) for kind, path in paths.items()}},
        version=3,
        label=f"{settings.combine.type} of {', '.join(path.name for path in files.labels)}",
    )
    student, section = trained_step(settings, data), settings.student
    answers = {"answers": answers_step(settings, data, student)} if settings.of_texts else {}
    prompt = {"prompt": prompt_params(settings)} if settings.of_texts else {}
    about = {
        "student": {
            **dump(section, only=["model", "revision", "adapt", "max_length", "training", "dtype"]),
            "name": name,
            "loss": settings.loss.type,
            **({} if settings.of_texts else {"objective": loss_params(settings.loss, "classify")}),
            "seed": settings.seed,
            "text": settings.items.text,
            **({"id": settings.items.id} if settings.items.id else {}),
            **prompt,
        },
        "command": command,
        "content": {paths[kind].name: digest for kind, digest in content.items()},
    }
    return Step(
        "delivered",
        "outgrow.deliver.student_folder:make_folder",
        {
            "model": dump(section, only=["model", "revision", "trust_remote_code"]),
            "about": about,
            **({"cascade": options["cascade"]} if cascade else {}),
        },
        {"training_data": data, "student": student, **answers},
        hints={"places": places_of_model(section.model)},
        label=name,
    )


def trained_step(settings: TrainSettings, data: Step) -> Step:
    """The training of a study, on the step `training_data`."""
    kind: Kind = "generate" if settings.of_texts else "classify"
    names = ("pool", "split", "targets") if settings.of_texts else ("pool", "split", "targets", "labels")
    return student_step(
        kind,
        settings.student,
        dict.fromkeys(names, data),
        tune=dump(settings.tune),
        seed=settings.seed,
        hints=_hints(settings),
        label=settings.student.model,
        loss=settings.loss,
    )


def answers_step(settings: TrainSettings, data: Step, student: Step) -> Step:
    """A text student's answers to the items that it did not learn from."""
    params: dict[str, Json] = {
        "model": writing_params(settings.student),
        "decoding": dump(settings.answering),
        "part": "test",
        "seed": settings.seed,
        "name": STUDENT,
    }
    inputs = {"pool": data, "split": data, "model": student}
    function = "outgrow.supervise.writer_steps:write_texts"
    return Step("texts", function, params, inputs, hints=_hints(settings), label=settings.student.model)


def prompt_params(settings: TrainSettings) -> dict[str, Json]:
    """The prompt settings of a text student."""
    prompt = dump(settings.student, only=["system", "chat"])
    return {**prompt, "max_new_tokens": settings.answering.max_new_tokens}


def _hints(settings: TrainSettings) -> dict[str, Json]:
    return model_hints(settings.student, settings.device, (), STUDENT)


def refuse_to_overwrite(output: Path) -> None:
    """Raise `DataError` for a folder that is not a student's, or that cannot be made."""
    if output.name in ("", ".."):
        raise DataError(
            f"--output: {output} is the working folder or above it; name a folder for the student, such as `student`"
        )
    refuse_odd_name("--output", output)
    refuse_unwritable_folder("--output", output.parent)
    if output.exists() and not (output / CARD).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(f"{output}: exists and is not a student of outgrow; choose another `--output`")


def put(made: Path, output: Path) -> None:
    """Copy a step's result to `output` atomically."""
    refuse_to_overwrite(output)  # again, because the training may have taken hours
    try:
        place_folder(made, output, without=DONE)
    except OSError as error:
        raise DataError(
            f"{output}: cannot be written ({error.strerror or error}); the student is in {made}"
        ) from error


def _pin_revision(settings: TrainSettings) -> None:
    """Resolve the model's commit on the hub, so that later runs find the same steps."""
    if parse_name(settings.student.model).place == "hub":
        from outgrow.models.fetch_model import pin_revision  # slow to import

        pin_revision(settings.student.model, settings.student.revision)


OPTIONS = ("student.model", "combine.type", "combine.source")
"""Settings that are options of the command."""


def command_of(
    files: TrainingFiles,
    output: Path,
    settings: TrainSettings,
    store: Path | None = None,
    plugins: Iterable[str | Path] = (),
) -> str:
    """The command line; `store` is included only if it is not the default."""
    changed_settings = dict(_flat(settings.model_dump(mode="json", exclude_unset=True)))
    method = settings.combine.type if "combine" in settings.model_fields_set else None
    options: dict[str, Any] = {
        "--items": files.items,
        "--gold": files.gold,
        "--test": files.test,
        "--model": settings.student.model,
        "--method": f"{method}:{changed_settings['combine.source']}"
        if changed_settings.get("combine.source")
        else method,
        "--output": output,
        "--store": store,
    }
    words = [part for path in files.labels for part in ("--labels", str(path))]
    words += [part for name, value in options.items() if value is not None for part in (name, str(value))]
    words += [part for file in plugins for part in ("--plugin", str(file))]
    setting_words = [f"{key}={_plain(value)}" for key, value in changed_settings.items() if key not in OPTIONS]
    return shlex.join(["outgrow", "train", *words, *setting_words])


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested settings by dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _plain(value: Any) -> str:
    """A value as YAML on one line, with quotes only if necessary."""
    without_quotes = isinstance(value, str) and value.replace("_", "").replace("-", "").isalnum()
    return str(value) if without_quotes else json.dumps(value, ensure_ascii=False)
