"""New votes into old: the same posterior as from the start, whatever comes; the file; what is refused."""

import drawn_crowds
import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.combiners.dawid_skene import ConfusionModel, OneCoinModel, fit_dawid_skene, fit_one_coin
from outgrow.combiners.em import expectation_step, naive_bayes
from outgrow.combiners.incremental import converged_fit, start, update, updated_locally
from outgrow.combiners.merge_votes import merge_votes
from outgrow.combiners.state_file import load_state, save_state
from outgrow.combiners.votes import Votes
from outgrow.errors import ConfigError, DataError
from outgrow.vote_table import VoteTable

TIGHT = {"one_coin": fit_one_coin, "dawid_skene": fit_dawid_skene}


def table(codes, classes, gold=None, first=0, sources=None, **columns):
    """A long table of the codes that are no abstention; items are named from `first` on."""
    codes = np.asarray(codes)
    item, source = np.nonzero(codes >= 0)
    names = tuple(f"s{number}" for number in range(codes.shape[1])) if sources is None else sources
    more = {} if gold is None else {"gold": np.asarray(gold)}
    return VoteTable(
        [f"i{first + number}" for number in range(len(codes))],
        names,
        tuple(f"c{number}" for number in range(classes)),
        item,
        source,
        codes[item, source].astype(np.int64),
        **more,
        **columns,
    )


def crowd(seed, items=600, kind="silent"):
    codes, gold, _, classes = drawn_crowds.crowd(kind, np.random.default_rng(seed), items=items)
    return codes, gold, classes


def by_name(state):
    return dict(zip(state.table.items, state.posterior, strict=True))


def assert_as_from_the_start(found, tolerance=1e-6):
    whole, fit = start(found.state.table, found.state.method)
    assert np.abs(found.fit.posterior - (whole if found.passes else fit).posterior).max() <= tolerance
    np.testing.assert_allclose(found.fit.confusion, fit.confusion, atol=tolerance)
    np.testing.assert_allclose(found.fit.balance, fit.balance, atol=tolerance)
    assert found.fit.converged


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["independent", "silent"])
@pytest.mark.parametrize("method", updated_locally())
def test_where_it_rests_nothing_moves(method, kind, seed):
    """One more plain step changes nothing; with many votes per item plain steps from the start end there, too."""
    codes, _, classes = crowd(seed, kind=kind)
    votes = Votes.of_table(table(codes, classes))
    fit, _ = converged_fit(table(codes, classes), method)
    step = expectation_step(votes, naive_bayes(fit.confusion), np.log(fit.balance))
    nobody = np.full(codes.shape[1], 0.5)
    model = OneCoinModel(nobody, classes, 1.0) if method == "one_coin" else ConfusionModel(fit.confusion, 1.0)
    np.testing.assert_allclose(model.learn(step.counts).confusion, fit.confusion, atol=1e-8)
    np.testing.assert_allclose((step.shares + 1) / (step.shares + 1).sum(), fit.balance, atol=1e-8)
    if kind == "independent":
        plain = TIGHT[method](votes, tolerance=1e-13, rounds=20_000)
        assert np.abs(fit.posterior - plain.posterior).max() < 1e-3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", updated_locally())
def test_new_items_new_votes_and_new_sources_as_from_the_start(method, seed):
    codes, _, classes = crowd(seed)
    rng = np.random.default_rng(seed)
    late = rng.random(codes.shape) < 0.1
    early = np.where(late, -1, codes)[:550, :8]
    state, _ = start(table(early, classes), method)
    for part in (np.where(late, codes, -1), codes):
        found = update(state, table(part, classes))
        assert_as_from_the_start(found)
        state = found.state
    assert state.table.n_votes == (codes >= 0).sum()
    everything, _ = start(table(codes, classes), method)
    other = by_name(state)
    assert max(np.abs(other[name] - row).max() for name, row in by_name(everything).items()) < 1e-6
    again = update(state, table(codes, classes))
    assert (again.n_new, again.n_again) == (0, (codes >= 0).sum())
    assert update(state, table(codes, classes), near=True).stale == 0
    np.testing.assert_allclose(again.state.posterior, state.posterior, atol=1e-8)


