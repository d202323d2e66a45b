"""Compact votes say the same as the table they were made of, whatever was grouped on the way."""

from itertools import pairwise

import numpy as np
import pytest
import textbook_sources as textbook
from spelled_out import classes_of, shares_of

from drawn_seeds import SEEDS
from outgrow.combiners.votes import Votes
from outgrow.errors import DataError
from outgrow.labels import Anchors, WeakLabels


def drawn_codes(seed, items=300, sources=4, classes=3):
    return np.random.default_rng(seed).integers(-1, classes, (items, sources))


def dense(votes):
    """The votes of all items, a column per (source, outcome)."""
    return shares_of(votes)[votes.row_of].reshape(len(votes.row_of), -1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 5])
def test_rows_spell_out_the_table(classes, seed):
    labels = textbook.hard_labels(drawn_codes(seed, classes=classes), classes)
    votes = Votes.of(labels)
    np.testing.assert_array_equal(dense(votes), labels.probs.reshape(len(labels.items), -1))
    assert votes.items.sum() == len(labels.items)
    assert (votes.anchors == 0).all()


def test_equal_rows_are_kept_once():
    labels = textbook.hard_labels([[0, 1], [1, -1], [0, 1], [-1, -1], [0, 1]], 2)
    votes = Votes.of(labels)
    assert sorted(votes.items.tolist()) == [1, 1, 3]
    assert len(votes.entries.column) == 3


@pytest.mark.parametrize("sources", [2, 9, 14, 40])
def test_every_way_of_grouping_spells_out_the_same(sources):
    """Few patterns go through a table, more through sorting, and beyond 2^62 possible ones there is no grouping."""
    rng = np.random.default_rng(sources)
    codes = rng.integers(-1, 2, (7, sources))[rng.integers(7, size=500)]
    votes = Votes.of(textbook.hard_labels(codes, 2))
    assert votes.n_rows == (500 if sources == 40 else len(np.unique(codes, axis=0)))
    np.testing.assert_array_equal(classes_of(votes)[votes.row_of], codes)


@pytest.mark.parametrize("seed", SEEDS)
def test_soft_votes_stay_as_they_are(seed):
    labels = textbook.soft_labels(np.random.default_rng(seed))
    votes = Votes.of(labels)
    np.testing.assert_array_equal(dense(votes), labels.probs.reshape(len(labels.items), -1))
    voted = np.concatenate([block.voters.toarray() for block in votes.blocks()])
    np.testing.assert_array_equal(voted, labels.voted)
    np.testing.assert_array_equal(votes.n_voters, labels.voted.sum(axis=1))
    of_classes = Votes.of(labels, hard=True)
    np.testing.assert_array_equal(classes_of(of_classes)[of_classes.row_of], labels.hard)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("soft", [False, True])
def test_silence_can_be_something_said(soft, seed):
    rng = np.random.default_rng(seed)
    labels = textbook.soft_labels(rng) if soft else textbook.hard_labels(drawn_codes(seed), 3)
    votes = Votes.of(labels).with_silence()
    said = dense(votes).reshape(len(labels.items), len(labels.sources), 4)
    np.testing.assert_array_equal(said[:, :, :3], labels.probs)
    np.testing.assert_array_equal(said[:, :, 3] == 1, ~labels.voted)
    np.testing.assert_allclose(votes.n_votes, labels.voted.sum(axis=0))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_block_names_row_source_and_class_of_every_entry(seed):
    votes = Votes.of(textbook.soft_labels(np.random.default_rng(seed)))
    for block in votes.blocks():
        shares = shares_of(votes)[block.rows]
        np.testing.assert_array_equal(shares[block.row, block.source, block.outcome], block.share)
        doubled = block.reweighed(np.full(len(block.row), 2.0))
        np.testing.assert_allclose(doubled.toarray(), 2 * block.matrix.toarray())


def test_many_votes_come_in_many_blocks():
    codes = np.random.default_rng(0).integers(0, 9, (60_000, 12))
    votes = Votes.gather(tuple(f"s{n}" for n in range(12)), 9, codes.astype(np.int8))
    blocks = list(votes.blocks())
    assert len(blocks) > 5
    assert blocks[0].rows.start == 0
    assert all(one.rows.stop == two.rows.start for one, two in pairwise(blocks))
    assert blocks[-1].rows.stop == votes.n_rows
    expected = [[(codes[:, source] == number).sum() for number in range(9)] for source in range(12)]
    np.testing.assert_array_equal(votes.counts(votes.weight), expected)


def test_anchors_of_the_table_set_truth_and_others_are_rows_of_their_own():
    labels = textbook.hard_labels([[0, 1], [1, 1], [0, 1]], 2)
    known = WeakLabels(["item1", "other"], labels.sources, textbook.hard_labels([[1, 1], [0, 1]], 2).probs)
    votes = Votes.of(labels, Anchors(known, np.asarray([0, 1])))
    assert votes.gold[votes.row_of].tolist() == [-1, 0, -1]
    assert votes.items.sum() == 3
    assert votes.anchors.sum() == 1
    assert votes.gold[votes.anchors > 0].tolist() == [1]
    np.testing.assert_array_equal(classes_of(votes)[votes.anchors > 0], [[0, 1]])


def test_anchors_with_soft_votes_make_all_votes_soft():
    labels = textbook.hard_labels([[0, 1], [1, 1]], 2)
    known = textbook.elsewhere(textbook.labels_of([[[0.3, 0.7], [1, 0]]]))
    votes = Votes.of(labels, Anchors(known, np.asarray([1])))
    np.testing.assert_allclose(shares_of(votes)[votes.anchors > 0], known.probs)
    assert votes.soft
    assert not Votes.of(labels, Anchors(known, np.asarray([1])), hard=True).soft


def test_anchors_with_other_classes_are_refused():
    labels, other = textbook.hard_labels([[0, 1]], 2), textbook.hard_labels([[0, 2]], 3)
    with pytest.raises(DataError, match="2 classes"):
        Votes.of(labels, Anchors(other, np.asarray([2])))


def test_some_sources_and_some_rows():
    codes = drawn_codes(SEEDS[0])
    votes = Votes.of(textbook.hard_labels(codes, 3))
    chosen = votes.only(np.asarray([2, 0]))
    assert chosen.sources == ("s2", "s0")
    np.testing.assert_array_equal(classes_of(chosen)[chosen.row_of], codes[:, [2, 0]])
    few = votes.take(np.asarray([3, 1]))
    assert few.items.tolist() == votes.items[[3, 1]].tolist()
    np.testing.assert_array_equal(classes_of(few), classes_of(votes)[[3, 1]])
    assert len(few.row_of) == few.items.sum()
