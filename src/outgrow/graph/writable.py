"""Places that somebody wants written to, looked at before any work is done for them.

Combining and training may take hours, and a file does not become a folder meanwhile. What can be seen without writing
is seen here: a folder in the place of a file, a file among the folders above, a missing permission, a format that
nobody can write. What cannot (a disk that will be full) is told by whoever writes.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from outgrow.errors import ConfigError, DataError

ELSEWHERE = "choose another place"
LONGEST_NAME = 200
"""Bytes of a file's name; a system allows 255, and what is unfinished has a longer name."""


def refuse_unwritable(option: str, path: Path, formats: Sequence[str] = ()) -> None:
    """Look at the place of a file; `formats` are the suffixes that it may have, by default any.

    Raises `ConfigError` for the format, `DataError` for the place; both name the option and the path.
    """
    if formats and path.suffix.lower() not in formats:
        raise ConfigError(f"{option}: {path} is in no format that can be written; name one of {', '.join(formats)}")
    if _nearest(option, path) == path.absolute() and path.is_dir():
        raise DataError(f"{option}: {path} is a folder; name a file")
    refuse_unwritable_folder(option, path.parent)


def refuse_unwritable_folder(option: str, folder: Path) -> None:
    """The same of a folder that is there, or will be made with those above it."""
    there = _nearest(option, folder)
    if not there.is_dir():
        raise DataError(f"{option}: {folder} cannot be there, as {there} is a file; {ELSEWHERE}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DataError(f"{option}: the folder {there} may not be written to; {ELSEWHERE}")


def refuse_odd_name(option: str, path: Path) -> None:
    """Raises `DataError` for a name that no file can have: too long, with NUL, or with half a character."""
    try:
        odd = "\0" in str(path) or len(os.fsencode(path.name)) > LONGEST_NAME
    except UnicodeEncodeError:
        odd = True
    if odd:
        raise DataError(f"{option}: {path} cannot be written (no file can have so odd or long a name); {ELSEWHERE}")


def _nearest(option: str, path: Path) -> Path:
    """The path itself or the nearest one above it that is there."""
    refuse_odd_name(option, path)
    try:
        path = path.absolute()
        return next(one for one in (path, *path.parents) if one.exists() or one.is_symlink())
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise DataError(f"{option}: {path} cannot be written ({error.strerror}); {ELSEWHERE}") from error
