"""Whether a file of the user's own can have as many items as a study asks for, told without reading its rows.

A file of lines has no more rows than lines, and Parquet counts its rows itself; of other formats nothing is told. How
many rows are usable (have a label, are not copies of others) shows only when they are read, and is complained of then.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.config.task import SetSection, Sizes, TaskSection
from outgrow.data.capability import speaking_of
from outgrow.data.raw_file import read_bytes
from outgrow.data.table import data_files
from outgrow.data.tasks import TASKS
from outgrow.errors import DataError

HEADERS = {".csv": 1, ".tsv": 1, ".jsonl": 0, ".ndjson": 0}
"""Lines of a file that are no rows."""


def require_rows(task: TaskSection) -> None:
    """Raise `DataError` where weak + strong + test are more than all rows of a set."""
    sets: dict[str, SetSection] = dict(task.capabilities) or {"": task}
    for name, sizes in task.sizes_by_capability.items():
        section = sets[name]
        if section.path is not None and section.name not in TASKS:
            with speaking_of(name):
                _require_rows_in(section.path, sizes)


def _require_rows_in(path: Path, sizes: Sizes) -> None:
    counts = [rows_at_most(file) for file in (data_files(path) if path.is_dir() else [path])]
    have, wanted = sum(count or 0 for count in counts), sizes.weak + sizes.strong + sizes.test
    if None not in counts and have < wanted:
        raise DataError(
            f"{path} has {have} rows at most, and task.sizes asks for weak {sizes.weak} + strong {sizes.strong} + test"
            f" {sizes.test} = {wanted}: lower task.sizes"
        )


def rows_at_most(path: Path) -> int | None:
    """No more rows than this are in a file; None where that cannot be told from outside."""
    gzipped = path.suffix.lower() == ".gz"
    suffix = (Path(path.stem) if gzipped else path).suffix.lower()
    if suffix == ".parquet":
        try:
            return int(pq.read_metadata(path).num_rows)
        except (OSError, pa.ArrowException):  # whoever reads it says what is wrong with it
            return None
    if suffix not in HEADERS:
        return None
    raw = read_bytes(path, gzipped)
    lines = raw.count(b"\n") + (bool(raw) and not raw.endswith(b"\n"))
    return max(0, lines - HEADERS[suffix])
