"""From a `PublishedTask` and a place to a `Task`: the same way for every published data set."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from outgrow.config.task import SetSection
from outgrow.data.data_source import Source, read_bundled, read_hub
from outgrow.data.leak import fingerprint, join_by_passage
from outgrow.data.published_task import PublishedTask, RowShape, TaskExample
from outgrow.data.task import Items, Task
from outgrow.data.task_forms import choose_task
from outgrow.errors import DataError
from outgrow.readers.open_table import data_files, read_table
from outgrow.readers.raw_file import decode, read_bytes, shown
from outgrow.readers.source_table import Row, SourceTable, table_of_rows

SPLIT_WORDS = {
    "train": "train",
    "dev": "validation",
    "devel": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


class PublishedExample(NamedTuple):
    """An example with its place in the published set."""

    split: str
    number: int
    """Counted from 1 within the split, rows without gold included."""
    example: TaskExample
    gold: int


def load_published(known: PublishedTask, source: Source, section: SetSection) -> Task:
    """Read, check and assemble a known task. Raises `DataError` with the place of whatever is wrong."""
    counts: Counter[str] = Counter()
    entries = list(_entries(known, _tables(known, source, section), counts))
    if not entries:
        raise DataError(f"task `{known.name}`: no item with gold in {', '.join(counts) or 'an empty source'}")
    notes = [known.note] if known.note else []
    if counts.total() > len(entries):
        notes.append(
            f"Published rows left out because they have no gold for this task: {counts.total() - len(entries)}."
        )
    parts, pool_note = _parts(known, [entry.split for entry in entries])
    notes += pool_note
    items = _items(known, entries, parts)
    if known.kind == "choose":
        return choose_task(known.name, items, tuple(notes), known.shuffle_options)
    return Task(known.name, known.kind, known.classes, items, tuple(notes), known.metric)


def _entries(
    published: PublishedTask, tables: Iterable[tuple[str, SourceTable]], counts: "Counter[str]"
) -> Iterator[PublishedExample]:
    """The rows with gold; `counts` counts all rows of each split."""
    for split, table in tables:
        for row, example in _examples(published, table):
            counts[split] += 1
            if example is not None:
                yield PublishedExample(split, counts[split], example, _gold(published, example, table.place(row)))


def _items(published: PublishedTask, entries: list[PublishedExample], parts: list[str]) -> Items:
    examples = [entry.example for entry in entries]
    options = [[option.strip() for option in example.options or []] for example in examples]
    groups = [fingerprint(example.group or example.prompt) for example in examples]
    # What outgrow makes is all of a few templates, and no text in it was copied from another one.
    copied = published.made is None
    return Items(
        ids=[f"{entry.split}-{entry.number}" for entry in entries],
        prompts=[example.prompt.strip() for example in examples],
        gold=np.asarray([entry.gold for entry in entries], dtype=np.int64),
        options=options if published.kind == "choose" else None,
        answers=[str(example.gold).strip() for example in examples] if published.kind == "generate" else None,
        parts=parts,
        groups=join_by_passage([example.prompt for example in examples], groups) if copied else groups,
    )


def split_of(path: Path, root: Path) -> str | None:
    """`train`, `validation` or `test`, from the words of a file's name or, failing these, of its folder's."""
    for name in [path.name, *reversed(path.relative_to(root).parent.parts)]:
        for word in re.split(r"[^a-z]+", name.lower()):
            if word in SPLIT_WORDS:
                return SPLIT_WORDS[word]
    return None


def _tables(published: PublishedTask, source: Source, section: SetSection) -> Iterator[tuple[str, SourceTable]]:
    if source == "bundled":
        return read_bundled(published.bundled) if published.made is None else iter(published.made())
    if source == "hub":
        assert published.hub is not None  # `source_of` checks it
        return read_hub(published.hub, published.parts, section.revision)
    return _published_files(published, section.places[""])


def _published_files(published: PublishedTask, path: Path) -> Iterator[tuple[str, SourceTable]]:
    if not path.is_dir():
        yield split_of(path, path.parent) or "train", _read_file(published, path)
        return
    tables = list(_line_tables(published, path)) + [
        (split, _with_name(_read_file(published, file), file, published))
        for file in _candidates(published, path)
        if not any(word in str(file.relative_to(path)) for word in published.ignore)
        and (split := split_of(file, path)) in published.parts
    ]
    if not tables:
        split_names = " or ".join(published.parts)
        raise DataError(
            f"{path}: no file of `{published.name}` here: its name or folder must hold the word {split_names}"
        )
    yield from ((split, table) for split, table in tables if split is not None)


def _read_file(published: PublishedTask, file: Path) -> SourceTable:
    if published.line_pattern is not None and file.suffix == ".txt":
        return _read_lines(file, published.line_pattern)
    return read_table(file, header=published.header)


def _candidates(published: PublishedTask, folder: Path) -> list[Path]:
    return data_files(folder) + ([] if published.line_pattern is None else sorted(folder.rglob("*.txt")))


def _with_name(table: SourceTable, file: Path, published: PublishedTask) -> SourceTable:
    """Files without a header line may hold something (MMLU: the subject) in their name alone."""
    if published.header is None:
        return table
    return table_of_rows(table.origin, [{**row, "file": file.stem} for row in table.rows], table.place)


def _read_lines(path: Path, pattern: str) -> SourceTable:
    """A text file with one item per line, by a regular expression whose named groups are the columns.

    Empty lines are left out. Raises `DataError` for any other line that does not match.
    """
    expression = re.compile(pattern)
    rows, line_numbers = [], []
    for line_number, line in enumerate(decode(read_bytes(path), shown(path)).split("\n"), start=1):
        if line.strip():
            match = expression.fullmatch(line.strip())
            if match is None:
                raise DataError(
                    f"{shown(path)}, line {line_number}: {line.strip()[:60]!r} is not of the form {pattern}"
                )
            rows.append(dict(match.groupdict()))
            line_numbers.append(line_number)
    return table_of_rows(shown(path), rows, lambda row: f"{shown(path)}, line {line_numbers[row]}")


def _line_tables(published: PublishedTask, folder: Path) -> Iterator[tuple[str, SourceTable]]:
    """Parallel files with one value per line."""
    if not published.line_files:
        return
    for first in sorted(folder.glob(next(iter(published.line_files.values())) + ".*")):
        split = SPLIT_WORDS.get(first.suffix[1:])
        if split is None or split not in published.parts:
            continue
        columns = {}
        for column, stem in published.line_files.items():
            path = folder / (stem + first.suffix)
            columns[column] = decode(read_bytes(path), str(path)).rstrip("\n").split("\n")
        if len({len(lines) for lines in columns.values()}) > 1:
            counts = ", ".join(f"{published.line_files[name]} {len(lines)}" for name, lines in columns.items())
            raise DataError(f"{folder}: the files *{first.suffix} differ in their number of lines ({counts})")
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        yield split, _table_of_lines(str(first), rows)


def _table_of_lines(origin: str, rows: list[Row]) -> SourceTable:
    return table_of_rows(origin, rows, lambda row: f"{origin}, line {row + 1}")


def _examples(published: PublishedTask, table: SourceTable) -> Iterator[tuple[int, TaskExample | None]]:
    shape: RowShape | None = None
    for index, row in enumerate(table.rows):
        if shape is None or not row.keys() >= set(shape.keys.split()):
            shape = _shape(published, table, index)
        try:
            if missing := [key for key in shape.keys.split() if row[key] is None]:
                raise ValueError(f"`{missing[0]}` is empty")
            example = shape.read(row)
            if example is not None and not _is_text(example):
                raise TypeError("a question, its passage or an option is not a text")
        except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise DataError(f"{table.place(index)}: not a row of `{published.name}` ({error})") from error
        yield index, example


def _shape(published: PublishedTask, table: SourceTable, index: int) -> RowShape:
    keys = table.rows[index].keys()
    for shape in published.shapes:
        if keys >= set(shape.keys.split()):
            return shape
    forms = "; or ".join(shape.keys.replace(" ", ", ") for shape in published.shapes)
    raise DataError(
        f"{table.place(index)}: not a row of `{published.name}`: it has {', '.join(map(str, keys)) or 'nothing'},"
        f" and needs {forms}"
    )


def _is_text(example: TaskExample) -> bool:
    """Raises `UnicodeEncodeError`, a `ValueError`, for half a character."""
    options = [] if example.options is None else example.options
    gold = [example.gold] if isinstance(example.gold, str) else []
    texts = [example.prompt, example.group or "", *gold, *options]
    return isinstance(options, list) and all(isinstance(text, str) and text.encode() is not None for text in texts)


def _gold(published: PublishedTask, example: TaskExample, where: str) -> int:
    if published.kind == "generate":
        return 0
    if published.kind == "classify" and example.gold in published.classes:
        return published.classes.index(str(example.gold))
    if isinstance(example.gold, int) and 0 <= example.gold < len(example.options or []):
        return example.gold
    allowed = published.classes if published.kind == "classify" else range(len(example.options or []))
    raise DataError(f"{where}: gold {example.gold!r} is not one of {', '.join(map(str, allowed))}")


def _parts(published: PublishedTask, splits: list[str]) -> tuple[list[str], list[str]]:
    """The part of each item; without training or without test items here, all of them make one pool."""
    parts = [published.parts.get(split, "train") for split in splits]
    expected, present = set(published.parts.values()), set(parts)
    if expected == present:
        return list(parts), []
    only = " and ".join(dict.fromkeys(splits))
    note = f"Only published {only} items are here; half A, half B and the test items are all drawn from these."
    return ["train"] * len(parts), [note]
