"""`layout=one_column_per_class`: a row per vote, and a column of marks or probabilities for each class.

    user,instance,positive,negative
    ada,7,true,

The columns of the classes are those of `probability`, else all without another role. A row without a mark is no vote.
"""

from outgrow.config.votes import VoteColumns
from outgrow.readers.column_roles import RUNNING_TEXT, find, plain
from outgrow.readers.platforms.export import Export, Platform
from outgrow.readers.source_table import SourceTable


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    free = [name for name in table.columns if name and name not in columns.ignore]
    taken = {find(part, table, columns, free) for part in ("item", "source", "seconds", "price", "gold")}
    classes = columns.probability or tuple(
        name for name in free if name not in taken and name not in columns.where and plain(name) not in RUNNING_TEXT
    )
    found = columns.model_copy(update={"layout": "long", "probability": classes})
    return Export(table, found, "a table with a column for each class")


ONE_COLUMN_PER_CLASS = Platform(
    "one_column_per_class", "a table with a column for each class", lambda table: False, _read, by_name=True
)
