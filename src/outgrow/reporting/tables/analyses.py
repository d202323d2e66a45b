"""The tables of labels, selections and capabilities. What is measured by capability has a second table for that."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from outgrow.metrics.estimate import Estimate
from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.headline import ceiling_of, plain_naive
from outgrow.reporting.results import Results, RowResult
from outgrow.reporting.results_analyses import WHOLE, CurvePoint
from outgrow.reporting.tables.of_results import INTERVALS, results_table

Measured = TypeVar("Measured")
Found = TypeVar("Found")
NAMED = 3
"""Methods that are named in one cell."""


class AnalysisRow(NamedTuple):
    """A line: the cells that say what it is of, for all or for a capability, and what was measured."""

    first: Callable[[str], tuple[Cell, ...]]
    cells: Callable[[str], tuple[Cell, ...]]


def analysis_tables(results: Results) -> list[Table]:
    """All of them; what the study lacks has no lines."""
    return [
        *transfer(results),
        curves(results),
        *labels(results),
        *selections(results),
        *reward_models(results),
        *consistency(results),
    ]


def named(methods: Sequence[str]) -> str:
    """Some methods, the first ones by name."""
    more = len(methods) - NAMED
    return ", ".join(methods[:NAMED]) + (f" and {more} more" if more > 0 else "")


# ---- in all, and by capability --------------------------------------------------------------------------


def _both(
    results: Results, name: str, title: str, caption: str, columns: Sequence[Column], entries: Sequence[AnalysisRow]
) -> list[Table]:
    """A table of all labels and, of a mixture, one with a block for every capability."""
    capabilities = list(results.about.capabilities)
    macro = "In all: the mean over the capabilities. " if capabilities else ""
    whole = [_line(entry, WHOLE) for entry in entries]
    apart = [line for block in capabilities for line in (_line(entry, block) for entry in entries) if _says(line)]
    return [
        results_table(results, name, title, f"{caption} {macro}{INTERVALS}", columns, whole),
        results_table(
            results, f"{name}_by_capability", f"{title}: by capability", f"{caption} {INTERVALS}", columns, apart
        ),
    ]


def _line(entry: AnalysisRow, block: str) -> Line:
    return Line((*entry.first(block), *entry.cells(block)), block)


def _says(line: Line) -> bool:
    """Whether any number of it is defined."""
    return any(isinstance(cell, Estimate) and cell.defined for cell in line.cells)


def _entry(
    found: Found,
    first: Callable[[Found, str], tuple[Cell, ...]],
    measured: Mapping[str, Measured],
    cells: Callable[[Measured], tuple[Cell, ...]],
) -> AnalysisRow:
    return AnalysisRow(lambda block: first(found, block), lambda block: cells(measured[block]))


def selections(results: Results) -> list[Table]:
    """What was kept of the labels, beside all of them."""
    found = results.analyses.selections
    columns = [
        Column("rows", "row"),
        Column("by", "selected by"),
        Column("labels", "labels", digits=0),
        Column("kept", "kept", digits=0),
        Column("accuracy_kept", "kept", "accuracy"),
        Column("accuracy", "all", "accuracy"),
        Column("difference", "difference", "accuracy", signed=True),
    ]
    texts = results.about.of_texts
    if texts:
        columns += [Column("words_kept", "kept", "words", digits=1), Column("words", "all", "words", digits=1)]
        columns += [Column("distinct_kept", "kept", "distinct texts"), Column("distinct", "all", "distinct texts")]
    seen = any(part.shift is not None for one in found for part in one.measured.values())
    if seen:
        columns += [Column("shift", "measured", "shift"), Column("shift_by_chance", "by chance", "shift")]
    entries = [
        _entry(
            one,
            lambda one, block: (named(one.methods), one.by, *one.sizes[block]),
            one.measured,
            lambda part: (
                *(part.kept, part.everything, part.difference),
                *((part.words_kept, part.words, part.distinct_kept, part.distinct) if texts else ()),
                *((part.shift, part.shift_by_chance) if seen else ()),
            ),
        )
        for one in found
    ]
    caption = (
        "Accuracy: the mean of the metric of the labels against gold, which no selection but the oracle sees; all"
        " labels of the capabilities of which some are kept. Labels and kept: means over the seeds."
        f"{' Distinct texts: a share of what there is; a smaller set repeats itself less.' * texts}"
        f"{SHIFT * seen}"
    )
    return _both(results, "selections", "What the selections keep", caption, columns, entries)


SHIFT = (
    " Shift: the distance of the centre of the kept answers' vectors from the centre of all, in units of their spread,"
    " on the plane of two principal components; beside it what as many random ones would have."
)


def reward_models(results: Results) -> list[Table]:
    """How well reward models tell right labels from wrong ones."""
    columns = [
        Column("rows", "row"),
        Column("positives", "good", "learned from", digits=0),
        Column("negatives", "bad", "learned from", digits=0),
        Column("told_apart", "told apart", "learned from"),
        Column("right", "right labels"),
        Column("reward", "reward", "AUROC against gold"),
        Column("confidence", "confidence", "AUROC against gold"),
        Column("difference", "difference", "AUROC against gold", signed=True),
    ]
    entries = [
        _entry(
            one,
            lambda one, block: (
                named(one.methods),
                one.examples[block].positives,
                one.examples[block].negatives,
                one.examples[block].told_apart,
            ),
            one.measured,
            lambda part: (part.right, part.reward, part.confidence, part.difference),
        )
        for one in results.analyses.rewards
    ]
    caption = (
        "AUROC: the chance that a right label has a higher reward than a wrong one; 0.5 is guessing. A label is right"
        " from a value of the metric of 0.5 on. Confidence: that of the labels' writers. Told apart: AUROC of the"
        " rewards of the reward model's own examples, good ones against bad ones."
    )
    return _both(results, "reward_models", "How reward models order labels", caption, columns, entries)


def consistency(results: Results) -> list[Table]:
    """How right labels are where the strong model agrees, and where it does not."""
    columns = [
        Column("rows", "row"),
        Column("agreeing", "they agree"),
        Column("weak_if_agree", "where they agree", "accuracy of the weak label"),
        Column("weak_if_not", "where they do not", "accuracy of the weak label"),
        Column("strong_if_not", "where they do not", "accuracy of the strong answer"),
    ]
    entries = [
        _entry(
            one,
            lambda one, _: (named(one.methods),),
            one.measured,
            lambda part: (part.agreeing, part.weak_if_agree, part.weak_if_not, part.strong_if_not),
        )
        for one in results.analyses.consistency
    ]
    caption = "Weak labels beside the strong model's own answers to the same items, both against gold."
    return _both(results, "consistency", "What agreement tells", caption, columns, entries)


def labels(results: Results) -> list[Table]:
    """What every teacher's labels are like before anybody learns them."""
    columns = [
        Column("labels", "labels"),
        Column("learned_by", "learned by"),
        Column("accuracy", "accuracy"),
        Column("confidence", "confidence"),
        Column("overconfidence", "confidence − accuracy", signed=True),
        Column("words", "words", digits=1),
        Column("distinct", "texts", "distinct"),
        Column("unigrams", "words", "distinct"),
        Column("bigrams", "pairs of words", "distinct"),
        Column("entropy", "entropy of the answers (bits)", digits=2),
    ]
    entries = [
        _entry(
            one,
            lambda one, _: (one.name, named(one.methods)),
            one.measured,
            lambda part: (
                *(part.accuracy, part.confidence, part.overconfidence, part.words),
                *(part.distinct, part.unigrams, part.bigrams, part.entropy),
            ),
        )
        for one in results.analyses.labels
    ]
    caption = (
        "Labels of half B, each source's best; items without one are left out. Confidence: the mean of the labels'"
        " geometric mean probability per piece, by their writer. Answers: the option, the final answer, or the text."
        " Diversity has no interval, as a resample repeats items."
    )
    return _both(results, "labels", "The labels by themselves", caption, columns, entries)


