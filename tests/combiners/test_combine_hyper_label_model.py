"""The hyper label model: inputs and network by their definitions, vote by vote; gold; what it is worth."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import textbook_sources as textbook

from drawn_seeds import SEEDS
from outgrow.combiners import fit_by, section_named
from outgrow.combiners.dawid_skene import fit_one_coin
from outgrow.combiners.hyper_inputs import ITEM_INPUTS, SOURCE_INPUTS, HyperInputs
from outgrow.combiners.hyper_label_model import LAYERS, fit_hyper_label_model, log_odds, weights
from outgrow.combiners.rough_models import rough_model
from outgrow.combiners.votes import Votes
from outgrow.metrics.calibration import log_loss
from outgrow.simulate.juries import draw_votes
from outgrow.vote_table import VoteTable


def table_of(seed, *, kind="jury", n_items=30, n_sources=5, n_classes=3, soft=False, n_gold=0) -> VoteTable:
    """Simulated votes with gold for the first items, and the last item without a vote."""
    rng = np.random.default_rng(seed)
    table = draw_votes(rng, kind, n_items=n_items, n_sources=n_sources, n_classes=n_classes, soft=soft)
    heard = (table.item < n_items - 1) & (rng.random(table.n_votes) < 0.8)
    probs = None if table.probs is None else table.probs[heard]
    gold = np.where(np.arange(n_items) < n_gold, table.gold, -1)
    kept = {"item": table.item[heard], "source": table.source[heard], "label": table.label[heard]}
    return replace(table, **kept, probs=probs, gold=gold)


# ---- the definition, with one row per item and loops over votes -------------------------------------------


def votes_by_item(table: VoteTable) -> dict[tuple[int, int], np.ndarray]:
    shares = np.eye(table.n_classes)[table.label] if table.probs is None else table.probs
    return {(i, s): q for i, s, q in zip(table.item.tolist(), table.source.tolist(), shares, strict=True)}


def rough_by_definition(table: VoteTable, rounds: int, *, same_accuracy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Confusion matrices and posteriors of one of the rough models."""
    q, n_items, n_sources, n_classes = votes_by_item(table), len(table.items), len(table.sources), table.n_classes

    def with_gold(posterior):
        known = table.gold >= 0
        posterior[known] = np.eye(n_classes)[table.gold[known]]
        return posterior

    posterior = np.full((n_items, n_classes), 1 / n_classes)
    for i in range(n_items):
        if heard := [q[i, s] for s in range(n_sources) if (i, s) in q]:
            posterior[i] = np.mean(heard, axis=0)
    posterior = with_gold(posterior)
    for _ in range(rounds):
        counts, balance = np.zeros((n_sources, n_classes, n_classes)), posterior.sum(axis=0) + 1
        for (i, s), share in q.items():
            counts[s] += np.outer(posterior[i], share)
        if same_accuracy:
            right = np.asarray([np.trace(of_source) for of_source in counts])
            average = (right.sum() + 1) / (counts.sum() + n_classes)
            accuracy = (right + 4 * average) / (counts.sum(axis=(1, 2)) + 4)
            confusion = np.stack([np.where(np.eye(n_classes), a, (1 - a) / (n_classes - 1)) for a in accuracy])
        else:
            average = counts.sum(axis=0) + 1 / n_classes
            average /= average.sum(axis=1, keepdims=True)
            confusion = (counts + 4 * average) / (counts.sum(axis=2, keepdims=True) + 4)
        confusion = np.maximum(confusion, 1e-3)
        posterior = np.tile(balance / balance.sum(), (n_items, 1))
        for (i, s), share in q.items():
            posterior[i] *= np.prod(confusion[s] ** share, axis=1)
        posterior = with_gold(posterior / posterior.sum(axis=1, keepdims=True))
    return confusion, posterior


