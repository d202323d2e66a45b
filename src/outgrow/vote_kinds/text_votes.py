"""Texts as votes: answers, numbers, short texts with slots."""

from typing import Any, Literal

from outgrow.combiners import text_combiners
from outgrow.config.train import combiner
from outgrow.config.votes import VoteColumns
from outgrow.deliver.combined_texts import CombinedTexts, combine_texts
from outgrow.metrics.user_metric import metric_named
from outgrow.readers.read_texts import read_texts, right_texts
from outgrow.text_format import many, short
from outgrow.texts import WeakTexts
from outgrow.vote_kinds.vote_kind import Method, Options, VoteKind

MOST_SOURCES = 12
"""Sources in the terminal."""


class TextColumns(VoteColumns):
    """One text per item and source, such as an answer; equal answers count together."""

    type: Literal["texts"] = "texts"


def read(source: Any, section: TextColumns, options: Options) -> WeakTexts:
    """Texts from a path or a table in memory."""
    return read_texts(source, columns=section)


def combine(texts: WeakTexts, method: Method, options: Options) -> CombinedTexts:
    """One text per item, with the share of the sources that are behind it."""
    gold = None if options.gold is None else right_texts(options.gold)
    metric = None if options.metric is None else metric_named(options.metric)
    return combine_texts(texts, combiner(method), metric, gold=gold)


def shown(combined: CombinedTexts) -> str:
    """The combiner, and the agreement of the sources with the combined texts."""
    votes = combined.about["votes"]
    n_answers = f"{many(votes['n'], 'answer')} of {many(len(votes['sources']), 'source')}"
    head = f"{n_answers} to {many(votes['n_items'], 'item')}, by {short(combined.method)}"
    sure = f"{many(len(combined.targets), 'text')}; mean share {combined.share.mean():.3f}"
    most = [
        writer._replace(name=short(writer.name))
        for writer in sorted(combined.writers, key=lambda writer: -writer.votes)[:MOST_SOURCES]
    ]
    width = max(len("source"), *(len(writer.name) for writer in most))
    rows = [f"{'source'.ljust(width)}  answers  agreement with the combined texts ({votes['metric']})"]
    rows += [f"{writer.name.ljust(width)}  {writer.votes:7d}  {_share(writer.agreement)}" for writer in most]
    more = len(combined.writers) - len(most)
    return "\n".join([head, sure, "", *rows, *([f"… and {more} more"] if more else []), "", *combined.notes])


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


TEXTS = VoteKind(
    TextColumns,
    read=read,
    combine=combine,
    show=shown,
    methods=text_combiners,
    votes=WeakTexts,
    is_taught=True,
    options=frozenset({"gold", "metric"}),
)