# ---- of rows --------------------------------------------------------------------------------------------


def transfer_rows(results: Results) -> list[tuple[str, RowResult]]:
    """What they learned, and the rows of a transfer matrix; none if nobody learned one capability only."""
    alone = results.analyses.alone
    naive, top = plain_naive(results), ceiling_of(results)
    return [
        *(("nothing", row) for row in results.of("untouched")),
        *((alone[row.name], row) for row in results.of("method") if row.name in alone),
        *((("all capabilities", naive),) if naive else ()),
        *((("all, gold", top),) if top else ()),
    ] * bool(alone)


def transfer(results: Results) -> list[Table]:
    """Train on one capability, test on another."""
    names, rows = results.about.capabilities, transfer_rows(results)
    first = [Column("learned", "learned"), Column("row", "row")]
    scores = [Column(f"on_{name}", name, "tested on") for name in names]
    gains = [Column(f"on_{name}", name, "tested on", signed=True) for name in names]
    there = [Line((what, row.name, *(one.score for one in row.capabilities.values()))) for what, row in rows]
    apart = [
        Line((what, row.name, *(one.versus_untouched for one in row.capabilities.values())))
        for what, row in rows
        if any(one.versus_untouched for one in row.capabilities.values())
    ]
    caption = f"Each capability in its own metric. {INTERVALS}"
    gained = f"Paired difference to the student before any training; 0 where a capability teaches nothing. {INTERVALS}"
    return [
        results_table(results, "transfer", "Transfer between capabilities", caption, [*first, *scores], there),
        results_table(results, "transfer_gain", "What transfers", gained, [*first, *gains], apart),
    ]


def curves(results: Results) -> Table:
    """Rows that differ in one number: the share of exchanged labels, or the share of labels."""
    columns = [
        Column("row", "row"),
        Column("noise", "exchanged", digits=2),
        Column("share", "of the labels", digits=2),
        Column("line", "trained for the"),
        Column("labels", "labels", digits=0),
        Column("accuracy", "accuracy of the labels"),
        Column("score", results.about.metric_title),
        Column("pgr", "PGR"),
    ]
    lines = [_curve_line(results, point) for point in results.analyses.curves]
    caption = (
        "Rows that have all else in common. Exchanged: the share of labels that were exchanged among items. Of the"
        " labels: a random share, trained for as many updates as all of them (variety) or for as many passes (size)."
        f" {INTERVALS}"
    )
    return results_table(results, "curves", "Quality, variety and number of labels", caption, columns, lines)


def _curve_line(results: Results, point: CurvePoint) -> Line:
    row, noise = results.named(point.row), point.setting == "noise"
    what = "labels exchanged" if noise else "labels left out"
    return Line(
        (
            *(point.row, point.value if noise else None, None if noise else point.value),
            *("" if noise else point.line, point.labels, point.accuracy, row.score, row.pgr),
        ),
        f"{point.series}: {what}",
    )
