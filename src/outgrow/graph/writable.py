"""Checks of output paths before any work starts.

Combining and training may take hours. These checks find errors without writing: a folder instead of a file, a file
among the parent folders, a missing permission, an unknown format. Other errors, such as a full disk, appear while
writing.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from outgrow.errors import ConfigError, DataError

ELSEWHERE = "choose another path"
LONGEST_NAME = 200
"""Bytes of a file name, at most; systems allow 255, and unfinished files have longer names."""


def refuse_unwritable(option: str, path: Path, formats: Sequence[str] = ()) -> None:
    """Check the path of a file; `formats` are the allowed suffixes, by default any.

    Raises `ConfigError` for the format, `DataError` for the path; both name the option and the path.
    """
    if formats and path.suffix.lower() not in formats:
        raise ConfigError(f"{option}: {path} has an unknown format; use one of {', '.join(formats)}")
    if _nearest(option, path) == path.absolute() and path.is_dir():
        raise DataError(f"{option}: {path} is a folder; name a file")
    refuse_unwritable_folder(option, path.parent)


def refuse_unwritable_folder(option: str, folder: Path) -> None:
    """Check a folder that exists, or that will be made with its parents."""
    nearest = _nearest(option, folder)
    if not nearest.is_dir():
        raise DataError(f"{option}: {folder} cannot be made: {nearest} is a file; {ELSEWHERE}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise DataError(f"{option}: no write permission in the folder {nearest}; {ELSEWHERE}")


def refuse_odd_name(option: str, path: Path) -> None:
    """Raises `DataError` for an impossible file name: too long, with NUL, or with half a character."""
    try:
        impossible = "\0" in str(path) or len(os.fsencode(path.name)) > LONGEST_NAME
    except UnicodeEncodeError:
        impossible = True
    if impossible:
        raise DataError(f"{option}: {path} cannot be written (no file can have this name); {ELSEWHERE}")


def _nearest(option: str, path: Path) -> Path:
    """The path, or its nearest existing parent."""
    refuse_odd_name(option, path)
    try:
        path = path.absolute()
        return next(candidate for candidate in (path, *path.parents) if candidate.exists() or candidate.is_symlink())
    except OSError as error:  # a name that is too long, a folder without read permission
        raise DataError(f"{option}: {path} cannot be written ({error.strerror}); {ELSEWHERE}") from error
