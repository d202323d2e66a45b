"""Votes on slots against their definition, and on drawn mistakes against each system alone."""

import json
from typing import Any

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.combiners.slot_vote import combine_slots, slot_vote
from outgrow.data.tasks.errands import make_errands, read_grammar
from outgrow.errors import ConfigError
from outgrow.metrics.slu_f1 import Slot, parse_slots, read_answers, score, slu_counts, write_slots
from outgrow.metrics.text_score import slot_counts
from outgrow.texts import Candidate, WeakTexts, certain

TYPES, VALUES = ["time", "person", "place"], ["noon", "Ann", "New  York", "ann", "new york"]
MISTAKES = {"a": 0.15, "b": 0.2, "c": 0.25}


def written(*texts: str) -> WeakTexts:
    """One item, a text per source."""
    row = [[Candidate(text, certain(text))] for text in texts]
    return WeakTexts(["q"], tuple(f"s{number}" for number in range(len(texts))), [row])


def combined(*texts: str, **options: Any) -> str:
    (text,) = slot_vote(written(*texts), **options).texts
    return text


def drawn_sets(rng: np.random.Generator, n: int) -> list[list[Slot]]:
    """Small sets of slots, so that sources often agree."""
    return [
        [Slot(str(rng.choice(TYPES)), str(rng.choice(VALUES))) for _ in range(rng.integers(0, 4))] for _ in range(n)
    ]


def mistaken(rng: np.random.Generator, slots: list[Slot], rate: float, fillers: dict[str, list[str]]) -> str:
    """A system's answer: slots lost, of another type, with another or half a filler, invented; or no JSON."""
    types = list(fillers)
    found = []
    for slot in slots:
        fate = rng.random() / rate
        if fate < 1 / 3:
            continue
        if fate < 1 / 2:
            slot = Slot(str(rng.choice(types)), slot.filler)
        elif fate < 3 / 4:
            slot = Slot(slot.type, str(rng.choice(fillers[slot.type])))
        elif fate < 1:
            slot = Slot(slot.type, slot.filler.split()[0])
        found.append(slot)
    if rng.random() < rate / 2:
        name = str(rng.choice(types))
        found.insert(int(rng.integers(0, len(found) + 1)), Slot(name, str(rng.choice(fillers[name]))))
    return write_slots(found) if rng.random() > 0.03 else '{"time": '


def systems(rng: np.random.Generator, n: int) -> tuple[WeakTexts, list[str]]:
    """Errands answered by three systems, and gold."""
    _, parts = next(make_errands())
    fillers: dict[str, list[str]] = {name: [] for name in read_grammar()["fillers"]}
    for row in parts.rows:
        for slot in parse_slots(row["slots"]) or []:
            fillers[slot.type].append(slot.filler)
    fillers = {name: found for name, found in fillers.items() if found}
    chosen = rng.choice(len(parts.rows), n, replace=False).tolist()
    gold = [parts.rows[row]["slots"] for row in chosen]
    rows = []
    for text in gold:
        slots = parse_slots(text)
        assert slots is not None
        answers = [mistaken(rng, slots, rate, fillers) for rate in MISTAKES.values()]
        rows.append([[Candidate(answer, certain(answer))] for answer in answers])
    return WeakTexts([str(row) for row in chosen], tuple(MISTAKES), rows), gold


def slu_f1(texts: list[str], gold: list[str]) -> float:
    return score(slu_counts(read_answers(gold).slots, read_answers(texts).slots)).f1


# ---- what it is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slot_is_kept_if_more_than_half_have_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(200):
        sets = drawn_sets(rng, int(rng.integers(1, 7)))
        plain = [{(slot.type, " ".join(slot.filler.lower().split())) for slot in slots} for slots in sets]
        counts = {slot: sum(slot in one for one in plain) for slot in set().union(*plain)}
        wanted = {slot for slot, count in counts.items() if 2 * count > len(sets)}
        agreed = combine_slots(sets)
        kept = {(slot.type, " ".join(slot.filler.lower().split())) for slot in agreed.slots}
        assert len(agreed.slots) == len(kept)
        assert wanted <= kept
        for name in {name for name, _ in kept - wanted}:
            assert not any(name == other for other, _ in wanted)
            assert 2 * sum(any(name == other for other, _ in one) for one in plain) > len(sets)
            (value,) = [slot for slot in kept if slot[0] == name]
            assert counts[value] == max(count for slot, count in counts.items() if slot[0] == name)
        agree = [count / len(sets) if slot in kept else 1 - count / len(sets) for slot, count in counts.items()]
        assert agreed.weight == pytest.approx(np.mean(agree) if agree else 1.0)


