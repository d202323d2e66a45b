"""The files of the user's own data: one for all parts of a study, a folder, or one for each part."""

import os
from pathlib import Path
from typing import NamedTuple

from outgrow.config.task import SetSection
from outgrow.data.load_published import split_of
from outgrow.data.published_task import PUBLISHED_TEST
from outgrow.errors import DataError
from outgrow.readers.open_table import data_files


class OwnFile(NamedTuple):
    """A file to read, the part of its rows, and what their numbers begin with so that those of two files differ."""

    path: Path
    part: str
    prefix: str = ""


def own_files(section: SetSection) -> list[OwnFile]:
    """The files to read; in a folder for all parts, a name such as `test.csv` names the part of its rows.

    With a file for each part, a column of ids gives the ids as they are.
    """
    numbered = section.columns.id is None
    return [
        OwnFile(file.path, part, f"{part}-{file.prefix}" if numbered else "") if part else file
        for part, path in section.places.items()
        for file in _files_in(path)
    ]


def _files_in(path: Path) -> list[OwnFile]:
    if not os.path.isdir(path):
        return [OwnFile(path, "train")]
    files = data_files(path)
    if not files:
        raise DataError(f"{path}: there is no JSONL, JSON, CSV, TSV or Parquet file in this folder")
    parts = (PUBLISHED_TEST[split_of(file, path) or "train"] for file in files)
    return [OwnFile(file, part, f"{file.relative_to(path)}-") for file, part in zip(files, parts, strict=True)]
