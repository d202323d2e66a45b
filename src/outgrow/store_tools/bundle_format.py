"""A bundle: the finished steps of a study in one file, for another machine.

    x.tar.zst = zstd(tar)
        bundle.json                 Contents: format, version of outgrow, study, every step with its bytes
        NAME-HASH8/…                the files of a step
        NAME-HASH8/done.json        its record, after its files

The same steps give the same bytes on every machine: members are sorted and carry no time, owner or place.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from outgrow.errors import DataError
from outgrow.store_tools.usage import STEP_FOLDER

CONTENTS = "bundle.json"
FORMAT = 1
MOST_CONTENTS = 64 << 20
"""Bytes of `bundle.json`, at most."""
NAME = re.compile(r"[^/\0\\]+(/[^/\0\\]+)*")
SUFFIX = ".tar.zst"


@dataclass(frozen=True)
class Contents:
    """What is in a bundle."""

    format: int
    outgrow: str
    """The version that wrote it."""
    study: str
    steps: Mapping[str, int]
    """By folder name, the bytes of the step's files with its record."""
    missing: int = 0
    """Steps of the study that were not finished."""

    @property
    def size(self) -> int:
        """Bytes of all steps."""
        return sum(self.steps.values())

    def to_bytes(self) -> bytes:
        """The content of `bundle.json`."""
        return json.dumps(asdict(self), sort_keys=True, indent=1).encode()


def parse_contents(data: bytes, bundle: str) -> Contents:
    """The contents from `bundle.json`. Raises `DataError` for another format or an impossible value."""
    try:
        raw = json.loads(data)
        form = raw["format"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(f"{bundle}: its {CONTENTS} cannot be read ({error}); copy the bundle again") from error
    if form != FORMAT:
        raise DataError(
            f"{bundle}: has format {form!r}, and this version of outgrow reads {FORMAT}; pack it again with the same"
            " version of outgrow on both machines"
        )
    try:
        return _checked(Contents(**raw))
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{bundle}: its {CONTENTS} is not valid ({error}); copy the bundle again") from error


def _checked(contents: Contents) -> Contents:
    sizes: Mapping[Any, Any] = contents.steps
    for folder, size in sizes.items():
        if not STEP_FOLDER.fullmatch(folder) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError(f"impossible step `{str(folder)[:80]}`")
    if not isinstance(contents.study, str) or not isinstance(contents.outgrow, str):
        raise TypeError("study and version must be texts")
    return contents


def parts_of(name: str, bundle: str) -> tuple[str, str]:
    """The step's folder and the file within it, from a member's name. Raises `DataError` for any other path."""
    folder, _, file = name.partition("/")
    outside = not NAME.fullmatch(file) or any(part in (".", "..") for part in file.split("/"))
    if not STEP_FOLDER.fullmatch(folder) or outside:
        raise DataError(f"{bundle}: has a file outside a step's folder (`{name[:80]}`); nothing of it was unpacked")
    return folder, file
