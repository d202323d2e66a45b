"""Votes that lie in a file: which column holds what, and a file's source as a supervisor of a study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from outgrow.config.section import Section

Name = str | None


def _listed(value: Any) -> Any:
    """`ignore=notes` on the command line means the list of one; a number that YAML sees in a name is a name."""
    values = value if isinstance(value, list | tuple) else None if value is None else [value]
    return None if values is None else [str(one) for one in values]


def _joined(value: Any) -> Any:
    """`item=question,turn` names an item by two columns."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Joined = Annotated[Name, BeforeValidator(_joined)]


class VoteColumns(Section):
    """Names of columns; what is not given is found by its name in the header (`readers/column_roles.py`).

    In exports of Label Studio and Argilla `label` names the question whose answers are read.
    """

    item: Joined = None
    """What was voted on; several columns that name it together are separated by commas (`question_id,turn`)."""
    source: Name = None
    """Who voted."""
    label: Name = None
    """The class voted for."""
    probability: Name | tuple[str, ...] = None
    """A column of distributions (lists, or mappings from class to probability), or one column for every class."""
    confidence: Name = None
    """Probability, 0 to 1, of the class voted for; the other classes share the rest evenly."""
    seconds: Name = None
    """What the vote took."""
    price: Name = None
    """What the vote cost."""
    gold: Name = None
    """The item's true class, empty where it is not known."""
    votes: Names | None = None
    """Of a wide table: the columns that hold votes, each a source. By default all that have no other part."""
    ignore: Names = ()
    """Columns that are not looked at."""
    where: Mapping[str, Names] = {}
    """Only rows in which a column has one of these values: `where: {AssignmentStatus: Approved}`."""
    one_source: Name = None
    """The name of the source whose votes the whole file holds, where no column says whose they are."""
    repeats: Literal["first", "last", "mean"] | None = None
    """Which vote counts where a source has several on one item: that of the first or last row, or their mean as a soft
    vote. By default equal ones count once, and others are an error."""
    scale: Literal["auto", "nominal"] = "auto"
    """`nominal`: labels are names of classes, also where they look like scores, dates or free answers."""
    join_classes: bool = False
    """Labels, gold and classes of distributions that differ only in case or white space are one class, under the
    spelling among the classes given or the most frequent one; by default such labels are an error unless all classes
    are given."""
    abstain: Names | None = None
    """Labels that mean "no vote". Empty cells always do; by default `-1` of a matrix does, nothing else."""
    layout: Literal["auto", "long", "wide", "matrix"] = "auto"
    """One row per vote; one row per item with a column per source; the same with class numbers only."""
    header: Names | None = None
    """Names of all columns, where the first line of a CSV or TSV file is data already."""
    delimiter: str | None = None
    """What separates the cells; by default the comma, or what the header shows (`;`, tab)."""


AS_NAMED = VoteColumns()
"""Everything is found by the header's names."""


class VotesSection(Section):
    """Votes of a file for classes, or *generate*: texts of a file."""

    type: Literal["votes"] = "votes"
    votes: Path
    """The file, seen from the folder of the YAML file: CSV, TSV, JSON lines, JSON, Parquet, Arrow or `.npy`."""
    source: str | None = None
    """Whose answers of the file they are; default: the name of this section."""
    columns: VoteColumns = VoteColumns()
    """Which columns hold what, where their names do not say it. Items are named as the task's are."""
    renormalise: bool = False
    """Scale probabilities that do not sum to 1; by default they are an error."""