@pytest.mark.parametrize("method", updated_locally())
def test_new_gold_and_changed_votes_as_from_the_start(method):
    codes, gold, classes = crowd(SEEDS[0])
    state, _ = start(table(codes, classes), method)
    told = update(state, table(codes[:50], classes, gold[:50]))
    assert_as_from_the_start(told)
    assert (told.state.posterior[:50].argmax(axis=1) == gold[:50]).all()
    other = np.where(codes >= 0, (codes + 1) % classes, -1)[:3]
    changed = update(state, table(other, classes), overwrite=True)
    assert changed.n_new == (other >= 0).sum()
    assert changed.state.table.n_votes == state.table.n_votes
    assert_as_from_the_start(changed)
    np.testing.assert_array_equal(changed.state.table.dense()[:3], other)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", updated_locally())
def test_a_near_look_is_near_and_says_how_near(method, seed):
    codes, _, classes = crowd(seed, items=4000, kind="independent")
    state, _ = start(table(codes[:3990], classes), method)
    found = update(state, table(codes[3990:], classes, first=3990), near=True)
    whole, fit = start(found.state.table, method)
    error = np.abs(found.fit.posterior - whole.posterior)
    print(f"{method}: error {error.max():.1e}, said {found.stale:.1e}")
    assert error.max() < 0.08  # of 400 draws the largest is 0.026, and 5.9 times what is said
    assert found.stale > 0
    assert error.max() < 25 * found.stale + 1e-6
    np.testing.assert_array_equal(found.state.posterior[:3990], state.posterior)
    np.testing.assert_allclose(found.fit.interval, fit.interval, atol=0.01)
    # The counts are those of the posteriors that are kept.
    exact = update(found.state, table(codes[:1], classes))
    assert_as_from_the_start(exact)


@pytest.mark.parametrize("method", ["vote", "bayesian_dawid_skene", "single"])
def test_other_combiners_are_fitted_anew(method):
    codes, _, classes = crowd(SEEDS[0], items=150)
    source = "s3" if method == "single" else None
    state, _ = start(table(codes[:100], classes), method, source=source)
    found = update(state, table(codes, classes))
    whole, fit = start(table(codes, classes), method, source=source)
    np.testing.assert_array_equal(found.fit.posterior, fit.posterior)
    np.testing.assert_array_equal(found.state.posterior, whole.posterior)
    with pytest.raises(ConfigError, match="leave `near` out"):
        update(state, table(codes, classes), near=True)


@pytest.mark.parametrize("method", ["dawid_skene", "vote"])
def test_the_file_keeps_everything(tmp_path, method):
    codes, gold, classes = crowd(SEEDS[1])
    n_votes = int((codes >= 0).sum())
    told = table(
        codes, classes, gold, seconds=np.arange(n_votes, dtype=float), price=np.ones(n_votes), notes=("a", "b")
    )
    state, _ = start(told, method)
    save_state(state, tmp_path / "new" / "state.npz")
    found = load_state(tmp_path / "new" / "state.npz")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["state.npz"]
    for name in ("items", "sources", "classes", "notes"):
        assert getattr(found.table, name) == getattr(told, name)
    for name in ("item", "source", "label", "seconds", "price", "gold"):
        np.testing.assert_array_equal(getattr(found.table, name), getattr(told, name))
    np.testing.assert_array_equal(found.posterior, state.posterior)
    new = table(codes[:5], classes, first=900)
    np.testing.assert_array_equal(update(found, new).fit.posterior, update(state, new).fit.posterior)
    save_state(state, tmp_path / "again.npz")
    assert load_state(tmp_path / "again.npz").method == method