def test_three_systems_by_hand() -> None:
    texts = [
        '{"person": "ann & bob", "time": "noon"}',
        '{"time": "12", "person": "Ann"}',
        '{"person": "ann", "room": "hall"}',
    ]
    targets = slot_vote(written(*texts))
    assert targets.texts == ['{"person": "ann", "time": "noon"}'], "time has two of three, its values one each"
    shares = [1.0, 1 - 1 / 3, 1 / 3, 1 - 1 / 3, 1 - 1 / 3]
    assert targets.weight.tolist() == pytest.approx([np.mean(shares)])
    assert slot_vote(written(*texts), weight="one").weight.tolist() == [1.0]
    assert targets.pieces[0].logprob.tolist() == [0.0, 0.0], "as certain as gold"


def test_a_type_may_keep_several_values() -> None:
    assert combined('{"person": "ann & bob"}', '{"person": "bob & ann"}', "{}") == '{"person": "ann & bob"}'
    assert combined('{"person": "ann & bob"}', '{"person": "bob"}', '{"person": "ann"}') == '{"person": "ann & bob"}'


def test_below_one_half_rivals_are_settled_by_votes() -> None:
    texts = ['{"time": "one"}', '{"time": "two"}', '{"time": "two"}', "{}"]
    assert combined(*texts) == '{"time": "two"}', "three of four name a time"
    assert combined(*texts, threshold=0.2) == '{"time": "two"}'
    assert combined(*texts, threshold=0.75) == "{}"
    assert combined("{}", '{"room": "hall"}', threshold=0.4) == '{"room": "hall"}'
    assert combined("{}", '{"room": "hall"}', threshold=0.5) == "{}"


def test_the_text_is_written_as_gold_is() -> None:
    texts = ['{"b": "São  Paulo", "a": "5 pm"}', '{"b": "são paulo", "a": 5}', '{"b": "são paulo", "c": ["x"]}']
    assert combined(*texts) == '{"b": "são paulo", "a": "5 pm"}'
    assert combined(texts[0]) == texts[0]
    assert json.loads(combined(*texts)) == {"b": "são paulo", "a": "5 pm"}


def test_texts_that_are_no_slots_are_abstentions_and_are_counted() -> None:
    row = [[Candidate(text, certain(text))] for text in ("none", "", '{"a": "x"}')]
    labels = WeakTexts(["1", "2", "3"], tuple("abc"), [row, [row[0], [], row[1]], [[], [], []]])
    targets = slot_vote(labels)
    assert (targets.items, targets.texts, targets.weight.tolist()) == (["1"], ['{"a": "x"}'], [1.0])
    assert "Texts that are no JSON object of slots, which count as no vote: 4." in targets.origin
    assert "Items without a text that could be read, left out: 2." in targets.origin


@pytest.mark.parametrize("option", [{"threshold": 1.0}, {"threshold": -0.1}, {"weight": "half"}])
def test_other_options_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(option))} is .*not `?{next(iter(option.values()))}"):
        slot_vote(written("{}"), **option)


# ---- what must not matter --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_every_source_twice_changes_nothing(seed: int) -> None:
    labels, _ = systems(np.random.default_rng(seed), 200)
    twice = WeakTexts(labels.items, tuple("abcdef"), [[*row, *row] for row in labels.candidates])
    once, again = slot_vote(labels), slot_vote(twice)
    assert once.texts == again.texts
    np.testing.assert_allclose(once.weight, again.weight, rtol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_source_is_what_it_says(seed: int) -> None:
    labels, _ = systems(np.random.default_rng(seed), 200)
    alone = slot_vote(labels.only(["b"]))
    spoken = {item: parse_slots(row[1][0].text) for item, row in zip(labels.items, labels.candidates, strict=True)}
    assert alone.items == [item for item, slots in spoken.items() if slots is not None]
    for item, text in zip(alone.items, alone.texts, strict=True):
        assert set(parse_slots(text) or []) == set(spoken[item] or [])
    assert alone.weight.tolist() == [1.0] * len(alone)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_sources_matters_in_ties_only(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(200):
        sets = drawn_sets(rng, 5)
        turned = [sets[number] for number in rng.permutation(5)]
        one, other = combine_slots(sets), combine_slots(turned)
        assert sorted(slot.type for slot in one.slots) == sorted(slot.type for slot in other.slots)
        assert one.weight == pytest.approx(other.weight)


# ---- what it is good for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_three_systems_together_beat_each_of_them(seed: int) -> None:
    labels, gold = systems(np.random.default_rng(seed), 800)
    targets = slot_vote(labels)
    found = dict(zip(targets.items, targets.texts, strict=True))
    together = slu_f1([found.get(item, "") for item in labels.items], gold)
    apart = [slu_f1([row[number][0].text for row in labels.candidates], gold) for number in range(len(MISTAKES))]
    assert together > max(apart) + 0.02
    place = {item: number for number, item in enumerate(labels.items)}
    counts = slot_counts(targets.texts, [gold[place[item]] for item in targets.items])
    wrong = (counts[:, 1:] > 0).any(axis=1)
    assert targets.weight[wrong].mean() < targets.weight[~wrong].mean(), "weights tell where it is wrong"
