"""`done.json`: what a finished step was, and by what its folder is known to be whole.

It is the last file to be written into a step's folder, and it names every other file with its size and SHA-256. It
also holds all that the step's identity was made from, so that it can be told from a record that was tampered with.
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
    """A folder of the store is not what its step left there; the message says in what way."""


@dataclass(frozen=True)
class StepInput:
    """An input of a finished step."""

    folder: str
    """Its folder's name within the store."""
    identity: str


@dataclass(frozen=True)
class StepFile:
    """A file of a finished step."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Done:
    """A finished step, as it wrote itself down."""

    identity: str
    name: str
    version: int
    params: Mapping[str, Json]
    inputs: Mapping[str, StepInput]
    files: Mapping[str, StepFile]
    """By path below the folder, with forward slashes."""
    seconds: float
    """Wall time of the attempt that finished it."""
    finished_at: str
    """UTC, ISO 8601."""
    python: str
    outgrow: str
    code: str
    """`Step.code`."""
    identity_without_code: str
    """`Step.identity_without_code`."""


def describe(step: Step, folder: Path, seconds: float) -> Done:
    """The record for `step`, whose files lie in `folder`. Raises `StepFailed` if one of them is in its way."""
    if (folder / DONE).exists():
        raise StepFailed(f"step `{step.name}` wrote a file `{DONE}`, a name that the store keeps for itself")
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
    """Write `done.json` and see it to the disk."""
    path = folder / DONE
    path.write_text(json.dumps(asdict(done), ensure_ascii=False, allow_nan=False, indent=1), encoding="utf-8")
    sync(path)


def read_done(folder: Path) -> Done:
    """Read `folder`'s record. Raises `Damaged` if there is none, or one that contradicts itself."""
    try:
        text = (folder / DONE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Damaged(f"{DONE} is missing") from None
    except PermissionError:
        raise  # nothing is wrong with the file itself
    except (UnicodeDecodeError, OSError) as error:
        raise Damaged(f"{DONE} is not readable ({_briefly(error)})") from error
    try:
        done = _parse(json.loads(text))
        sources = {key: source.identity for key, source in done.inputs.items()}
        identity = identify(done.name, done.version, done.params, sources, done.code)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Damaged(f"{DONE} is not readable ({_briefly(error)})") from error
    if identity != done.identity:
        raise Damaged(f"{DONE} was changed: its identity does not follow from what it describes")
    return done


def _briefly(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _parse(raw: Any) -> Done:
    inputs = {key: StepInput(**source) for key, source in raw["inputs"].items()}
    files = {key: StepFile(**content) for key, content in raw["files"].items()}
    done = Done(**{**raw, "inputs": inputs, "files": files})
    # The identity answers for what decided the result; times and versions are looked at here.
    words = "".join([done.finished_at, done.python, done.outgrow, *done.files]).encode()
    if b"\0" in words or not math.isfinite(done.seconds):
        raise ValueError("a field has no possible value")
    return done


def verify(done: Done, folder: Path, *, thorough: bool) -> None:
    """Check that every file of `done` is there in its size and, if `thorough`, with its content. Raises `Damaged`."""
    for name, content in done.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != content.size:
                raise Damaged(f"{name} has {size} bytes instead of {content.size}")
            if thorough and sha256(path) != content.sha256:
                raise Damaged(f"the content of {name} has changed (SHA-256 differs)")
        except PermissionError:
            raise  # nothing is wrong with the file itself
        except OSError as error:
            raise Damaged(f"{name} cannot be read ({error.strerror})") from error
