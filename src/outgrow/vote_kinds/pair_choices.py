"""Cells that say which of two texts is better: words, names of systems, numbers, probabilities, strengths.

    a, A, first, model_a, [[A]], response_1, output_1, left …    the first text; b, second … the other
    tie, draw, equal, both, neither, tie (bothbad), [[C]] …      a tie
    A>B, A>>B, A=B                                               with strength
    1, 2, 0                                                      the first, the second, a tie
    1.00021, 1.9983                                              1 + the probability of the second
    the name of a system                                         that system's text

A strength m of at most M is the share (1 + m / M) / 2 of the stronger text; a share of exactly one half is a tie.
Numbers with two readings are asked about: a probability of which text, which text a positive number prefers.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from outgrow.comparisons import TIE, A, B
from outgrow.errors import ConfigError
from outgrow.readers.column_roles import plain
from outgrow.text_format import listed

Scale = Literal["auto", "one_two", "p_first", "p_second", "one_plus_p_second", "margin_first", "margin_second"]
SCALES = ("one_two", "p_first", "p_second", "one_plus_p_second", "margin_first", "margin_second")

_SIDES = {"model": "model", "response": "", "output": "", "answer": "", "assistant": "", "text": "", "system": ""}
FIRST = {"a", "1", "first", "left", *(f"{noun}{side}" for noun in _SIDES for side in ("a", "1"))}
SECOND = {"b", "2", "second", "right", *(f"{noun}{side}" for noun in _SIDES for side in ("b", "2"))}
TIED = {"c", "tie", "draw", "equal", "same", "both", "neither", "tiebothbad", "bothbad", "bothgood", "nopreference"}
ARROWS = re.compile(r"\W*([ab])\s*(>{1,3}|<{1,3}|=)\s*([ab])\W*", re.IGNORECASE)
A_SHARE, B_SHARE, TIE_SHARE = np.eye(3)
NOTHING = np.full(3, np.nan)
"""Of a cell that no word explains."""


def shares_of_words(
    names: Sequence[str], first: Sequence[str], second: Sequence[str], tie: Sequence[str]
) -> Float[np.ndarray, "name 3"]:
    """The shares of the first text, the second and a tie, as the usual words and the given ones say; nan = unknown.

    >>> shares_of_words(["[[A]]", "B>>A", "a > b", "tie (bothbad)", "gpt"], (), (), ()).round(2).tolist()[:4]
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]
    """
    strengths = {name: _strength(name) for name in names}
    strongest = max((abs(value) for value in strengths.values() if value is not None), default=1) or 1
    given = {**dict.fromkeys(first, A_SHARE), **dict.fromkeys(second, B_SHARE), **dict.fromkeys(tie, TIE_SHARE)}
    shares = []
    for name in names:
        strength, word = strengths[name], plain(name)
        if name in given:
            shares.append(given[name])
        elif strength is not None:
            shares.append(with_ties(np.array([0.5 + strength / strongest / 2]))[0])
        elif word in FIRST:
            shares.append(A_SHARE)
        elif word in SECOND:
            shares.append(B_SHARE)
        else:
            shares.append(TIE_SHARE if word in TIED else NOTHING)
    return np.asarray(shares).reshape(-1, 3)


def _strength(name: str) -> int | None:
    """A>>B is 2, B>A is -1; None for other texts."""
    found = ARROWS.fullmatch(name)
    if found is None or found[1].lower() == found[3].lower():
        return None
    size = 0 if found[2] == "=" else len(found[2]) * (1 if ">" in found[2] else -1)
    return size if found[1].lower() == "a" else -size


def with_ties(of_first: Float[np.ndarray, "cell"]) -> Float[np.ndarray, "cell 3"]:
    """Shares of the first text as shares of first, second and tie; one half is a tie."""
    shares = np.stack([of_first, 1 - of_first, np.zeros_like(of_first)], axis=1)
    shares[of_first == 0.5] = TIE_SHARE
    return shares


def shares_of_numbers(
    values: Float[np.ndarray, "cell"], scale: Scale, strongest: float | None, subject: str
) -> Float[np.ndarray, "cell 3"]:
    """The shares of the first text, the second and a tie that numbers stand for. `subject` is the column.

    Raises `ConfigError` for numbers that can be read in two ways, and for numbers outside the scale.
    """
    scale = _scale_of(values, subject) if scale == "auto" else scale
    if scale == "one_two":
        _require(np.isin(values, (0, 1, 2)), values, scale, "the numbers 1, 2 and 0", subject)
        return np.asarray(np.eye(3)[np.array([TIE, A, B])[values.astype(int)]])
    if scale == "one_plus_p_second":
        is_tie = values == 0
        _require(is_tie | ((values >= 1) & (values <= 2)), values, scale, "numbers from 1 to 2", subject)
        return with_ties(np.where(is_tie, 0.5, 2 - values))
    if scale in ("p_first", "p_second"):
        _require((values >= 0) & (values <= 1), values, scale, "numbers from 0 to 1", subject)
        return with_ties(values if scale == "p_first" else 1 - values)
    most = float(np.abs(values).max()) or 1.0 if strongest is None else strongest
    _require(np.abs(values) <= most, values, scale, f"numbers from {-most:g} to {most:g}", subject)
    return with_ties(0.5 + (values if scale == "margin_first" else -values) / most / 2)


def _require(inside: np.ndarray, values: np.ndarray, scale: str, wanted: str, subject: str) -> None:
    if not inside.all():
        raise ConfigError(f"{subject}: `scale={scale}` needs {wanted}, found {values[~inside][0]:g}")


def _scale_of(values: Float[np.ndarray, "cell"], subject: str) -> Scale:
    """The scale of numbers with one reading. Raises `ConfigError` that asks for it otherwise."""
    low, high, whole = values.min(), values.max(), bool((values == np.round(values)).all())
    if whole and low >= 0 and high == 2:
        return "one_two"
    if not whole and (values[values != 0] >= 1).all() and high <= 2:
        return "one_plus_p_second"
    found = f"{subject}: the choices are numbers from {low:g} to {high:g}"
    if low < 0:
        raise ConfigError(f"{found}; which text does a positive one prefer? `scale=margin_first` or `margin_second`")
    if not whole and high <= 1:
        raise ConfigError(f"{found}; of which text are they the probability? `scale=p_first` or `scale=p_second`")
    if whole and high <= 3:
        seen = ",".join(f"{value:g}" for value in np.unique(values))
        raise ConfigError(
            f"{found} ({seen}); say what they mean, such as `first_is=1 second_is=0`, and `tie_is=…` if one is a tie"
        )
    raise ConfigError(f"{found}, which are no preferences; name the column of choices with `choice=COLUMN`")


def unknown_choice(name: str, place: str) -> ConfigError:
    """The error for a cell that nothing explains."""
    return ConfigError(
        f"{place}: the choice `{name}` is not known; say what it means with `first_is={name}`, `second_is={name}` or"
        f" `tie_is={name}`, or leave it out with `abstain={name}`"
    )


def refuse_double_meaning(words: Sequence[str], subject: str) -> None:
    """Raise `ConfigError` for choices that name a place and a system."""
    if words:
        raise ConfigError(
            f"{subject}: {listed(words)} may be a place or the name of a system; say `choices=places` or"
            " `choices=systems`"
        )
