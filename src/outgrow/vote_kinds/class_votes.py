"""Votes on classes: one class per item and source, hard or as a distribution."""

from pathlib import Path
from typing import Any, Literal

from outgrow.combiners import COMBINERS, vote_combiners
from outgrow.combiners.state_file import save_state
from outgrow.config.train import combiner
from outgrow.config.votes import VoteColumns
from outgrow.deliver.combined import Combined, changed_options, combine_votes
from outgrow.errors import ConfigError
from outgrow.graph.output import alone
from outgrow.graph.writable import refuse_unwritable
from outgrow.readers.read_votes import read_votes
from outgrow.text_format import many, short
from outgrow.vote_kinds.vote_kind import Method, Options, VoteKind
from outgrow.vote_table import VoteTable

MOST_SOURCES = 12
"""Sources and classes in the terminal."""


class ClassColumns(VoteColumns):
    """One class per item and source, hard or as probabilities."""

    type: Literal["classes"] = "classes"


def read(source: Any, section: ClassColumns, options: Options) -> VoteTable:
    """Votes on classes from a path, a table in memory or a matrix."""
    return read_votes(
        source, columns=section, classes=options.classes, gold=options.gold, renormalise=options.renormalise
    )


def combine(votes: VoteTable, method: Method, options: Options) -> Combined:
    """One label per item with its probability; with `state`, also the file from which `update` goes on."""
    section = combiner(method)
    if not COMBINERS.of(section).of_votes:
        raise ConfigError(f"`{section.type}` is for texts, and these are votes on classes; use `--kind texts`")
    if options.state is not None:
        refuse_unwritable("state", Path(options.state))
    combined = combine_votes(votes, section, calibrate=options.calibrate)
    if options.state is not None:
        kept = combined.state
        if kept is None:
            named = next(iter(changed_options(section)), section.type)
            raise ConfigError(f"`{named}`: a state keeps combiners with their defaults; leave it or the state out")
        path = Path(options.state)
        with alone(path, lambda: options.on_wait(waiting_for(path))):
            save_state(kept, path)
    return combined


def waiting_for(path: Path) -> str:
    """The message while another process has a state."""
    return f"waiting for another process to be done with `{path}`"


def shown(combined: Combined) -> str:
    """The combiner, why it was chosen, and the estimated accuracy of the sources."""
    about = combined.about
    votes = about["votes"]
    balance = zip(votes["classes"], combined.fit.balance, strict=True)
    shares = [f"{short(name)} {share:.2f}" for name, share in balance]
    n_votes = f"{many(votes['n'], 'vote')} of {many(len(votes['sources']), 'source')}"
    head = f"{n_votes} on {many(votes['n_items'], 'item')}, by {named(about['combine'])}"
    confidence = combined.confidence[combined.has_votes_or_gold].mean()
    sure = f"mean confidence {confidence:.3f}; classes: {', '.join(shares[:MOST_SOURCES])}"
    return "\n".join([head, sure, "", *_source_lines(votes["sources"]), "", *combined.notes])


def named(combine: dict[str, Any]) -> str:
    """A combiner with its temperature."""
    tempered = combine["temperature"]
    return f"{short(combine['method'])}{'' if tempered is None else f' (temperature {tempered:.2f})'}"


def _source_lines(sources: list[dict[str, Any]]) -> list[str]:
    """The sources with most votes, as aligned rows."""
    most = sorted(sources, key=lambda source: -source["votes"])[:MOST_SOURCES]
    most = [{**source, "name": short(source["name"])} for source in most]
    width = max([len("source"), *(len(source["name"]) for source in most)])
    head = f"{'source'.ljust(width)}   votes  accuracy given a vote"
    rows = [
        f"{row['name'].ljust(width)}  {row['votes']:6d}  {row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        for row in most
    ]
    more = len(sources) - len(most)
    return [head, *rows, *([f"… and {more} more"] if more else [])]


CLASSES = VoteKind(
    ClassColumns,
    read=read,
    combine=combine,
    show=shown,
    methods=lambda: sorted(vote_combiners(), key=lambda name: name != "auto"),
    options=frozenset({"classes", "gold", "renormalise", "calibrate", "state"}),
    votes=VoteTable,
    is_taught=True,
    has_trust_report=True,
)
