"""A table with a row per item and question, and a column per annotator.

    item_id,field,ann@x.org,bo@x.org,authoritative_annotator,annotated_at

`field` names the question; of several, `label` picks one. The columns of the other names are not votes.
"""

from outgrow.config.votes import VoteColumns
from outgrow.readers.categorical import categorical
from outgrow.readers.platforms.export import Export, Platform, given_or, has, one_question
from outgrow.readers.source_table import SourceTable

ITEM, FIELD, AUTHORITY, WHEN = "item_id", "field", "authoritative_annotator", "annotated_at"


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    asked = categorical(table.column(FIELD), f"{table.origin}, column `{FIELD}`").names
    question = one_question(table.origin, asked, columns.label, none=f"column `{FIELD}` is empty")
    people = tuple(name for name in table.columns if name not in (ITEM, FIELD, AUTHORITY, WHEN, *columns.ignore))
    found = given_or(columns, item=ITEM, votes=people).model_copy(
        update={"label": None, "where": {**columns.where, FIELD: (question,)}}
    )
    return Export(table, found, f"a table with a column per annotator, question `{question}`")


ANNOTATOR_PIVOT = Platform(
    "annotator_pivot", "a table with a column per annotator", lambda table: has(table, ITEM, FIELD, AUTHORITY), _read
)
