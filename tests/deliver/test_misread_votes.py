"""The warning about soft votes that a label model takes for accuracies: its definition, and where it is given."""

from dataclasses import replace

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.combiners import section_named
from outgrow.deliver.combined import combine_votes
from outgrow.deliver.misread_votes import agreements, misread_votes
from outgrow.vote_table import VoteTable
from stated_votes import stated

EVERY_SOURCE = [2.0, 2.2, 1.6, 1.2]


def table_of(probs: np.ndarray) -> VoteTable:
    """Soft votes as a table, in which a row of zeros is no vote."""
    item, source = np.nonzero(probs.any(axis=2))
    given = probs[item, source]
    names = (tuple(f"{kind}{number}" for number in range(n)) for kind, n in zip("sc", probs.shape[1:], strict=True))
    sources, classes = names
    items = [f"i{number}" for number in range(len(probs))]
    return VoteTable(items, sources, classes, item, source, given.argmax(axis=1), given)


def votes_at(seed: int, n_classes: int, temperature: float, coverage: float = 1.0) -> tuple[VoteTable, np.ndarray]:
    rng = np.random.default_rng(seed)
    probs, _, gold = stated(rng, 300, n_classes, EVERY_SOURCE, [temperature] * 4, coverage=coverage)
    return table_of(probs), gold


@pytest.mark.parametrize("seed", SEEDS)
def test_agreements_by_definition(seed: int) -> None:
    votes, _ = votes_at(seed, 4, 1.0, coverage=0.6)
    label = np.random.default_rng(seed).integers(4, size=len(votes.items))
    with_labels, with_each_other = [], []
    for vote in range(votes.n_votes):
        others = np.flatnonzero((votes.item == votes.item[vote]) & (np.arange(votes.n_votes) != vote))
        if len(others):
            with_labels.append(votes.label[vote] == label[votes.item[vote]])
            with_each_other.append((votes.label[others] == votes.label[vote]).mean())
    assert agreements(votes, label) == pytest.approx((np.mean(with_labels), np.mean(with_each_other)), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_most_frequent_class_agrees_with_votes_at_least_as_much_as_they_do(seed: int) -> None:
    votes, _ = votes_at(seed, 3, 2.0, coverage=0.7)
    counts = np.zeros((len(votes.items), 3))
    np.add.at(counts, (votes.item, votes.label), 1)
    with_labels, with_each_other = agreements(votes, counts.argmax(axis=1))
    assert with_labels >= with_each_other


@pytest.mark.parametrize("method", ["one_coin", "dawid_skene", "ebcc"])
def test_a_model_that_takes_unsure_sources_for_bad_ones_is_warned_about(method: str) -> None:
    votes, gold = votes_at(0, 17, 4.0)
    misread, hard = combine_votes(votes, section_named(method)), combine_votes(votes, section_named(method, hard=True))
    (warning,) = [note for note in misread.notes if note.startswith("Warning")]
    assert all(name in warning for name in (f"`{method}`", "`auto`", "`hard: true`"))
    assert not any(note.startswith("Warning") for note in hard.notes)
    assert (misread.label == gold).mean() < 0.3 < 0.6 < (hard.label == gold).mean()


@pytest.mark.parametrize("method", ["auto", "averaged", "calibrated_pool", "vote", "log_pool", "bwa"])
def test_others_are_not(method: str) -> None:
    votes, gold = votes_at(0, 17, 4.0)
    found = combine_votes(votes, section_named(method))
    assert not any(note.startswith("Warning") for note in found.notes)
    assert (found.label == gold).mean() > 0.6


def test_sources_that_are_sure_and_hard_votes_need_no_warning() -> None:
    sure, _ = votes_at(1, 3, 0.5)
    opposite = np.eye(3)[(sure.label[sure.item.argsort()][::4] + 1) % 3]
    for method in ("one_coin", "dawid_skene"):
        assert not any(note.startswith("Warning") for note in combine_votes(sure, section_named(method)).notes)
    section = section_named("one_coin")
    assert misread_votes(sure, section, opposite)
    assert not misread_votes(replace(sure, probs=None), section, opposite)


def test_votes_that_never_meet_show_nothing() -> None:
    votes, _ = votes_at(2, 3, 4.0)
    first = np.unique(votes.item, return_index=True)[1]
    alone = replace(
        votes, item=votes.item[first], source=votes.source[first], label=votes.label[first], probs=votes.probs[first]
    )
    assert not misread_votes(alone, section_named("one_coin"), np.eye(3)[(alone.label + 1) % 3])