def test_soft_votes_are_kept_soft_and_hard_ones_become_so(tmp_path):
    rng = np.random.default_rng(SEEDS[0])
    codes, _, classes = crowd(SEEDS[0], items=200, kind="three")
    probs = rng.dirichlet(np.ones(classes), 30)
    soft = table(np.full((10, 3), 0), classes, first=200)
    soft = VoteTable(soft.items, soft.sources, soft.classes, soft.item, soft.source, probs.argmax(axis=1), probs)
    state, _ = start(table(codes, classes))
    found = update(state, soft)
    assert_as_from_the_start(found)
    np.testing.assert_allclose(found.state.table.probs[-30:], probs)
    np.testing.assert_allclose(found.state.table.probs[:-30], np.eye(classes)[codes.ravel()])
    save_state(found.state, tmp_path / "state.npz")
    np.testing.assert_array_equal(load_state(tmp_path / "state.npz").table.probs, found.state.table.probs)
    assert update(found.state, soft).n_again == 30


@pytest.mark.parametrize("seed", SEEDS)
def test_merging_against_a_dictionary(seed):
    rng = np.random.default_rng(seed)
    parts = [np.where(rng.random((30, 4)) < 0.4, rng.integers(3, size=(30, 4)), -1) for _ in range(2)]
    names = [tuple(f"s{number}" for number in order) for order in (range(4), rng.permutation(6)[:4])]
    firsts = (0, int(rng.integers(5, 25)))
    tables = [table(part, 3, first=at, sources=own) for part, at, own in zip(parts, firsts, names, strict=True)]
    wanted = {}
    for one in tables:
        for item, source, said in zip(one.item, one.source, one.label, strict=True):
            wanted[one.items[item], one.sources[source]] = one.classes[said]
    merged = merge_votes(*tables, overwrite=True)
    found, both = {}, merged.table
    for item, source, said in zip(both.item, both.source, both.label, strict=True):
        assert (both.items[item], both.sources[source]) not in found
        found[both.items[item], both.sources[source]] = both.classes[said]
    assert found == wanted
    assert both.items[:30] == tables[0].items
    assert merged.n_new + merged.n_again == tables[1].n_votes
    assert set(np.asarray(both.items)[merged.touched]) <= set(tables[1].items)


def test_classes_in_another_order_are_the_same_classes():
    codes, _, _ = crowd(SEEDS[0], items=40, kind="three")
    codes = np.minimum(codes, 1)
    old = table(codes, 2)
    turned = table(1 - codes, 2)
    turned = VoteTable(old.items, old.sources, ("c1", "c0"), turned.item, turned.source, turned.label)
    assert merge_votes(old, turned).n_again == codes.size


def test_what_is_refused_and_why(tmp_path):
    codes, gold, classes = crowd(SEEDS[0], items=50, kind="three")
    state, _ = start(table(codes, classes, gold))
    with pytest.raises(DataError, match=r"source `s0` votes `c\d` on item `i0` and voted"):
        update(state, table((codes[:1] + 1) % classes, classes))
    with pytest.raises(DataError, match=r"the new votes have the class `c\d`, which the old ones do not"):
        update(state, table(codes, classes + 1))
    with pytest.raises(DataError, match="item `i0` has the gold"):
        update(state, table(codes, classes, (gold + 1) % classes))
    broken = tmp_path / "broken.npz"
    save_state(state, broken)
    whole = broken.read_bytes()
    for content in (b"", b"not a state", whole[: len(whole) // 2], whole[:200]):
        broken.write_bytes(content)
        with pytest.raises(DataError, match="not a state that"):
            load_state(broken)
    with pytest.raises(DataError):
        load_state(tmp_path / "nowhere.npz")
    np.savez(tmp_path / "other.npz", counts=np.zeros(3))
    with pytest.raises(DataError, match="start anew"):
        load_state(tmp_path / "other.npz")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        save_state(state, tmp_path / "file" / "state.npz")