def network_by_definition(table: VoteTable, inputs: HyperInputs, network: dict) -> np.ndarray:
    """z / T of every item, from the inputs, with the message of one vote and one class at a time."""
    q, n_items, n_sources, n_classes = votes_by_item(table), len(table.items), len(table.sources), table.n_classes
    (block, edges), *_ = inputs.blocks()
    of_items = inputs.of_items(block, edges)[inputs.votes.row_of]
    everywhere = [np.concatenate([inputs.of_classes[k], inputs.of_table]) for k in range(n_classes)]

    def first(own, whose):
        return [
            [
                relu(
                    row[k] @ network[f"{whose}.weight"]
                    + everywhere[k] @ network[f"{whose}.common"]
                    + network[f"{whose}.bias"]
                )
                for k in range(n_classes)
            ]
            for row in own
        ]

    def relu(values):
        return np.maximum(values, 0)

    def mean(vectors, like):
        return np.mean(vectors, axis=0) if len(vectors) else np.zeros_like(like)

    x, y = first(of_items, "item"), first(inputs.of_sources, "source")
    voted = [i for i in range(n_items) if any((i, s) in q for s in range(n_sources))]
    heard = [s for s in range(n_sources) if any((i, s) in q for i in range(n_items))]
    known = [i for i in range(n_items) if table.gold[i] >= 0]
    classes = range(n_classes)
    for layer in range(LAYERS):
        w = {name.split(".", 1)[1]: value for name, value in network.items() if name.startswith(f"{layer}.")}
        e = {
            (i, s, k): relu(
                x[i][k] @ w["vote.item"] + y[s][k] @ w["vote.source"] + share[k] * w["vote.share"] + w["vote.bias"]
            )
            for (i, s), share in q.items()
            for k in classes
        }
        zero = np.zeros_like(w["vote.bias"])
        to_item = [
            [mean([e[i, s, k] for s in range(n_sources) if (i, s) in q], zero) for k in classes]
            for i in range(n_items)
        ]
        to_source = [
            [mean([e[i, s, k] for i in range(n_items) if (i, s) in q], zero) for k in classes]
            for s in range(n_sources)
        ]
        pooled = [
            np.concatenate([np.mean([x[i][k] for i in voted], axis=0), np.mean([y[s][k] for s in heard], axis=0)])
            for k in classes
        ]
        gold = mean([x[i][table.gold[i]] for i in known], x[0][0])
        g = [np.concatenate([pooled[k], np.mean(pooled, axis=0), gold]) for k in classes]

        def updated(states, messages, whose, w=w, g=g):
            result = []
            for state, message in zip(states, messages, strict=True):
                own = [np.concatenate([state[k], message[k]]) for k in classes]
                both = [np.concatenate([own[k], np.mean(own, axis=0)]) for k in classes]
                result.append(
                    [
                        state[k]
                        + relu(both[k] @ w[f"{whose}.weight"] + g[k] @ w[f"{whose}.common"] + w[f"{whose}.bias"])
                        for k in classes
                    ]
                )
            return result

        x, y = updated(x, to_item, "item"), updated(y, to_source, "source")
    z = np.zeros((n_items, n_classes))
    for i, k in product(range(n_items), classes):
        hidden = relu(np.concatenate([x[i][k], np.mean(x[i], axis=0)]) @ network["last.weight"] + network["last.bias"])
        z[i, k] = hidden @ network["last.hidden"] + of_items[i, k, [3, 5, 7]] @ network["last.skip"]
    return z / network["temperature"]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("soft", "n_gold"), [(False, 0), (True, 0), (False, 8), (True, 8)])
