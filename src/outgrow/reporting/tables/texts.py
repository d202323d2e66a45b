"""The tables that only a study of texts has; tables 3 and 5 of paper 1 among them."""

from collections.abc import Sequence

from outgrow.metrics.estimate import Estimate
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.results import Results, RowResult
from outgrow.reporting.tables.of_results import INTERVALS, NOT_TOLD, results_table


def models(results: Results) -> Table:
    """The student, whose score is the ceiling, and the supervisors."""
    columns = [
        Column("row", ""),
        Column("model", "model"),
        Column("adapt", "trained"),
        Column("weights", "weights (millions)", digits=0),
        Column("score", results.about.metric_title),
    ]
    lines = []
    for row in (*results.of("ceiling"), *results.of("floor")) if results.about.of_texts else ():
        if row.name not in results.about.models:  # a file of texts
            continue
        model = results.about.models[row.name]
        millions = NOT_TOLD if model.weights is None else model.weights / 1e6
        lines.append(Line((row.name, model.name, model.adapt, millions, row.score)))
    return results_table(results, "models", "The models", INTERVALS, columns, lines)


def preferences(results: Results) -> Table:
    """Students before and after they were tuned on preferences, under every seed and on average."""
    metric = results.about.metric_title
    columns = [Column("row", "")]
    for number, title in enumerate([*(f"seed {seed}" for seed in results.about.seeds), "average"]):
        columns += [Column(f"score_{number}", metric, title), Column(f"pgr_{number}", "PGR", title)]
    pairs = [(results.named(row.before), row) for row in results.of("method") if row.before]
    lines = [
        Line((row.name, *_by_seed(row)), f"{before.name}, before and after preference training")
        for before, after in pairs
        for row in (before, after)
    ]
    return results_table(results, "preferences", "What preference training adds", INTERVALS, columns, lines)


def _by_seed(row: RowResult) -> list[Estimate | None]:
    seeds = zip((*row.per_seed, row.score), (*row.pgr_per_seed, row.pgr), strict=True)
    return [cell for pair in seeds for cell in pair]


def measures(results: Results) -> Table:
    """Every row under every further measure; the untouched student is what capability is to be kept of."""
    names, judges = results.about.measures, list(dict.fromkeys(name for row in results.rows for name in row.rated))
    columns = [Column(f"measure_{name}", name) for name in names]
    columns += [Column(f"rated_{name}", f"rated by {name}") for name in judges]
    lines = [
        _beside_score(row, [*(row.measures[name] for name in names), *(_rated(row, name) for name in judges)])
        for row in (results.rows if names else ())
    ]
    scales = "; ".join(f"{name}: {low:g} to {high:g}" for name, (low, high) in results.about.scales.items())
    rated = RATED if judges else ""
    caption = f"{scales + '. ' if scales else ''}{rated}{INTERVALS}"
    return _table_beside_score(results, "measures", "Further measures of the answers", caption, columns, lines)


RATED = "Rated: to so many of the row's answers the judge gave a rating; its means are of these alone. "


def _rated(row: RowResult, judge: str) -> str | None:
    return str(row.rated[judge].answers) if judge in row.rated else None


def capability_tables(results: Results) -> tuple[Table, Table]:
    """Of a mixture: scores, and PGR, in every capability by itself."""
    return _capabilities(results), _pgr_by_capability(results)


def _capabilities(results: Results) -> Table:
    """Every row, in each capability's own metric."""
    columns = [
        Column(f"score_{name}", name, metric, best="high") for name, metric in results.about.capabilities.items()
    ]
    lines = [
        _beside_score(row, [one.score for one in row.capabilities.values()])
        for row in results.rows
        if row.capabilities
    ]
    caption = f"Macro average: the mean over the capabilities. Bold: the highest of the methods. {INTERVALS}"
    return _table_beside_score(results, "capabilities", "Every capability by itself", caption, columns, lines)


def _pgr_by_capability(results: Results) -> Table:
    columns = [Column("row", ""), Column("pgr", "macro average", "PGR")]
    columns += [Column(f"pgr_{name}", name, "PGR", best="high") for name in results.about.capabilities]
    lines = [
        Line((row.name, row.pgr, *(one.pgr for one in row.capabilities.values())))
        for row in results.of("method")
        if row.capabilities
    ]
    caption = (
        "Undefined where the interval of ceiling − supervisor does not lie above zero; of few items it seldom does."
        f" {INTERVALS}"
    )
    return results_table(results, "pgr_by_capability", "PGR in every capability", caption, columns, lines)


def _beside_score(row: RowResult, cells: Sequence[Cell]) -> Line:
    return Line((row.name, row.score, *cells), ranked=row.role == "method" and not row.oracle)


def _table_beside_score(
    results: Results, name: str, title: str, caption: str, columns: Sequence[Column], lines: Sequence[Line]
) -> Table:
    """A table in which further columns stand beside every row's score."""
    first = [Column("row", ""), Column("score", results.about.metric_title)]
    return results_table(results, name, title, caption, [*first, *columns], lines)


UNREADABLE = (
    "Unreadable: the text is no JSON object where slots are asked for (and counts as one without slots), has no final"
    " answer, or is none of the options; a share of the items of which that can be told. "
)


def texts(results: Results) -> Table:
    """What the texts of every row are like; a column that no row has anything in is left out."""
    rows = [row for row in results.rows if row.texts is not None]
    looks = [row.texts for row in rows if row.texts is not None]
    names = results.about.capabilities
    whole = Column("unreadable", "all", "unreadable") if names else Column("unreadable", "unreadable")
    found: list[tuple[Column, list[Estimate | None]]] = [
        (Column("span_f1", "span F1"), [look.span_f1 for look in looks]),
        (Column("empty", "empty"), [look.empty for look in looks]),
        (Column("cut_off", "cut off"), [look.cut_off for look in looks]),
        (whole, [look.unreadable for look in looks]),
    ]
    for name in names:
        apart = Column(f"unreadable_{name}", name, whole.group)
        found.append((apart, [look.unreadable_by.get(name) for look in looks]))
    there = [(column, cells) for column, cells in found if any(cell is not None for cell in cells)]
    lines = [_beside_score(row, [cells[number] for _, cells in there]) for number, row in enumerate(rows)]
    said = {column.key for column, _ in there}
    caption = (
        f"{'Span F1 asks for equal fillers. ' * ('span_f1' in said)}Shares of the test items; cut off: the text had no"
        f" end when it became too long. {UNREADABLE * ('unreadable' in said)}{INTERVALS}"
    )
    return _table_beside_score(results, "texts", "What the answers look like", caption, [c for c, _ in there], lines)


def spending(results: Results) -> Table:
    """Tokens and money, by model behind a server."""
    columns = [
        Column("model", "model"),
        Column("url", "address"),
        Column("read", "tokens read", digits=0),
        Column("written", "tokens written", digits=0),
        Column("trained", "tokens trained on", digits=0),
        Column("money", "money", digits=4),
    ]
    lines = [
        Line((one.model, one.url, float(one.read), float(one.written), float(one.trained), one.money))
        for one in results.spent
    ]
    caption = "All answers that this study uses, whenever they were bought; money by its `prices`."
    return results_table(results, "spending", "What models behind servers took", caption, columns, lines)


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
