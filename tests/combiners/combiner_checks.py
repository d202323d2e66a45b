"""What every combiner of votes must satisfy, for the combiners of the package and those of plug-ins alike.

`check(section, labels, anchors)` runs all checks of one section; the single ones raise `AssertionError`.
"""

import numpy as np
import textbook_sources as textbook

from outgrow.combiners import COMBINERS
from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection
from outgrow.combiners.targets import chosen_by, combine_labels
from outgrow.combiners.votes import Votes
from outgrow.deliver.combined import combine_votes
from outgrow.deliver.training_data import anchors_of
from outgrow.labels import Anchors, Targets, WeakLabels
from outgrow.vote_table import VoteTable

CLOSE = 1e-6
"""Moments of pairs of sources are in single precision."""
EXACT = 1e-9


def sections_of(record: CombinerRecord) -> list[CombinerSection]:
    """The section with its defaults, with every short name's options, and with every switch turned."""
    tree = {"type": record.name, **({"source": "s1"} if record.needs_source else {})}
    switches = [
        {name: not field.default}
        for name, field in record.section.model_fields.items()
        if isinstance(field.default, bool) and name != "calibrate"
    ]
    options = [{}, *record.short_names.values(), *([] if record.choose else switches)]
    return [record.section.model_validate({**tree, **chosen}) for chosen in options]


def check(section: CombinerSection, labels: WeakLabels, anchors: Anchors, rng: np.random.Generator) -> None:
    """All checks that take any votes."""
    before = labels.probs.copy(), anchors.labels.probs.copy(), anchors.gold.copy()
    targets = combine_labels(section, labels, anchors)
    for array, copy in zip((labels.probs, anchors.labels.probs, anchors.gold), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    check_targets_are_distributions_of_voted_items(section, labels, targets)
    check_order_of_items(section, labels, anchors, targets, rng.permutation(len(labels.items)))
    check_order_of_sources(section, labels, anchors, targets, rng.permutation(len(labels.sources)))
    check_names_of_classes(section, labels, anchors, targets, rng.permutation(labels.n_classes))
    check_equal_items_get_equal_targets(section, labels, anchors)
    check_single_precision_votes(section, labels, anchors, targets)


def check_targets_are_distributions_of_voted_items(
    section: CombinerSection, labels: WeakLabels, targets: Targets
) -> None:
    used = labels.only([section.only_source]) if section.only_source else labels
    assert set(targets.items) == {
        name for name, voted in zip(labels.items, used.voted.any(axis=1), strict=True) if voted
    }
    assert targets.probs.dtype == np.float64
    assert (targets.probs >= 0).all()
    np.testing.assert_allclose(targets.probs.sum(axis=1), 1)
    assert (targets.weight >= 0).all()


def check_order_of_items(
    section: CombinerSection, labels: WeakLabels, anchors: Anchors, targets: Targets, order: np.ndarray
) -> None:
    textbook.assert_same_targets(targets, combine_labels(section, labels.take(order), anchors), CLOSE)


def check_order_of_sources(
    section: CombinerSection, labels: WeakLabels, anchors: Anchors, targets: Targets, order: np.ndarray
) -> None:
    turned = combine_labels(section, textbook.permuted(labels, sources=order), anchors)
    textbook.assert_same_targets(targets, turned, CLOSE)


def check_names_of_classes(
    section: CombinerSection, labels: WeakLabels, anchors: Anchors, targets: Targets, order: np.ndarray
) -> None:
    known = Anchors(textbook.permuted(anchors.labels, classes=order), np.argsort(order)[anchors.gold])
    renamed = combine_labels(section, textbook.permuted(labels, classes=order), known)
    back = Targets(renamed.items, renamed.probs[:, np.argsort(order)], renamed.weight)
    textbook.assert_same_targets(targets, back, CLOSE)


def check_equal_items_get_equal_targets(section: CombinerSection, labels: WeakLabels, anchors: Anchors) -> None:
    names = [f"copy-{name}" for name in labels.items]
    twice = WeakLabels([*labels.items, *names], labels.sources, np.concatenate([labels.probs, labels.probs]))
    by_item = textbook.by_item(combine_labels(section, twice, anchors))
    for name in set(labels.items) & by_item.keys():
        np.testing.assert_allclose(by_item[name], by_item[f"copy-{name}"], rtol=0, atol=EXACT)


def check_single_precision_votes(
    section: CombinerSection, labels: WeakLabels, anchors: Anchors, targets: Targets
) -> None:
    """Votes that were rounded to float32 give nearly the same float64 posterior."""
    rounded = WeakLabels(labels.items, labels.sources, labels.probs.astype(np.float32).astype(np.float64))
    textbook.assert_same_targets(targets, combine_labels(section, rounded, anchors), 1e-3)


def check_a_study_and_combine_agree(section: CombinerSection, table: VoteTable) -> None:
    """The targets of a study and the labels of `outgrow combine`, for the same votes and the same gold."""
    record = COMBINERS.of(section)
    if record.keeps_votes:
        return
    labels = table.weak_labels()
    targets = textbook.by_item(combine_labels(section, labels, anchors_of(table)))
    chosen, _ = chosen_by(section, Votes.of(labels, anchors_of(table), hard=section.hard_votes))
    posterior = combine_votes(table, section, calibrate=False).posterior
    voted = labels.voted.any(axis=1)
    wanted = posterior.copy()
    wanted[voted] = COMBINERS.of(chosen).targets_from(chosen, posterior[voted])
    row = {name: index for index, name in enumerate(table.items)}
    if record.targets is not None:  # they are the votes, also where gold is known
        targets = {name: probs for name, probs in targets.items() if table.gold[row[name]] < 0}
    assert targets
    for name, probs in targets.items():
        np.testing.assert_allclose(probs, wanted[row[name]], rtol=0, atol=EXACT)


def table_of(labels: WeakLabels, gold: np.ndarray) -> VoteTable:
    """The votes as a table that was read from a file; `gold` is -1 where unknown."""
    item, source = np.nonzero(labels.voted)
    probs = labels.probs[item, source]
    return VoteTable(
        items=list(labels.items),
        sources=labels.sources,
        classes=tuple(f"c{index}" for index in range(labels.n_classes)),
        item=item,
        source=source,
        label=probs.argmax(axis=1),
        probs=None if ((probs == 0) | (probs == 1)).all() else probs,
        gold=gold,
    )