def test_the_network_is_that_of_the_definition(soft, n_gold, seed):
    table = table_of(seed, soft=soft, n_gold=n_gold)
    inputs = HyperInputs.of(Votes.of_table(table))
    found = log_odds(inputs, weights())[inputs.votes.row_of]
    np.testing.assert_allclose(found, network_by_definition(table, inputs, dict(weights())), rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("same_accuracy", [True, False])
@pytest.mark.parametrize(("soft", "n_gold"), [(False, 0), (True, 8)])
def test_rough_models_are_those_of_the_definition(soft, n_gold, same_accuracy, seed):
    table = table_of(seed, soft=soft, n_gold=n_gold)
    votes = Votes.of_table(table)
    model = rough_model(votes, same_accuracy=same_accuracy)
    confusion, posterior = rough_by_definition(table, 8, same_accuracy=same_accuracy)
    np.testing.assert_allclose(model.confusion, confusion, rtol=0, atol=1e-10)
    found = np.concatenate([model.posterior(block, votes.gold[block.rows]) for block in votes.blocks()])[votes.row_of]
    voted = table.n_per_item > 0
    np.testing.assert_allclose(found[voted], posterior[voted], rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_inputs_of_items_and_sources_are_those_of_the_definition(seed):
    table = table_of(seed, soft=bool(seed % 2), n_gold=8)
    q, n_sources, n_classes = votes_by_item(table), len(table.sources), table.n_classes
    inputs = HyperInputs.of(Votes.of_table(table))
    (block, edges), *_ = inputs.blocks()
    of_items = inputs.of_items(block, edges)[inputs.votes.row_of]
    recall = np.einsum("scc->sc", inputs.matrices.confusion)
    habit = np.zeros((n_sources, n_classes))
    for s in range(n_sources):
        given = [share for (_, source), share in q.items() if source == s]
        habit[s] = np.mean(given, axis=0) if given else 0
    overall = np.mean(list(q.values()), axis=0)
    for i, k in product(range(len(table.items)), range(n_classes)):
        heard = [s for s in range(n_sources) if (i, s) in q]
        assert of_items[i, k, ITEM_INPUTS.index("share of the votes")] == pytest.approx(
            np.mean([q[i, s][k] for s in heard]) if heard else 0
        )
        for name, expected in (
            ("its surprise given the sources' habits", habit),
            ("its surprise given the class", recall),
        ):
            above = sum(q[i, s][k] - expected[s, k] for s in heard)
            spread = np.sqrt(sum(expected[s, k] * (1 - expected[s, k]) for s in heard) + 0.1)
            assert of_items[i, k, ITEM_INPUTS.index(name)] == pytest.approx(np.clip(above / spread, -6, 6) / 2)
        assert of_items[i, k, ITEM_INPUTS.index("gold")] == pytest.approx(
            (table.gold[i] == k) - 1 / n_classes if table.gold[i] >= 0 else 0
        )
    for s, k in product(range(n_sources), range(n_classes)):
        others, together, compared = 0.0, 0.0, 0.0
        for (i, source), share in q.items():
            rest = [q[i, t][k] for t in range(n_sources) if t != s and (i, t) in q]
            if source == s and rest:
                others, compared = others + np.mean(rest), compared + share[k]
                together += share[k] * np.mean(rest)
        of_source = dict(zip(SOURCE_INPUTS, inputs.of_sources[s, k], strict=True))
        assert of_source["share of its votes"] == pytest.approx(habit[s, k])
        assert of_source["share above the average"] == pytest.approx(habit[s, k] - overall[k])
        wanted = (together + habit[s, k]) / (others + 1) - habit[s, k]
        assert of_source["recall of the other votes"] == pytest.approx(wanted)
        wanted = (together + overall[k]) / (compared + 1) - overall[k]
        assert of_source["precision on the other votes"] == pytest.approx(wanted)
        on_gold = [share[k] for (i, source), share in q.items() if source == s and table.gold[i] == k]
        assert of_source["recall of gold"] == pytest.approx((sum(on_gold) + 2 * recall[s, k]) / (len(on_gold) + 2))


# ---- what it does -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_gold_sets_its_items_and_moves_the_others(seed):
    rng = np.random.default_rng(seed)
    table = table_of(seed, n_items=120, n_sources=6)
    truth = rng.integers(3, size=120)
    known = replace(table, gold=np.where(np.arange(120) < 60, truth, -1))
    blind, informed = (fit_hyper_label_model(Votes.of_table(one)).posterior for one in (table, known))
    np.testing.assert_allclose(informed[:60], np.eye(3)[truth[:60]])
    assert np.abs(informed[60:119] - blind[60:119]).max() > 0.02


def test_gold_shows_which_source_is_right() -> None:
    """One good source against three that share their mistakes: without gold the three win."""
    known, accuracies = np.arange(400) < 150, []
    for rng in np.random.default_rng(SEEDS[0]).spawn(8):
        gold, mistaken = rng.integers(2, size=400), rng.random(400) < 0.4
        crowd = np.where(mistaken, 1 - gold, gold)[:, None] ^ (rng.random((400, 3)) < 0.05)
        codes = np.concatenate([(gold ^ (rng.random(400) < 0.08))[:, None], crowd], axis=1)
        labels = textbook.hard_labels(codes, 2)
        item, source = np.nonzero(labels.voted)
        blind = VoteTable(list(labels.items), labels.sources, ("a", "b"), item, source, codes[item, source])
        informed = replace(blind, gold=np.where(known, gold, -1))
        fits = [fit_hyper_label_model(Votes.of_table(table)) for table in (blind, informed)]
        accuracies.append([(fit.posterior.argmax(axis=1) == gold)[~known].mean() for fit in fits])
    without, with_gold = np.mean(accuracies, axis=0)
    assert without < 0.65
    assert with_gold > 0.75


@pytest.mark.parametrize("n_classes", [2, 3, 7, 25])
def test_any_number_of_classes_and_sources(n_classes):
    rng = np.random.default_rng([SEEDS[0], n_classes])
    gold = rng.integers(n_classes, size=200)
    for n_sources in (1, 2, 12):
        codes = textbook.one_coin_votes(rng, gold, np.linspace(0.7, 0.9, n_sources), n_classes, 0.9)
        posterior = fit_hyper_label_model(Votes.of(textbook.hard_labels(codes, n_classes))).posterior
        np.testing.assert_allclose(posterior.sum(axis=1), 1)
        voted = (codes >= 0).any(axis=1)
        assert (posterior.argmax(axis=1) == gold)[voted].mean() > (0.6 if n_sources < 3 else 0.9)


def test_items_without_a_vote_have_the_balance_and_no_vote_at_all_is_no_error() -> None:
    codes = np.asarray([[0, 0], [0, 0], [0, 1], [1, 1], [-1, -1]])
    fit = fit_hyper_label_model(Votes.of(textbook.hard_labels(codes, 2)))
    np.testing.assert_allclose(fit.posterior[4], fit.balance)
    none = fit_hyper_label_model(Votes.of(textbook.hard_labels(np.full((3, 2), -1), 2)))
    np.testing.assert_allclose(none.posterior, 0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_give_what_one_block_gives(seed, monkeypatch):
    table = table_of(seed, n_items=150, soft=True)
    whole = fit_hyper_label_model(Votes.of_table(table)).posterior
    monkeypatch.setattr("outgrow.combiners.votes.BLOCK_ENTRIES", 60)
    monkeypatch.setattr("outgrow.combiners.hyper_label_model.CHUNK", 100)
    np.testing.assert_allclose(fit_hyper_label_model(Votes.of_table(table)).posterior, whole, rtol=0, atol=1e-9)


def test_on_simulated_sources_it_is_right_as_often_as_a_vote_and_more_honest() -> None:
    """Mean over fresh tables, of which the network was trained on none."""
    names = ("vote", "one_coin", "dawid_skene", "hyper_label_model")
    losses = {name: [] for name in names}
    right = {name: [] for name in names}
    for index, kind in enumerate(["jury", "crowd", "jury", "crowd", "rules"] * 6):
        rng = np.random.default_rng([SEEDS[0], index])
        table = draw_votes(rng, kind, n_items=200, n_sources=10, n_classes=int(rng.integers(2, 5)))
        votes, judged = Votes.of_table(replace(table, gold=np.full(200, -1))), table.n_per_item > 0
        for name in names:
            posterior = fit_by(section_named(name), intervals=False)(votes).posterior[judged]
            losses[name].append(log_loss(np.maximum(posterior, 1e-6), table.gold[judged]).mean())
            right[name].append((posterior.argmax(axis=1) == table.gold[judged]).mean())
    mean = {name: np.mean(values) for name, values in losses.items()}
    assert mean["hyper_label_model"] < 0.9 * min(mean[name] for name in names[:3])
    assert np.mean(right["hyper_label_model"]) > np.mean(right["vote"]) - 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_good_independent_sources_are_trusted(seed):
    rng = np.random.default_rng(seed)
    gold = rng.integers(2, size=600)
    votes = Votes.of(textbook.hard_labels(textbook.one_coin_votes(rng, gold, np.linspace(0.7, 0.95, 7), 2), 2))
    one_coin, learned = (fit(votes).posterior.argmax(axis=1) == gold for fit in (fit_one_coin, fit_hyper_label_model))
    assert learned.mean() > one_coin.mean() - 0.02
