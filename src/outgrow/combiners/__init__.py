"""From several sources' labels to what a student learns.

A combiner is one file with its record (`combiner_record.py`), and one row here. Its functions are pure and
deterministic. They take one source or more, abstentions, soft and hard votes, two classes or more.

`targets.py` makes a student's targets by any combiner of votes, `fit_by` gives the function behind a section. After
`COMBINERS.add(record)` call `extensions.rebuild_sections()`, so that files of settings know the new combiner.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from outgrow.combiners.answer_one_coin import ANSWER_ONE_COIN
from outgrow.combiners.answer_vote import ANSWER_VOTE
from outgrow.combiners.auto import AUTO
from outgrow.combiners.averaged import AVERAGED
from outgrow.combiners.bayesian_dawid_skene import BAYESIAN_DAWID_SKENE
from outgrow.combiners.bwa import BWA
from outgrow.combiners.calibrated_pool import CALIBRATED_POOL
from outgrow.combiners.candidate_pool import CANDIDATE_POOL
from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection
from outgrow.combiners.dawid_skene import DAWID_SKENE, ONE_COIN
from outgrow.combiners.ebcc import EBCC
from outgrow.combiners.flying_squid import FLYING_SQUID
from outgrow.combiners.glad import GLAD
from outgrow.combiners.hyper_label_model import HYPER_LABEL_MODEL
from outgrow.combiners.joint_decoding import JOINT_DECODING
from outgrow.combiners.keep_all import KEEP_ALL, SINGLE
from outgrow.combiners.log_pool import LOG_POOL
from outgrow.combiners.mace import MACE
from outgrow.combiners.reliability import RELIABILITY
from outgrow.combiners.rule_vote import RULE_VOTE
from outgrow.combiners.slot_vote import SLOT_VOTE
from outgrow.combiners.stacked import STACKED
from outgrow.combiners.triplets import TRIPLETS
from outgrow.combiners.vote import VOTE, WEIGHTED_VOTE
from outgrow.errors import ConfigError, suggest
from outgrow.extensions import Registry, function_of

COMBINERS: Registry[CombinerRecord] = Registry(
    "combiner",
    CombinerRecord,
    [
        KEEP_ALL,
        SINGLE,
        AVERAGED,
        BAYESIAN_DAWID_SKENE,
        ONE_COIN,
        TRIPLETS,
        DAWID_SKENE,
        MACE,
        GLAD,
        BWA,
        EBCC,
        HYPER_LABEL_MODEL,
        VOTE,
        WEIGHTED_VOTE,
        LOG_POOL,
        CALIBRATED_POOL,
        STACKED,
        FLYING_SQUID,
        RULE_VOTE,
        AUTO,
        JOINT_DECODING,
        CANDIDATE_POOL,
        ANSWER_ONE_COIN,
        ANSWER_VOTE,
        SLOT_VOTE,
        RELIABILITY,
    ],
)
"""In the order of `auto`'s preference among equals."""


def short_names() -> dict[str, dict[str, Any]]:
    """Names of combiners that are another one with options: the section of each, as a tree."""
    return {
        name: {"type": record.name, **options}
        for record in COMBINERS.values()
        for name, options in record.short_names.items()
    }


def fit_names() -> list[str]:
    """Combiners with a posterior, in the order of `auto`'s preference; without those that need a source's name."""
    records = [record for record in COMBINERS.values() if record.fit and not record.needs_source]
    return [*(record.name for record in records), *(name for record in records for name in record.short_names)]


def vote_combiners() -> list[str]:
    """Combiners of votes that `outgrow combine` takes by name; without those that need a source's name."""
    names = [record.name for record in COMBINERS.values() if record.of_votes and not record.needs_source]
    return [*names, *short_names()]


def text_combiners() -> list[str]:
    """Combiners of texts that `outgrow combine` takes by name."""
    return [record.name for record in COMBINERS.values() if record.merges_texts]


def section_named(name: str, **options: Any) -> CombinerSection:
    """The section behind a name, a short name or `single: SOURCE`. Raises `ConfigError` for an unknown name."""
    kind, colon, source = name.partition(":")
    tree = in_full({"type": kind.strip(), **options, **({"source": source.strip()} if colon else {})})
    if tree["type"] not in COMBINERS:
        raise ConfigError(f"no combiner is called `{name}`; {suggest(name, [*COMBINERS, *short_names()])}")
    return COMBINERS[tree["type"]].section.model_validate(tree)


def in_full(tree: Any) -> Any:
    """A section's tree with a short name written out; anything else as it is."""
    name = tree.get("type") if isinstance(tree, dict) else None
    if not isinstance(name, str) or name not in short_names():
        return tree
    meant = short_names()[name]
    for key in meant.keys() - {"type"}:
        if tree.get(key, meant[key]) != meant[key]:
            raise ValueError(f"`{name}` means `{key}: {meant[key]}`; leave `{key}` out, or name `{meant['type']}`")
    return {**tree, **meant}


def short_name(section: CombinerSection) -> str:
    """The most specific name: a short one where the section has the options that it stands for, else its `type`."""
    own = dict(section)
    return next((name for name, tree in short_names().items() if tree.items() <= own.items()), section.type)


def fit_by(section: CombinerSection, *, intervals: bool = True) -> Callable[..., Any]:
    """`votes -> Fit` for a section. `intervals`: also those that take long to compute."""
    record = COMBINERS.of(section)
    if record.fit is None:
        raise ConfigError(f"`{record.name}` has no posterior; name one of {', '.join(fit_names())}")
    options = section.options if intervals else {**section.options, **record.without_intervals}
    return partial(function_of(record.fit), **options)
