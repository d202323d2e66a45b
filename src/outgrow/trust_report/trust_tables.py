"""The report as tables. Long tables are cut to their most important rows; JSON has all rows."""

from collections.abc import Sequence
from typing import TypeVar

from outgrow.render.table import Cell, Column, Line, Table
from outgrow.text_format import short
from outgrow.trust_report.findings import SourceTrust, Trust
from outgrow.trust_report.source_quality import ADVERSARIAL, ALWAYS_ONE, CHANCE, HARMS, ONE_CLASS

MOST_SOURCES, MOST_PAIRS, MOST_ITEMS, MOST_CLASSES, MOST_NEXT = 24, 40, 30, 20, 200
BAD = frozenset({ADVERSARIAL, CHANCE, ONE_CLASS, HARMS, ALWAYS_ONE})
T = TypeVar("T")


def trust_tables(trust: Trust) -> list[Table]:
    """The tables that are not empty."""
    tables = [
        combiners(trust),
        label_classes(trust),
        sources(trust),
        costs(trust),
        pairs(trust),
        agreement(trust),
        classes(trust),
        next_items(trust),
        disputed(trust),
    ]
    return [table for table in tables if table.lines]


def sources(trust: Trust) -> Table:
    """Accuracy and weight of every source."""
    shown = important(trust.sources)
    columns = (
        Column("source", ""),
        Column("votes", "votes"),
        Column("coverage", "coverage", digits=2),
        Column("by_gold", "by gold", "accuracy given a vote"),
        Column("by_agreement", "without gold", "accuracy given a vote"),
        Column("chance", "by chance", "accuracy given a vote"),
        Column("balanced", "balanced accuracy", digits=2),
        Column("adds", "adds", digits=3, signed=True),
        Column("weight", "weight of a vote", digits=2),
        Column("flags", "remarks"),
    )
    lines = [
        Line(
            (
                source.name,
                source.votes,
                source.coverage,
                source.by_gold if source.by_gold.defined else None,
                source.by_agreement,
                source.chance,
                source.balanced if source.balanced.defined else None,
                source.adds.value,
                source.weight,
                ", ".join(source.flags),
            )
        )
        for source in shown
    ]
    caption = (
        "Share of right votes, with 95 % intervals. By gold: counted on items with gold. Without gold:"
        f" estimated by {trust.base} from the agreement of the sources. By chance: the same votes on random"
        " items. Balanced accuracy: the mean over the true classes of the share of right votes; that of votes that"
        " ignore the item is 1 / number of classes. Adds: how much higher, on the items with its vote, the mean recall"
        " of the combined label is than without it. Weight: of a vote, relative to an independent source."
    )
    return _table("sources", "The sources", caption + _cut(shown, trust.sources, "sources"), columns, lines)


def important(all_sources: Sequence[SourceTrust]) -> list[SourceTrust]:
    """The sources to show, in their order: up to `MOST_SOURCES` / 2 with a bad remark, then those with most votes."""
    bad = [source.name for source in all_sources if BAD & set(source.flags)][: MOST_SOURCES // 2]
    most = [source.name for source in all_sources if source.name not in bad][: MOST_SOURCES - len(bad)]
    chosen = {*bad, *most}
    return [source for source in all_sources if source.name in chosen]


def costs(trust: Trust) -> Table:
    """Time and price per vote, where the file has them."""
    columns = (
        Column("source", ""),
        Column("seconds", "per vote", "seconds", digits=1),
        Column("seconds_per_correct", "per right vote", "seconds", digits=1),
        Column("price", "per vote", "price", digits=4),
        Column("price_per_correct", "per right vote", "price", digits=4),
    )
    shown = [source for source in important(trust.sources) if source.seconds is not None or source.price is not None]
    lines = [
        Line((source.name, source.seconds, source.seconds_per_correct, source.price, source.price_per_correct))
        for source in shown
    ]
    caption = "Means over the votes with a value, in the file's currency; a right vote costs price / accuracy."
    return _table("costs", "What a right vote costs", caption, columns, lines)


def pairs(trust: Trust) -> Table:
    """Agreement, correlated errors and copies of each pair of sources."""
    shown = trust.pairs[:MOST_PAIRS]
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
                pair.first,
                pair.second,
                pair.n,
                pair.agreement,
                pair.kappa,
                pair.error_correlation,
                pair.both_wrong,
                pair.same_error,
                pair.copied,
                pair.flag,
            )
        )
        for pair in shown
    ]
    caption = (
        "Pairs with a remark first. κ: agreement beyond chance. Errors are measured by gold, or by the expected truth:"
        " their correlation given the true class, the number of items where both are wrong, and the share of equal"
        " votes among these. Copied: share of votes that agree more than the accuracy of both sources explains."
    )
    return _table("pairs", "Pairs of sources", caption + _cut(shown, trust.pairs, "pairs"), columns, lines)


