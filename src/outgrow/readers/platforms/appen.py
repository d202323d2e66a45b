"""Full reports of Appen (CrowdFlower, Figure Eight): a CSV file with a row per judgment.

    _unit_id,_golden,_trust,_worker_id,_tainted,text,sentiment,sentiment_gold,…

A question is a column with a partner `…_gold`, which has the gold of test questions. Judgments of workers who failed
the test questions (`_tainted`) do not count. Gold with several accepted answers, a line for each, is unknown. An
aggregated report (`sentiment:confidence`, a row per unit) has no workers and is refused.
"""

from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.platforms.export import Export, Platform, given_or, has, one_question, with_columns
from outgrow.readers.platforms.mturk import counted_states
from outgrow.readers.source_table import SourceTable
from outgrow.text_format import many

UNIT, WORKER, TAINTED, GOLD, CONFIDENCE = "_unit_id", "_worker_id", "_tainted", "_gold", ":confidence"


def _read(table: SourceTable, columns: VoteColumns) -> Export:
    if WORKER not in table.columns:
        raise _aggregated(table)
    label = columns.label
    if label not in table.columns:
        questions = [name for name in table.columns if name + GOLD in table.columns]
        none = "no column has a partner `…_gold`, so the question is unknown; name it, `label=…`"
        label = one_question(table.origin, questions, label, none=none)
    gold, notes = None, tuple[str, ...]()
    if columns.gold is None and label + GOLD in table.columns and label + GOLD not in columns.ignore:
        gold = label + GOLD
        table, notes = _single_gold(table, gold)
    where, note = counted_states(table, columns, TAINTED, ("false",), "true")
    found = given_or(columns, item=UNIT, source=WORKER, gold=gold, where=where)
    texts = {
        name: name
        for name in table.columns
        if not name.startswith(("_", "orig_")) and name != label and not name.endswith((GOLD, "_gold_reason"))
    }
    return Export(table, found.model_copy(update={"label": label}), "a full report of Appen", texts, (*note, *notes))


def _single_gold(table: SourceTable, gold: str) -> tuple[SourceTable, tuple[str, ...]]:
    """The table without gold of several accepted answers, with a note on their number."""
    cells: list[Any] = table.column(gold).to_pylist()
    several = [isinstance(cell, str) and "\n" in cell.strip() for cell in cells]
    if not any(several):
        return table, ()
    values = [None if many_answers else cell for cell, many_answers in zip(cells, several, strict=True)]
    note = f"Gold with several accepted answers is unknown: {many(sum(several), 'row')}."
    return with_columns(table, **{gold: values}), (note,)


def _aggregated(table: SourceTable) -> ConfigError | DataError:
    label = next((name.removesuffix(CONFIDENCE) for name in table.columns if name.endswith(CONFIDENCE)), None)
    if label is None:
        return DataError(f"{table.origin}: a report of Appen without workers (`_worker_id`); export the full report")
    return ConfigError(
        f"{table.origin}: an aggregated report of Appen, with one answer for each unit; export the full report, or"
        f" read the answers as the votes of one source by `layout=long item={UNIT} label={label}"
        f" confidence={label}{CONFIDENCE} one_source=appen`"
    )


APPEN = Platform(
    "appen",
    "a report of Appen",
    lambda table: (
        has(table, UNIT) and (has(table, WORKER) or any(name.endswith(CONFIDENCE) for name in table.columns))
    ),
    _read,
)
