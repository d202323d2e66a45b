"""The tables that only a study of texts has."""

from outgrow.report.results import Results
from outgrow.report.results_table import INTERVALS, results_table
from outgrow.report.table import Column, Line, Table


def texts(results: Results) -> Table:
    """What the texts of every row are like."""
    rows = [(row, row.texts) for row in results.rows if row.texts is not None]
    columns = [Column("row", ""), Column("score", results.about.metric_title)]
    slots = any(look.span_f1 is not None for _, look in rows)
    if slots:
        columns += [Column("span_f1", "span F1"), Column("invalid", "no valid JSON")]
    columns += [Column("empty", "empty"), Column("cut_off", "cut off")]
    lines = [
        Line((row.name, row.score, *([look.span_f1, look.invalid] if slots else []), look.empty, look.cut_off))
        for row, look in rows
    ]
    words = "Span F1 asks for equal fillers. An answer that is no JSON object counts as one without slots. " * slots
    caption = f"{words}Shares of the test items; cut off: the text had no end when it became too long. {INTERVALS}"
    return results_table(results, "texts", "What the answers look like", caption, columns, lines)


def slot_types(results: Results) -> Table:
    """SLU-F1 of every slot type for the rows that matter most."""
    rows = list(results.slot_types[0].f1) if results.slot_types else []
    columns = [
        Column("type", "slot type"),
        Column("items", "items"),
        *(Column(f"f1_{name}", name, "SLU-F1") for name in rows),
    ]
    lines = [Line((one.type, one.items, *one.f1.values())) for one in results.slot_types]
    caption = f"Items: different test items whose gold has a slot of the type. {INTERVALS}"
    return results_table(results, "slot_types", "SLU-F1 by slot type", caption, columns, lines)
