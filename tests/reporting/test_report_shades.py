"""Texts in coloured stretches: nothing of the text is lost, and no probability."""

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.align.pieces import PieceTable
from outgrow.reporting.evidence.text_columns import shades
from outgrow.reporting.examples import printable, show_probability, tenth
from outgrow.texts import certain

LETTERS = [*'ab {}":', "é", "李", "😀", "e\u0301", "\u202e", "\n"]


def random_table(rng: np.random.Generator, text: str, closed: bool) -> PieceTable:
    """Pieces that end at any byte, some of them empty."""
    length = len(text.encode())
    inner = np.sort(rng.integers(0, length + 1, size=rng.integers(0, 2 * length + 3)))
    end = np.append(inner, length)
    table = PieceTable(end, -rng.exponential(0.5, size=len(end)))
    return table.close(-float(rng.exponential(0.5)), length) if closed else table


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_stretches_spell_the_text_and_keep_its_probability(seed: int, closed: bool) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(100):
        text = "".join(rng.choice(LETTERS, size=rng.integers(0, 9)))
        table = random_table(rng, text, closed)
        found = shades(text, table)
        assert "".join(one.text for one in found.stretches) == text
        assert (found.end is None) == (not closed)
        product = np.prod([one.probability for one in found.stretches]) * (found.end or 1.0)
        assert product == pytest.approx(np.exp(table.logprob.sum()), rel=1e-9)


def test_pieces_within_a_character_are_joined() -> None:
    logprob = np.log([0.5, 0.8, 0.9])
    found = shades("é!", PieceTable(np.asarray([1, 2, 3]), logprob))
    assert [one.text for one in found.stretches] == ["é", "!"]
    assert [one.probability for one in found.stretches] == pytest.approx([0.4, 0.9])


def test_gold_is_one_certain_stretch() -> None:
    assert shades("{}", certain("{}")) == ((("{}", 1.0),), 1.0)


def test_colours_are_tenths() -> None:
    assert [tenth(one) for one in (0.0, 0.0999, 0.1, 0.55, 0.9, 1.0)] == [0, 0, 1, 5, 9, 9]
    assert [show_probability(one) for one in (1.0, 0.424, 0.00003)] == ["1.00", "0.42", "3e-05"]


def test_control_characters_are_shown() -> None:
    assert printable("a\x00\x1b[0m\x7f\tb\n") == "a␀␛[0m␡\tb\n"
