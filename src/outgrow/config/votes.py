"""Votes in a file: the roles of its columns, and a source of a file as a supervisor of a study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from outgrow.config.section import Section, complaint

Name = str | None


def _listed(value: Any) -> Any:
    """`ignore=notes` on the command line is a list of one; a number in a list of names is a name."""
    values = value if isinstance(value, list | tuple) else None if value is None else [value]
    return None if values is None else [str(entry) for entry in values]


def _joined(value: Any) -> Any:
    """`item=question,turn` names an item by two columns."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _conditions(value: Any) -> Any:
    """`where=A=x,y,B=z` selects rows with x or y in A and z in B."""
    if isinstance(value, Mapping) or value is None:
        return value or {}
    where: dict[str, list[str]] = {}
    for part in map(str, value if isinstance(value, list | tuple) else [value]):
        name, equals, cell = part.partition("=")
        if equals:
            where.setdefault(name.strip(), []).append(cell.strip())
        elif where:
            where[list(where)[-1]].append(part.strip())
        else:
            raise complaint("a condition is written COLUMN=VALUE, such as `where=status=submitted`")
    return where


def _repeats(value: Any) -> Any:
    """`mean` is an older name of `average`."""
    return "average" if value == "mean" else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
OlderName = BeforeValidator(_repeats)
Conditions = Annotated[Mapping[str, Names], BeforeValidator(_conditions)]
Joined = Annotated[Name, BeforeValidator(_joined)]


class VoteColumns(Section):
    """Names of columns. A column that is not given is found by its usual name (`readers/column_roles.py`).

    In exports of labelling platforms `label` names the question whose answers are read.
    """

    item: Joined = None
    """The item's id; several columns that form it together are separated by commas (`question_id,turn`)."""
    source: Name = None
    """The source of the vote."""
    group: Name = None
    """The group of the source: sources of one group, such as the prompts of one judge, count together as one source
    with the average of their votes on an item."""
    label: Name = None
    """The class of the vote."""
    probability: Name | tuple[str, ...] = None
    """A column of distributions (lists, or mappings from class to probability), or one column for every class."""
    confidence: Name = None
    """Probability, 0 to 1, of the class voted for; the other classes share the rest evenly."""
    seconds: Name = None
    """Time of the vote."""
    price: Name = None
    """Cost of the vote."""
    gold: Name = None
    """The item's true class, empty where it is not known."""
    votes: Names | None = None
    """Of a wide table: the columns with votes, one per source. By default all columns without another role."""
    ignore: Names = ()
    """Columns that are ignored."""
    drop: Names = ()
    """Sources whose votes are left out."""
    where: Conditions = {}
    """Only rows in which a column has one of these values: `where: {AssignmentStatus: Approved}`, on the command line
    `where=AssignmentStatus=Approved`; several conditions and several values are separated by commas."""
    one_source: Name = None
    """The name of the source of all votes, if the file has no column of sources."""
    repeats: Annotated[Literal["first", "last", "average", "all"] | None, OlderName] = None
    """Which vote counts if a source has several on one item: that of the first or last row, their average as one soft
    vote, or all, each repeat as a source of its own (`gpt#1`, `gpt#2`) in the group of the repeated source. By default
    equal votes count once, and different votes are an error."""
    scale: Literal["auto", "nominal"] = "auto"
    """`nominal`: labels are names of classes, also if they look like scores, dates or free answers."""
    join_classes: bool = False
    """Labels, gold and classes of distributions that differ only in case or white space are one class, with the
    spelling in `classes` or the most frequent one. By default such labels are an error, unless `classes` has all
    spellings."""
    abstain: Names | None = None
    """Labels that mean "no vote". Empty cells are never votes. Default: `-1` in a matrix, no label in other
    layouts."""
    layout: str = "auto"
    """`long`: one row per vote; `wide`: one row per item with a column per source; `matrix`: the same with class
    numbers only; `respondents`: one row per source with a column per item; `one_column_per_class`: one row per vote
    with a column of marks for each class; or the name of a platform. `auto`: by the columns."""
    header: Names | None = None
    """Names of all columns, for a CSV or TSV file without a header."""
    delimiter: str | None = None
    """The separator of cells; by default a comma, or the one in the header (`;`, tab)."""


AS_NAMED = VoteColumns()
"""All columns are found by their usual names."""


class VotesSection(Section):
    """Votes in a file; *generate*: texts in a file."""

    type: Literal["votes"] = "votes"
    votes: Path
    """The file, relative to the folder of the YAML file: CSV, TSV, JSON lines, JSON, Parquet, Arrow or `.npy`."""
    source: str | None = None
    """The source in the file; default: the name of this supervisor."""
    columns: VoteColumns = VoteColumns()
    """The roles of columns without a usual name. Ids of items are those of the task."""
    renormalise: bool = False
    """Scale probabilities that do not sum to 1; by default they are an error."""
