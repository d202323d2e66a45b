"""`done.json`: the record of a finished step, with which its folder can be verified.

It is written last into the step's folder. It lists every other file with size and SHA-256. It also has everything that
enters the step's identity, so a changed record is detected.
"""

import json
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outgrow import __version__
from outgrow.errors import StepFailed
from outgrow.graph.durable import files_in, sha256, sync
from outgrow.graph.step import Json, Step, identify

DONE = "done.json"


class Damaged(Exception):
    """A folder of the store differs from the result of its step; the message says how."""


@dataclass(frozen=True)
class StepInput:
    """An input of a finished step."""

    folder: str
    """Name of its folder in the store."""
    identity: str


@dataclass(frozen=True)
class StepFile:
    """A file of a finished step."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Done:
    """The record of a finished step."""

    identity: str
    name: str
    version: int
    params: Mapping[str, Json]
    inputs: Mapping[str, StepInput]
    files: Mapping[str, StepFile]
    """By path relative to the folder, with forward slashes."""
    seconds: float
    """Wall time of the successful attempt."""
    finished_at: str
    """UTC, ISO 8601."""
    python: str
    outgrow: str
    code: str
    """`Step.code`."""
    identity_without_code: str
    """`Step.identity_without_code`."""


def describe(step: Step, folder: Path, seconds: float) -> Done:
    """The record of `step`, whose files are in `folder`. Raises `StepFailed` if one of them is `done.json`."""
    if (folder / DONE).exists():
        raise StepFailed(f"step `{step.name}` wrote a file `{DONE}`; the store reserves this name")
    return Done(
        identity=step.identity,
        name=step.name,
        version=step.version,
        params=step.params,
        inputs={key: StepInput(source.folder, source.identity) for key, source in step.inputs.items()},
        files={
            path.relative_to(folder).as_posix(): StepFile(path.stat().st_size, sha256(path))
            for path in files_in(folder)
        },
        seconds=round(seconds, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        python=platform.python_version(),
        outgrow=__version__,
        code=step.code,
        identity_without_code=step.identity_without_code,
    )


def write_done(done: Done, folder: Path) -> None:
    """Write `done.json` and sync it to the disk."""
    path = folder / DONE
    path.write_text(json.dumps(asdict(done), ensure_ascii=False, allow_nan=False, indent=1), encoding="utf-8")
    sync(path)


def read_done(folder: Path) -> Done:
    """Read the record of `folder`. Raises `Damaged` if it is missing or inconsistent."""
    try:
        text = (folder / DONE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Damaged(f"{DONE} is missing") from None
    except PermissionError:
        raise  # the file itself is not damaged
    except (UnicodeDecodeError, OSError) as error:
        raise Damaged(f"{DONE} is not readable ({_briefly(error)})") from error
    try:
        done = _parse(json.loads(text))
        sources = {key: source.identity for key, source in done.inputs.items()}
        identity = identify(done.name, done.version, done.params, sources, done.code)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"{DONE} is not readable ({_briefly(error)})") from error
    if identity != done.identity:
        raise Damaged(f"{DONE} was changed: its content does not give its identity")
    return done


def _briefly(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _parse(raw: Any) -> Done:
    inputs = {key: StepInput(**source) for key, source in raw["inputs"].items()}
    files = {key: StepFile(**content) for key, content in raw["files"].items()}
    done = Done(**{**raw, "inputs": inputs, "files": files})
    # The identity covers everything that decides the result; times and versions are checked here.
    texts = "".join([done.finished_at, done.python, done.outgrow, *done.files]).encode()
    if b"\0" in texts or not math.isfinite(done.seconds):
        raise ValueError("a field has an impossible value")
    return done


def verify(done: Done, folder: Path, *, thorough: bool) -> None:
    """Check the size of every file of `done` and, if `thorough`, its content. Raises `Damaged`."""
    for name, content in done.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != content.size:
                raise Damaged(f"{name} has {size} bytes instead of {content.size}")
            if thorough and sha256(path) != content.sha256:
                raise Damaged(f"the content of {name} has changed (SHA-256 differs)")
        except PermissionError:
            raise  # the file itself is not damaged
        except OSError as error:
            raise Damaged(f"{name} cannot be read ({error.strerror})") from error
