"""The leak check against a quadratic definition, and what counts as the same text."""

import numpy as np
import pytest

from outgrow.data.leak import fingerprint, normalise, screen
from outgrow.data.task import Items


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What’s that?", "what's  THAT"),
        ("ﬁne — print", "fine print"),
        ("Straße", "STRASSE"),
        ("e\u0301tude", "étude."),
        ("“quoted”", '"quoted"'),
    ],
)
def test_same_text_in_other_clothes(one, other):
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(("one", "other"), [("1 + 2", "1 * 2"), ("a < b", "a > b"), (":)", ":("), ("no one", "noone")])
def test_other_texts_stay_apart(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_options_count_in_any_order():
    assert fingerprint("q", ["a", "b"]) == fingerprint("Q?", ["B", "a."])
    assert fingerprint("q", ["a", "b"]) != fingerprint("q", ["a", "c"])
    assert fingerprint("q", ["a"]) != fingerprint("q a")


def test_normalising_twice_changes_nothing():
    for text in ["  A, b;  C ", "...", "Ⅷ’s", "İstanbul"]:
        assert normalise(normalise(text)) == normalise(text)


def random_items(seed):
    generator = np.random.default_rng(seed)
    words = ["Alpha", "alpha!", "beta", "BETA ", "gamma", "delta"]
    n = 40
    return Items(
        ids=[str(i) for i in range(n)],
        prompts=[f"{generator.choice(words)} {generator.choice(words)}" for _ in range(n)],
        gold=generator.integers(0, 2, n),
        parts=generator.choice(["train", "test"], n, p=[0.7, 0.3]).tolist(),
        groups=[f"g{i}" for i in generator.integers(0, 30, n)],
    )


@pytest.mark.parametrize("seed", range(20))
def test_screen_is_its_definition(seed):
    items = random_items(seed)
    same = [[normalise(a) == normalise(b) for b in items.prompts] for a in items.prompts]
    test = [i for i, part in enumerate(items.parts) if part == "test"]
    keep = []
    for i, part in enumerate(items.parts):
        copy = any(same[i][j] for j in range(i) if items.parts[j] == part)
        leak = part == "train" and any(same[i][j] or items.groups[i] == items.groups[j] for j in test)
        if not copy and not leak:
            keep.append(i)
    assert screen(items).keep.tolist() == keep


def test_notes_count_copies_conflicts_and_leaks():
    items = Items(
        ids=list("abcdef"),
        prompts=["x", "X", "x!", "y", "z", "Y"],
        gold=np.array([0, 0, 1, 0, 1, 0]),
        parts=["train"] * 5 + ["test"],
    )
    keep, notes = screen(items)
    assert keep.tolist() == [0, 4, 5]
    assert notes[0] == "Duplicates left out: 2 (1 of them with another label than the first copy)."
    assert notes[1].endswith("with a test item: 1.")


def test_copies_with_shuffled_options_do_not_conflict():
    items = Items(["a", "b"], ["q", "q"], np.array([0, 1]), [["yes", "no"], ["no", "yes"]])
    assert screen(items).notes == ("Duplicates left out: 1.",)
