"""The report as tables. What has many rows is cut to what matters most; JSON has all of it."""

from collections.abc import Sequence
from typing import TypeVar

from outgrow.render.table import Cell, Column, Line, Table
from outgrow.text_format import short
from outgrow.trust_report.findings import SourceTrust, Trust
from outgrow.trust_report.source_quality import ADVERSARIAL, CHANCE, ONE_CLASS

MOST_SOURCES, MOST_PAIRS, MOST_ITEMS, MOST_CLASSES, MOST_NEXT = 24, 40, 30, 20, 200
BAD = frozenset({ADVERSARIAL, CHANCE, ONE_CLASS})
One = TypeVar("One")


def trust_tables(found: Trust) -> list[Table]:
    """Those that have something to show."""
    tables = [
        combiners(found),
        sources(found),
        costs(found),
        pairs(found),
        agreement(found),
        classes(found),
        next_items(found),
        disputed(found),
    ]
    return [table for table in tables if table.lines]


def sources(found: Trust) -> Table:
    """Accuracy and weight of every source."""
    shown = important(found.sources)
    columns = (
        Column("source", ""),
        Column("votes", "votes"),
        Column("coverage", "coverage", digits=2),
        Column("by_gold", "by gold", "accuracy given a vote"),
        Column("by_agreement", "without gold", "accuracy given a vote"),
        Column("chance", "by chance", "accuracy given a vote"),
        Column("weight", "weight of a vote", digits=2),
        Column("flags", "remarks"),
    )
    lines = [
        Line(
            (
                one.name,
                one.votes,
                one.coverage,
                one.by_gold if one.by_gold.defined else None,
                one.by_agreement,
                one.chance,
                one.weight,
                ", ".join(one.flags),
            )
        )
        for one in shown
    ]
    caption = (
        "Right votes among those given, with 95 % intervals. By gold: counted on items with gold. Without gold:"
        f" estimated by {found.base} from how the sources agree. By chance: the same votes on random"
        " items. Weight: how much a vote counts beside one of an independent source."
    )
    return _table("sources", "The sources", caption + _cut(shown, found.sources, "sources"), columns, lines)