def agreement(trust: Trust) -> Table:
    """Chance-corrected agreement of all sources."""
    columns = (Column("measure", ""), Column("value", "value", digits=3, signed=True))
    lines = [Line((measure.name, measure.value)) for measure in trust.agreement]
    caption = (
        "1 = all agree, 0 = chance level, with 95 % bootstrap intervals over items. With missing votes, α weights"
        " items by their votes, κ weights them equally."
    )
    return _table("agreement", "Agreement of all sources", caption, columns, lines)


def combiners(trust: Trust) -> Table:
    """Expected and measured accuracy of each combiner."""
    columns = (
        Column("combiner", ""),
        Column("own", "claimed"),
        Column("expected", "expected", digits=2),
        Column("by_gold", "by gold"),
        Column("note", "posteriors"),
    )
    lines = [
        Line(
            (
                combiner.name,
                combiner.own,
                combiner.expected if combiner.expected.defined else None,
                combiner.by_gold if combiner.by_gold.defined else None,
                combiner.note,
            )
        )
        for combiner in trust.combiners
    ]
    caption = (
        "Claimed: mean probability that the combiner gives to its label, over items with a vote. Expected: accuracy of"
        " such labels in simulated tables like this one, where sources share errors as real ones do. By gold: share of"
        " right labels on items with gold, which no combiner used; a tie counts as wrong."
    )
    return _table("combiners", "Accuracy of each combiner", caption, columns, lines)


def label_classes(trust: Trust) -> Table:
    """Recall and precision of the combined label in each class."""
    order = sorted(trust.classes, key=lambda one: -one.share)
    shown = [one for one in trust.classes if one in order[:MOST_CLASSES]]
    columns = (
        Column("class", ""),
        Column("share", "of the items", digits=3),
        Column("labels", "labels"),
        Column("recall", "recall", digits=2),
        Column("precision", "precision", digits=2),
    )
    lines = [Line((one.name, one.share, one.labels, one.recall, one.precision)) for one in shown]
    how = "Counted on items with gold" if trust.label_basis == "gold" else "As in simulated tables like this one"
    caption = (
        f"{how}. Recall: share of the items of a class that have its label. Precision: share of the items with a label"
        " that are of its class."
    )
    return _table(
        "label_classes", "The combined label by class", caption + _cut(shown, order, "classes"), columns, lines
    )


def classes(trust: Trust) -> Table:
    """The class balance."""
    order = sorted(trust.counts.classes, key=lambda class_share: -class_share.votes)
    shown = [class_share for class_share in trust.counts.classes if class_share in order[:MOST_CLASSES]]
    columns = (
        Column("class", ""),
        Column("votes", "of the votes"),
        Column("estimated", "of the items, estimated"),
        Column("gold", "of the gold"),
    )
    lines = [
        Line((class_share.name, class_share.votes, class_share.estimated, class_share.gold)) for class_share in shown
    ]
    return _table("classes", "Balance of the classes", _cut(shown, order, "classes").strip(), columns, lines)


def next_items(trust: Trust) -> Table:
    """The items to label next."""
    shown = trust.next_items[:MOST_NEXT]
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
        Line((item.item, item.score, item.doubt, item.dispute, item.label, item.probability, item.votes))
        for item in shown
    ]
    caption = (
        "Items where a gold label gives most information: about the item, and about the sources (the combiners"
        " differ). Further items with the same votes count less. To measure accuracy, label items drawn at random."
    )
    title = f"Label these {len(trust.next_items)} next"
    return _table("next", title, caption + _cut(shown, trust.next_items, "items"), columns, lines)


def disputed(trust: Trust) -> Table:
    """Items to which combiners give different labels."""
    all_items, names = trust.disputed, trust.disputed.combiners
    shown = range(min(MOST_ITEMS, len(all_items.items)))
    columns = (Column("item", ""), Column("votes", "votes"), *(Column(name, name, "label by") for name in names))
    lines = [
        Line((all_items.items[row], all_items.votes[row], *(labels[row] or "–" for labels in all_items.labels)))
        for row in shown
    ]
    caption = "By falling dispute; –: no label, because of a tie."
    title = f"Items in dispute: {len(all_items.items)} of {trust.counts.items}"
    return _table("disputed", title, caption + _cut(shown, all_items.items, "items"), columns, lines)


def _table(name: str, title: str, caption: str, columns: Sequence[Column], lines: Sequence[Line]) -> Table:
    """The table without its empty columns."""
    kept = [
        column
        for column in range(len(columns))
        if column == 0 or any(not _empty(line.cells[column]) for line in lines)
    ]
    kept_lines = tuple(Line(tuple(_shown(line.cells[column]) for column in kept)) for line in lines)
    return Table(name, title, caption, tuple(columns[column] for column in kept), kept_lines)


def _shown(cell: Cell) -> Cell:
    """A cell with its text shortened; JSON has names in full."""
    return short(cell) if isinstance(cell, str) else cell


def _empty(cell: Cell) -> bool:
    return cell is None or cell == ""


def _cut(shown: Sequence[T], all_rows: Sequence[T], noun: str) -> str:
    """A sentence on hidden rows; empty if all are shown."""
    n_hidden = len(all_rows) - len(shown)
    return f" {len(shown)} of {len(all_rows)} {noun}; the JSON report has all." if n_hidden > 0 else ""
