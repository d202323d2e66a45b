"""The tables that only a study of texts has; tables 3 and 5 of paper 1 among them."""

from outgrow.metrics.estimate import Estimate
from outgrow.report.results import Results, RowResult
from outgrow.report.results_table import INTERVALS, results_table
from outgrow.report.table import Column, Line, Table


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
        model = results.about.models[row.name]
        millions = None if model.weights is None else model.weights / 1e6
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
    names = results.about.measures
    columns = [Column("row", ""), Column("score", results.about.metric_title)]
    columns += [Column(f"measure_{name}", name) for name in names]
    rows = results.rows if names else ()
    lines = [Line((row.name, row.score, *(row.measures[name] for name in names))) for row in rows]
    scales = "; ".join(f"{name}: {low:g} to {high:g}" for name, (low, high) in results.about.scales.items())
    caption = f"{scales + '. ' if scales else ''}{INTERVALS}"
    return results_table(results, "measures", "Further measures of the answers", caption, columns, lines)


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