def important(all_sources: Sequence[SourceTrust]) -> list[SourceTrust]:
    """Half of the places at most for those that look bad, the others for those with most votes; in their order."""
    bad = [one.name for one in all_sources if BAD & set(one.flags)][: MOST_SOURCES // 2]
    most = [one.name for one in all_sources if one.name not in bad][: MOST_SOURCES - len(bad)]
    chosen = {*bad, *most}
    return [one for one in all_sources if one.name in chosen]


def costs(found: Trust) -> Table:
    """What votes cost, where that is told."""
    columns = (
        Column("source", ""),
        Column("seconds", "per vote", "seconds", digits=1),
        Column("seconds_per_correct", "per right vote", "seconds", digits=1),
        Column("price", "per vote", "price", digits=4),
        Column("price_per_correct", "per right vote", "price", digits=4),
    )
    shown = [one for one in important(found.sources) if one.seconds is not None or one.price is not None]
    lines = [Line((one.name, one.seconds, one.seconds_per_correct, one.price, one.price_per_correct)) for one in shown]
    caption = "Means over the votes that tell it, in the file's own currency; a right vote costs price / accuracy."
    return _table("costs", "What a right vote costs", caption, columns, lines)


def pairs(found: Trust) -> Table:
    """Agreement of every two sources, and copies."""
    shown = found.pairs[:MOST_PAIRS]
    columns = (
        Column("first", ""),
        Column("second", "and"),
        Column("n", "common items"),
        Column("agreement", "agreement", digits=2),
        Column("kappa", "κ", digits=2, signed=True),
        Column("error_correlation", "correlation", "errors", digits=2, signed=True),
        Column("both_wrong", "both wrong", "errors", digits=1),
        Column("same_error", "then the same", "errors", digits=2),
        Column("copied", "copied", digits=2),
        Column("flag", "remark"),
    )
    lines = [
        Line(
            (
                one.first,
                one.second,
                one.n,
                one.agreement,
                one.kappa,
                one.error_correlation,
                one.both_wrong,
                one.same_error,
                one.copied,
                one.flag,
            )
        )
        for one in shown
    ]
    caption = (
        "Most striking first. κ: agreement beyond chance. Errors are those of the expected truth, or of gold: their"
        " correlation given the true class, on how many items both are wrong, and how often they then say the same"
        " (always, with two classes). Copied: share of the votes that agree more than the skills of both explain."
    )
    return _table("pairs", "Pairs of sources", caption + _cut(shown, found.pairs, "pairs"), columns, lines)


def agreement(found: Trust) -> Table:
    """Of all together."""
    columns = (Column("measure", ""), Column("value", "value", digits=3, signed=True))
    lines = [Line((one.name, one.value)) for one in found.agreement]
    caption = (
        "1 = all agree, 0 = as by chance, with 95 % bootstrap intervals over items. Where votes are missing, α weighs"
        " items by their votes, κ each item the same."
    )
    return _table("agreement", "Agreement of all sources", caption, columns, lines)


def combiners(found: Trust) -> Table:
    """What to expect of each."""
    columns = (
        Column("combiner", ""),
        Column("expected", "expected"),
        Column("by_gold", "by gold"),
        Column("note", "posteriors"),
    )
    lines = [
        Line((one.name, one.expected, one.by_gold if one.by_gold.defined else None, one.note))
        for one in found.combiners
    ]
    caption = (
        "Expected: mean probability of the label over items with a vote, as the combiner itself holds it. By gold:"
        " share of right labels on items with gold, which no combiner has seen; a tie counts as wrong."
    )
    return _table("combiners", "Accuracy of each combiner", caption, columns, lines)


def classes(found: Trust) -> Table:
    """Their balance."""
    order = sorted(found.counts.classes, key=lambda one: -one.votes)
    shown = [one for one in found.counts.classes if one in order[:MOST_CLASSES]]
    columns = (
        Column("class", ""),
        Column("votes", "of the votes"),
        Column("estimated", "of the items, estimated"),
        Column("gold", "of the gold"),
    )
    lines = [Line((one.name, one.votes, one.estimated, one.gold)) for one in shown]
    return _table("classes", "Balance of the classes", _cut(shown, order, "classes").strip(), columns, lines)


def next_items(found: Trust) -> Table:
    """The items to label next."""
    shown = found.next_items[:MOST_NEXT]
    columns = (
        Column("item", ""),
        Column("score", "score"),
        Column("doubt", "of the item", "expected information, nats"),
        Column("dispute", "of the sources", "expected information, nats"),
        Column("label", "label so far"),
        Column("probability", "its probability", digits=2),
        Column("votes", "votes"),
    )
    lines = [
        Line((one.item, one.score, one.doubt, one.dispute, one.label, one.probability, one.votes)) for one in shown
    ]
    caption = (
        "Where a gold label tells most: about the item itself, and about the sources (the combiners differ). Items"
        " with the same votes count for less and less. To measure accuracy, label items drawn at random instead."
    )
    title = f"Label these {len(found.next_items)} next"
    return _table("next", title, caption + _cut(shown, found.next_items, "items"), columns, lines)


def disputed(found: Trust) -> Table:
    """Items to which combiners give different labels."""
    all_items, names = found.disputed, found.disputed.combiners
    shown = range(min(MOST_ITEMS, len(all_items.items)))
    columns = (Column("item", ""), Column("votes", "votes"), *(Column(name, name, "label by") for name in names))
    lines = [
        Line((all_items.items[row], all_items.votes[row], *(labels[row] or "–" for labels in all_items.labels)))
        for row in shown
    ]
    caption = "Most in dispute first; –: no label, as votes tie."
    title = f"Items in dispute: {len(all_items.items)} of {found.counts.items}"
    return _table("disputed", title, caption + _cut(shown, all_items.items, "items"), columns, lines)


def _table(name: str, title: str, caption: str, columns: Sequence[Column], lines: Sequence[Line]) -> Table:
    """Without the columns that are empty."""
    kept = [n for n in range(len(columns)) if n == 0 or any(not _empty(line.cells[n]) for line in lines)]
    few = tuple(Line(tuple(_shown(line.cells[number]) for number in kept)) for line in lines)
    return Table(name, title, caption, tuple(columns[number] for number in kept), few)


def _shown(cell: Cell) -> Cell:
    """Names are anybody's, and may be long; JSON has them whole."""
    return short(cell) if isinstance(cell, str) else cell


def _empty(cell: Cell) -> bool:
    return cell is None or cell == ""


def _cut(shown: Sequence[One], everything: Sequence[One], what: str) -> str:
    """How many are not shown."""
    left_out = len(everything) - len(shown)
    return f" {len(shown)} of {len(everything)} {what}; the JSON report has all." if left_out > 0 else ""
