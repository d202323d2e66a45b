"""Whether a task has as many items as a study asks for, checked before the first step, for all parts and sets.

Items are counted by reading them, which takes up to a few seconds; that is spared where a study asks for clearly fewer
than there are. A file of lines has no more rows than lines, Parquet counts its rows itself, and the sizes of
bundled sets are known. Sets on the hub and large files are not read here: their `pool` step reports a lack.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.config.task import SetSection, Sizes, TaskSection
from outgrow.data.data_identity import set_identity
from outgrow.data.data_source import source_of
from outgrow.data.load_task import formed, read_set
from outgrow.data.pool import ALL_THREE, with_gold
from outgrow.data.task_kind import capability_errors
from outgrow.data.tasks import TASKS
from outgrow.errors import DataError, OutgrowError
from outgrow.readers.open_table import data_files
from outgrow.readers.raw_file import read_bytes

HEADERS = {".csv": 1, ".tsv": 1, ".jsonl": 0, ".ndjson": 0}
"""Lines of a file that are no rows."""
CLEARLY = 0.5
"""A study that asks for this share of the rows at most is not in doubt: fewer are copies, or have no label."""
AT_ONCE, READ_AT_MOST = 1 << 20, 16 << 20
"""Bytes of files that are always read to count their items, and of those that are read where there is doubt."""
PUBLISHED = {
    "mmlu": (15_709, 0),
    "mmlu_topic": (13_640, 0),
    "openbookqa": (5380, 500),
    "arc_easy": (2793, 2365),
    "arc_challenge": (1401, 1165),
    "commonsense_qa": (9741, 1221),
    "piqa": (15_521, 1838),
    "social_iqa": (33_221, 1930),
    "winogrande": (40_227, 1267),
    "boolq": (7626, 3270),
    "sciq": (1000, 0),
    "errands": (2000, 1000),
    "tales": (2000, 1000),
    "sums": (2000, 1000),
}
"""Train and test items, about, of the sets that need no network."""


def size_complaints(task: TaskSection) -> Iterator[str]:
    """What is missing: a sentence per set and part."""
    sets: dict[str, SetSection] = dict(task.capabilities) or {"": task}
    for name, sizes in task.sizes_by_capability.items():
        for sentence in _lacking(sets[name], sizes, task.split_seed):
            yield _with_capability(name, sentence)


def _lacking(section: SetSection, sizes: Sizes, seed: int) -> list[str]:
    """Of one set; what is wrong with its files is reported too, if they have to be read."""
    required = {part: size if isinstance(size, int) else 1 for part, size in dict(sizes).items()}
    try:
        most = _items_at_most(section)
        half = None if most is None else {part: int(CLEARLY * count) for part, count in most.items()}
        if half is not None and not any(_beyond(required, half)) and not _is_small(section, AT_ONCE):
            return []
        if _is_small(section, READ_AT_MOST):
            most = _usable(section.model_dump_json(include=set(SetSection.model_fields)), set_identity(section), seed)
    except OutgrowError as error:
        return str(error).split("\n")
    if most is None:
        return []
    # The same as when the items are drawn, for a set without published test items.
    open_ended = set(sizes.counts.values()) == {None} and not most.get("test")
    return [ALL_THREE] if open_ended else [f"{_name(section)} has {sentence}" for sentence in _beyond(required, most)]


def _beyond(required: Mapping[str, int], have: Mapping[str, int]) -> Iterator[str]:
    """By the parts that the items have: those of some parts alone, and those of which the others are drawn."""
    own = [part for part in required if have.get(part)]
    drawn = {part: size for part, size in required.items() if part not in own}
    for kind, sizes in {"train": drawn, **{part: {part: required[part]} for part in own}}.items():
        n_available, total = have.get(kind, 0), sum(sizes.values())
        if total > n_available:
            asked = " + ".join(f"{part} {size}" for part, size in sizes.items())
            asked += f" = {total}" if len(sizes) > 1 else ""
            available = f"usable {kind} items" if own else "usable items"
            yield f"{n_available} {available} at most, and {asked} are asked for; lower {_keys(sizes)}"


def _keys(sizes: Mapping[str, int]) -> str:
    return " or ".join(f"task.sizes.{part}" for part in sizes)


def _name(section: SetSection) -> str:
    return ", ".join(map(str, section.places.values())) or f"`{section.name}`"


def _with_capability(capability: str, sentence: str) -> str:
    try:
        with capability_errors(capability):
            raise DataError(sentence)
    except DataError as error:
        return str(error)


@cache
def _usable(section: str, identity: str, seed: int) -> Counter[str]:
    """Items with gold by part; `section` is JSON, and `identity` that of its data."""
    set_section = SetSection.model_validate_json(section)
    return Counter(with_gold(formed(read_set(set_section), set_section, seed)).items.parts)


def _is_small(section: SetSection, most: int) -> bool:
    """Of files; what is bundled is small where there is doubt."""
    source = source_of(section)
    if source != "files":
        return source == "bundled" and most == READ_AT_MOST
    return sum(file.stat().st_size for path in section.places.values() for file in _files(path)) <= most


def _files(path: Path) -> list[Path]:
    return data_files(path) if path.is_dir() else [path]


def _items_at_most(section: SetSection) -> dict[str, int] | None:
    """By part, as far as that is known without reading; else `None`."""
    if source_of(section) == "bundled":
        published_counts = PUBLISHED.get(section.name)
        return None if published_counts is None else dict(zip(("train", "test"), published_counts, strict=True))
    if section.path is None or section.name in TASKS:
        return None
    parts = {part: [rows_at_most(file) for file in _files(path)] for part, path in section.places.items()}
    if any(None in counts for counts in parts.values()):
        return None
    return {part or "train": sum(count or 0 for count in counts) for part, counts in parts.items()}


def rows_at_most(path: Path) -> int | None:
    """No more rows than this are in a file; None where only reading would show it."""
    gzipped = path.suffix.lower() == ".gz"
    suffix = (Path(path.stem) if gzipped else path).suffix.lower()
    if suffix == ".parquet":
        try:
            return int(pq.read_metadata(path).num_rows)
        except (OSError, pa.ArrowException):  # its reader reports what is wrong
            return None
    if suffix not in HEADERS:
        return None
    raw = read_bytes(path, gzipped)
    lines = raw.count(b"\n") + (bool(raw) and not raw.endswith(b"\n"))
    return max(0, lines - HEADERS[suffix])
