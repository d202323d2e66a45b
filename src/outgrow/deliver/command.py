"""The command that trains a student again, with every setting that is not a default."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from outgrow.config.train import TrainSettings
from outgrow.deliver.training_data_step import TrainingFiles

OPTIONS = ("student.model", "combine.type", "combine.source")
"""Settings that are options of the command."""


def command_of(files: TrainingFiles, output: Path, settings: TrainSettings, store: Path | None = None) -> str:
    """The command line; with `store` only if it is not the default."""
    settings_given = dict(_flat(settings.model_dump(mode="json", exclude_unset=True)))
    method = settings.combine.type
    options: dict[str, Any] = {
        "--items": files.items,
        "--labels": files.labels,
        "--gold": files.gold,
        "--test": files.test,
        "--model": settings.student.model,
        "--method": f"{method}:{settings_given['combine.source']}" if settings_given.get("combine.source") else method,
        "--output": output,
        "--store": store,
    }
    given = [part for name, value in options.items() if value is not None for part in (name, str(value))]
    words = [f"{key}={_plain(value)}" for key, value in settings_given.items() if key not in OPTIONS]
    return shlex.join(["outgrow", "train", *given, *words])


def _flat(tree: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf under its dotted key."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value


def _plain(value: Any) -> str:
    """As YAML on one line; quotes only where they are needed."""
    bare = isinstance(value, str) and value.replace("_", "").replace("-", "").isalnum()
    return str(value) if bare else json.dumps(value, ensure_ascii=False)
