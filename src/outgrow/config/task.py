"""The section `task` of a file: where the items come from, and how many each part gets."""

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
    """`all`, or a value that can be read as an integer."""
    if isinstance(value, str) and value != ALL and not value.strip().isdigit():
        raise complaint(f"write a number of items, or `all`, not {short(repr(value))}")
    return value


Amount = Annotated[Count | Literal["all"], BeforeValidator(_amount)]


class Sizes(Section):
    """How many items each part of the study gets: a number, or `all` for all items that the other parts do not use.

    `sizes: all` sets all three: half of the training items for each half, and all published test items.
    """

    half_a: Amount = 500
    """Items with gold that the supervisors learn from (half A)."""
    half_b: Amount = 1000
    """Items that the supervisors label and the student learns from (half B). The ceiling learns their gold."""
    test: Amount = 1000
    """Items on which all models are measured; no choice uses them. `all`: the published test items. Without published
    test items: all items that `half_a` and `half_b`, which must be numbers, do not use."""

    @model_validator(mode="before")
    @classmethod
    def _all_three(cls, value: Any) -> Any:
        return dict.fromkeys(PARTS, ALL) if value == ALL else value

    @property
    def counts(self) -> dict[str, int | None]:
        """By part the number of items, `None` for `all`."""
        return {part: None if (size := getattr(self, part)) == ALL else size for part in PARTS}


class Columns(Section):
    """The roles of the columns of your own file."""

    id: str | None = None
    """Unique id of an item; by default the number of its row, from 0."""
    text: str | None = None
    """The prompt, or several columns in a template such as `{title}: {body}`. Default: `text`; for *generate*
    `prompt`."""
    label: str | None = None
    """Gold: a class name or number (*classify*); the option's number, letter or text (*choose*); the text to write
    (*generate*). Empty: unknown. Default: `label`; for *generate* `completion`."""
    options: str | list[str] | None = None
    """*choose*: one column with a list, or one column per option. A file with the columns `chosen` and `rejected`
    needs none: these are the options, and the chosen one is right."""
    key: str | None = None
    """*generate*: the answer without its form, with which `measures` of content compare; default: the whole label."""
    part: str | None = None
    """A column that says which part of the study a row is for: `weak` (half A), `strong` (half B), `test`, or `train`
    (half A or half B, as they are drawn); any of these may be missing. By default all parts are drawn from all rows.
    Where no row of `strong` has a label, the study has no ceiling."""
    group: str | None = None
    """A column whose value is the same for items that belong together (of one passage, author, patient). They are
    never in two parts of a study. An empty cell: the item is a group by itself."""


class PartFiles(Section):
    """A file, or a folder of files, for each part of a study. No item is in two parts."""

    weak: Path
    """Half A: items with gold that the supervisors learn from."""
    strong: Path
    """Half B: items that the supervisors label and the student learns from. They need no gold: without a label in any
    row the study has no ceiling and no performance gap recovered."""
    test: Path
    """The test items, with gold."""

    @property
    def by_part(self) -> dict[str, Path]:
        """By the part's name in `sizes`."""
        return dict(zip(PARTS, (self.weak, self.strong, self.test), strict=True))


class SetSection(Section):
    """One data set: its items and the question about them."""

    name: str
    """A task that outgrow knows (`outgrow data ls`), or your own name for the data in `path`."""
    source: Literal["auto", "bundled", "hub", "files"] = "auto"
    """Where the data comes from. `auto`: `path` if it is given, else the bundled wheel, else the hub."""
    path: Path | PartFiles | None = None
    """A file or folder: your own data, or the published files of a known task. Or, for your own data, a file for each
    part: `{weak: a.csv, strong: b.csv, test: c.csv}`; by default all of their items are used (`sizes: all`)."""
    revision: str | None = None
    """The hub revision of the data set."""
    kind: Literal["classify", "choose", "generate"] | None = None
    """For your own data; by default *choose* if `columns.options` is given, else *classify*."""
    metric: TextMetric | None = None
    """*generate*: compares answers with gold; by default the known task's metric, for your own data `exact_match`."""
    template: str | None = None
    """*generate*: the instruction around an item's text. It contains `{text}`, for slots also `{types}` (the list of
    types in the data), and for `form: text` also `{options}`. Default: the known task's template; for your own data
    `{text}`."""
    answer: str | None = None
    """*generate*: a template around every gold text, such as `Arr, {text} it be!`. `measures` still compare answers
    with the text without it."""
    columns: Columns = Columns()
    """The roles of the columns of your own file."""
    classes: list[str] | None = None
    """For your own data: the class names in order; by default the sorted labels of the file."""
    join_classes: bool = False
    """For your own data: labels that differ only in case or white space are one class, with the spelling in `classes`
    or the most frequent one. By default such labels are an error."""
    form: Literal["native", "binary", "pairs", "text"] = "native"
    """`binary`: is one candidate answer of a multiple choice correct? Half of the candidates are. `pairs`: the right
    option and a wrong one drawn at random, as a preference between two texts. `text`: the prompt lists the options or
    classes, and the answer is a text, so that *choose* and *classify* become *generate*."""

    @property
    def places(self) -> dict[str, Path]:
        """By part, the files of `path`; of a path for all parts, under an empty name."""
        if self.path is None:
            return {}
        return self.path.by_part if isinstance(self.path, PartFiles) else {"": self.path}

    @model_validator(mode="before")
    @classmethod
    def _all_of_own_parts(cls, value: Any) -> Any:
        own = isinstance(value, dict) and isinstance(value.get("path"), dict | PartFiles)
        sizes = value.get("sizes", {}) if own and "sizes" in cls.model_fields else None
        return {**value, "sizes": {**dict.fromkeys(PARTS, ALL), **sizes}} if isinstance(sizes, dict) else value


class OwnSizes(Section):
    """How many items one capability gets; by default the task's `sizes`."""

    half_a: Amount | None = None
    """Items that the supervisors learn from."""
    half_b: Amount | None = None
    """Items that the supervisors label."""
    test: Amount | None = None
    """Test items."""

    @model_validator(mode="before")
    @classmethod
    def _all_three(cls, value: Any) -> Any:
        return dict.fromkeys(PARTS, ALL) if value == ALL else value


class Capability(SetSection):
    """One of the data sets of a task with capabilities."""

    form: Literal["text"] = "text"
    """The answers of all capabilities are texts."""
    sizes: OwnSizes = OwnSizes()
    """Sizes of this capability; by default the task's `sizes`."""


class TaskSection(SetSection):
    """The task of a study: one data set or, with `capabilities`, several that one student learns together."""

    sizes: Sizes = Sizes()
    """How many items each part gets."""
    split_seed: Seed = 0
    """Seed of the order in which items are drawn from a larger data set."""
    resplit: bool = True
    """Draw half A, half B (and the test items, if none are published) again for every seed."""
    capabilities: dict[Name, Capability] = {}
    """Several data sets instead of one, each under a name of your choice. `name` is then the name of all together."""

    @property
    def sizes_by_capability(self) -> dict[str, Sizes]:
        """By capability, its sizes; for a task that is one data set, its sizes under an empty name."""
        if not self.capabilities:
            return {"": self.sizes}
        return {
            name: self.sizes.model_copy(update=capability.sizes.model_dump(exclude_none=True))
            for name, capability in self.capabilities.items()
        }
