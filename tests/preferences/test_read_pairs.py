"""Preferences in the forms that people have: which text a cell prefers, what is one pair, and what must be asked."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, DataError
from outgrow.vote_kinds import kind_of
from outgrow.vote_kinds.pair_choices import shares_of_numbers, shares_of_words
from outgrow.vote_kinds.pair_columns import PairColumns
from outgrow.vote_kinds.pair_rows import read_pairs

SHARED = Path(__file__).parents[3] / "shared"
ARENA = [
    {"question_id": 1, "model_a": "x", "model_b": "y", "winner": "model_a", "judge": "ann", "turn": 1},
    {"question_id": 1, "model_a": "y", "model_b": "x", "winner": "model_a", "judge": "ben", "turn": 1},
    {"question_id": 1, "model_a": "x", "model_b": "y", "winner": "tie (bothbad)", "judge": "cem", "turn": 1},
    {"question_id": 1, "model_a": "x", "model_b": "y", "winner": "model_b", "judge": "ann", "turn": 2},
]


def read(rows, **columns):
    return read_pairs(rows, PairColumns.model_validate(columns))


def leads(votes):
    """By judge and prompt the lead of the alphabetically first system or text."""
    found = {}
    for v in range(votes.n_votes):
        pair = votes.pair[v]
        sides = [votes.systems[s] for s in votes.pair_system[pair]] if votes.systems else ["0", "1"]
        sign = 1 if sides == sorted(sides) else -1
        found[votes.judges[votes.judge[v]], votes.items[votes.pair_item[pair]]] = round(sign * votes.lead[v], 6)
    return found


def test_systems_in_both_orders_are_one_pair_and_turns_are_two_prompts():
    votes = read(ARENA)
    assert votes.items == ["1,1", "1,2"]
    assert votes.n_pairs == 2
    assert votes.both_orders
    assert leads(votes) == {("ann", "1,1"): 1, ("ben", "1,1"): -1, ("cem", "1,1"): 0, ("ann", "1,2"): -1}
    assert votes.place[votes.judge == votes.judges.index("ben")].tolist() == [-1]
    assert votes.shares[votes.judge == votes.judges.index("cem")].tolist() == [[0, 0, 1]]
    assert kind_of(ARENA).name == "pairs"


def test_a_winner_may_be_a_system_by_name():
    rows = [
        dict(row, winner={"model_a": row["model_a"], "model_b": row["model_b"]}.get(row["winner"], "tie"))
        for row in ARENA
    ]
    assert leads(read(rows)) == leads(read(ARENA))


def test_a_name_that_is_also_a_place_is_asked_about():
    rows = [{"id": 1, "system_a": "b", "system_b": "a", "winner": "a", "judge": "ann"}]
    with pytest.raises(ConfigError, match="choices=places"):
        read(rows)
    assert read(rows, choices="systems").shares.tolist() == [[0, 1, 0]]
    assert read(rows, choices="places").shares.tolist() == [[1, 0, 0]]


def test_alpaca_eval_annotations():
    rows = [
        {
            "instruction": "do",
            "output_1": "u",
            "generator_1": "m1",
            "output_2": "v",
            "generator_2": "m2",
            "annotator": j,
            "preference": p,
        }
        for j, p in (("one", 1.00021), ("two", 1.9983), ("three", 1.5), ("four", 2.0), ("five", 0))
    ]
    votes = read(rows)
    assert votes.n_pairs == 1
    assert votes.systems == ("m1", "m2")
    lead = {votes.judges[votes.judge[v]]: votes.shares[v] for v in range(5)}
    np.testing.assert_allclose(lead["one"], [0.99979, 0.00021, 0], atol=1e-9)
    np.testing.assert_allclose(lead["two"], [0.0017, 0.9983, 0], atol=1e-9)
    assert lead["three"].tolist() == lead["five"].tolist() == [0, 0, 1]
    assert lead["four"].tolist() == [0, 1, 0]
    assert votes.texts is not None
    assert (votes.texts.prompt, votes.texts.a, votes.texts.b) == (["do"], ["u"], ["v"])


def test_chosen_and_rejected_texts_have_no_order_and_contradict_each_other():
    rows = [
        {"prompt": "p", "chosen": "good", "rejected": "bad", "annotator": "ann"},
        {"prompt": "p", "chosen": "bad", "rejected": "good", "annotator": "ben"},
        {"prompt": "q", "chosen": "good", "rejected": "bad", "annotator": "ann"},
    ]
    votes = read(rows)
    assert (votes.n_pairs, votes.place.tolist()) == (2, [0, 0, 0])
    by_judge = {
        (votes.judges[j], int(q)): lead for j, q, lead in zip(votes.judge, votes.pair, votes.lead, strict=True)
    }
    assert by_judge == {("ann", 0): 1, ("ben", 0): -1, ("ann", 1): 1}


def test_conversations_stay_lists_of_messages():
    chat = [[{"role": "user", "content": "hi"}, {"role": "assistant", "content": word}] for word in ("yes", "no")]
    votes = read([{"chosen": chat[0], "rejected": chat[1]}, {"chosen": chat[1], "rejected": chat[0]}])
    assert votes.n_pairs == 1
    assert votes.texts is not None
    assert votes.texts.a == [chat[0]]
    assert any("`judge`" in note for note in votes.notes)


def test_a_column_per_judge_and_the_other_columns_are_none():
    rows = [
        {
            "prompt": f"p{i}",
            "response_a": "u",
            "response_b": "v",
            "ann": "A",
            "ben": "B" if i else "",
            "notes": "fine",
            "length": 40 + i,
        }
        for i in range(3)
    ]
    votes = read(rows)
    assert votes.judges == ("ann", "ben")
    assert leads(votes) == {("ann", "p0"): 1, ("ann", "p1"): 1, ("ann", "p2"): 1, ("ben", "p1"): -1, ("ben", "p2"): -1}
    assert read(rows, votes="ben").judges == ("ben",)


def test_one_hot_winners():
    rows = [
        {"id": i, "model_a": "x", "model_b": "y", "winner_model_a": a, "winner_model_b": b, "winner_tie": t}
        for i, (a, b, t) in enumerate(((1, 0, 0), (0, 1, 0), (0, 0, 1), (3, 1, 0)))
    ]
    assert read(rows).shares.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.75, 0.25, 0]]


def test_words_of_every_kind():
    names = [
        "A",
        "[[B]]",
        "model_a",
        "response 2",
        "Left",
        "second",
        "tie",
        "[[C]]",
        "neither",
        "A>B",
        "b >> a",
        "A=B",
        "maybe",
    ]
    shares = shares_of_words(names, (), (), ())
    lead = (shares[:, 0] - shares[:, 1]).tolist()
    assert lead[:9] == [1, -1, 1, -1, 1, -1, 0, 0, 0]
    assert lead[9:12] == [0.5, -1, 0]
    assert np.isnan(lead[12])
    assert shares_of_words(["maybe", "A"], (), ("A",), ("maybe",)).tolist() == [[0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_on_every_scale(seed):
    p = np.round(np.random.default_rng(seed).uniform(0.01, 0.49, 9), 4)
    p[::2] = 1 - p[::2]  # one half is a tie
    values = {
        "p_first": p,
        "p_second": 1 - p,
        "one_plus_p_second": 2 - p,
        "margin_first": 3 * (2 * p - 1),
        "margin_second": -3 * (2 * p - 1),
    }
    for scale, cells in values.items():
        shares = shares_of_numbers(cells, scale, 3.0, "a column")
        np.testing.assert_allclose(shares[:, 0], p, atol=1e-12)
        np.testing.assert_allclose(shares.sum(axis=1), 1)
    codes = np.array([0.0, 1, 2])
    assert shares_of_numbers(codes, "auto", None, "").tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert shares_of_numbers(np.array([-2.0, 0, 1]), "margin_first", None, "").tolist() == [
        [0, 1, 0],
        [0, 0, 1],
        [0.75, 0.25, 0],
    ]


@pytest.mark.parametrize(
    ("cells", "option"),
    [
        ([0.2, 0.9], "scale=p_first"),
        ([-3, 0, 2], "scale=margin_first"),
        ([0, 1, 1], "first_is=1"),
        ([1, 2, 3], "tie_is"),
        ([10, 55], "choice=COLUMN"),
        (["A", "dunno"], "abstain=dunno"),
    ],
)
def test_what_has_two_meanings_is_asked_about(cells, option):
    rows = [
        {"id": i, "text_a": "u", "text_b": "v", "preference": cell, "judge": "ann"} for i, cell in enumerate(cells)
    ]
    with pytest.raises(ConfigError) as caught:
        read(rows)
    assert option in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_the_answers_to_these_questions_are_taken():
    def rows(cells):
        return [
            {"id": i, "text_a": "u", "text_b": "v", "preference": cell, "judge": "ann"} for i, cell in enumerate(cells)
        ]

    assert read(rows([0, 1]), first_is=["0"], second_is=["1"]).shares.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert read(rows([1, 2, 3]), tie_is=["3"]).shares.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert read(rows(["A", "dunno"]), abstain=["dunno"]).n_votes == 1
    with pytest.raises(ConfigError, match="needs numbers from 0 to 1"):
        read(rows([0.2, 1.9]), scale="p_first")


def test_half_a_pair_and_no_choice_are_said():
    with pytest.raises(ConfigError, match="second_text=COLUMN"):
        read([{"id": 1, "output_1": "u", "winner": "a", "judge": "x"}])
    with pytest.raises(ConfigError, match="choice=COLUMN"):
        read([{"id": 1, "output_1": "u", "output_2": "v", "comment": "hm"}])
    with pytest.raises(DataError, match="two different texts"):
        read([{"id": 1, "text_a": "u", "text_b": "u", "winner": "a"}])
    with pytest.raises(DataError, match="no preference"):
        read([{"id": 1, "text_a": "u", "text_b": "w", "winner": ""}])
    with pytest.raises(DataError, match="row 2"):
        read([{"id": i, "text_a": "u", "text_b": "w" if i else "", "winner": "a"} for i in (1, 0)])


def test_orders_of_a_judge_that_was_asked_twice():
    rows = [
        {
            "item": "p",
            "source": f"j/{order}",
            "source_group": "j",
            "order": order,
            "label": max(p, key=p.get),
            "probabilities": p,
        }
        for order, p in (("ab", {"A": 0.9, "B": 0.1}), ("ba", {"A": 0.3, "B": 0.7}))
    ]
    assert kind_of(rows).name == "pairs"
    votes = read(rows)
    assert votes.judges == ("j",)
    assert votes.n_pairs == 1
    assert votes.both_orders
    by_place = {int(place): shares.tolist() for place, shares in zip(votes.place, votes.shares, strict=True)}
    np.testing.assert_allclose(by_place[1], [0.9, 0.1, 0])
    np.testing.assert_allclose(by_place[-1], [0.3, 0.7, 0])
    as_text = [row | {"probabilities": json.dumps(row["probabilities"])} for row in rows]
    np.testing.assert_allclose(read(as_text).shares, votes.shares)
    with pytest.raises(DataError, match="row 1"):
        read([rows[0] | {"probabilities": "0.9"}])
    numbered = [row | {"order": n} for n, row in enumerate(rows)]
    assert kind_of(numbered).name == "classes"
    with pytest.raises(DataError, match="`ab` or `ba`"):
        read(numbered, order="order")


def test_texts_in_the_columns_of_systems_are_asked_about():
    rows = [{"id": i, "first": f"one {i}", "second": f"other {i}", "winner": "a", "judge": "j"} for i in range(30)]
    with pytest.raises(ConfigError, match="first_text=first second_text=second"):
        read(rows)
    assert read(rows, first_text="first", second_text="second").n_pairs == 30


def test_repeated_votes_are_averaged_with_a_note():
    row = {"id": 1, "text_a": "u", "text_b": "v", "judge": "ann"}
    votes = read([row | {"winner": word} for word in ("a", "a", "b", "tie")])
    np.testing.assert_allclose(votes.shares, [[0.5, 0.25, 0.25]])
    assert any("averaged: 1" in note for note in votes.notes)


def test_rows_may_come_in_any_order():
    rng = np.random.default_rng(SEEDS[0])
    rows = [
        {"id": i, "model_a": a, "model_b": b, "winner": w, "judge": j}
        for i in range(6)
        for j in ("ann", "ben", "cem")
        for a, b in [rng.choice(["x", "y", "z"], 2, replace=False).tolist()]
        for w in [rng.choice(["model_a", "model_b", "tie"]).item()]
    ]
    shuffled = [rows[i] for i in rng.permutation(len(rows))]
    one, other = read(rows), read(shuffled)
    assert (one.n_pairs, one.n_votes) == (other.n_pairs, other.n_votes)

    def votes_of(votes):
        found = Counter()
        for v in range(votes.n_votes):
            q = votes.pair[v]
            a, b = (votes.systems[s] for s in votes.pair_system[q])
            shares, place = votes.shares[v].tolist(), int(votes.place[v])
            if a > b:
                a, b, shares, place = b, a, [shares[1], shares[0], shares[2]], -place
            found[votes.items[votes.pair_item[q]], a, b, votes.judges[votes.judge[v]], tuple(shares), place] += 1
        return found

    assert votes_of(one) == votes_of(other)


def test_pandalm():
    path = SHARED / "data" / "crowd" / "pandalm" / "votes.csv"
    if not path.exists():
        pytest.skip("needs ../shared/data/crowd/pandalm")
    with pytest.raises(ConfigError, match="abstain=garbage"):
        outgrow.combine(path, kind="pairs")
    votes = read_pairs(path, PairColumns(abstain=("garbage",)))
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] != "garbage"]
    assert (votes.n_pairs, votes.n_votes) == (999, len(rows))
    meaning = {"1": 1, "2": -1, "0": 0, "Tie": 0}
    wanted = {(row["source"], row["item"]): meaning[row["label"]] for row in rows}
    found = {
        (votes.judges[j], votes.items[votes.pair_item[q]]): lead
        for j, q, lead in zip(votes.judge, votes.pair, votes.lead, strict=True)
    }
    assert found == wanted
    assert votes.shares[:, 2].sum() == sum(meaning[row["label"]] == 0 for row in rows)


def test_the_case_of_alpaca_eval():
    path = SHARED / "cases" / "alpaca_eval" / "annotations.json"
    if not path.exists():
        pytest.skip("needs ../shared/cases/alpaca_eval")
    rows = json.loads(path.read_text())
    combined = outgrow.combine(path)
    assert len(combined.to_arrow()) == len({row["instruction"] for row in rows})
    assert {system.name for system in combined.ranking} == {"m1", "m2"}


def test_annotations_as_alpaca_eval_writes_them(tmp_path):
    """Its other columns are nested or empty, and a completion that could not be parsed has no preference."""
    generator = np.random.default_rng(SEEDS[0])
    rows = [
        {
            "instruction": f"do {number}",
            "output_1": f"base {number}",
            "generator_1": "davinci",
            "dataset": "helpful_base",
            "output_2": f"mine {number}",
            "generator_2": "mine",
            "annotator": "weighted_gpt4",
            "preference": float(generator.uniform(1.6, 1.99)) if number else None,
            "raw_completion": {"text": "m", "logprobs": {"content": [{"token": "m"}]}} if number else None,
            "price_per_example": 0.004,
            "time_per_example": 1.2,
        }
        for number in range(30)
    ]
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(rows))
    combined = outgrow.combine(path)
    assert [(system.rank, system.name) for system in combined.ranking] == [(1, "mine"), (2, "davinci")]
    chosen = combined.to_pandas()
    assert len(chosen) == 29
    assert all(text.startswith("mine") for text in chosen["chosen"])
