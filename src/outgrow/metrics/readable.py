"""Whether a generated text can be read as an answer. The score counts an unreadable text as wrong.

| an item whose | is readable if |
|---|---|
| right answer is one of several (`allowed`) | the metric finds one of these in the text, the right one or another |
| metric is `slu_f1` or `slu_f1_any_case` | the text is a JSON object of slots |
| metric is `answer_match` or `math_match`, gold has a final answer | the text has one |

A right answer is readable in any form. For other items readability is undefined: any text may be an answer.
`answer_in` returns the answer of a text.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float

from outgrow.metrics.final_answer import final_answer
from outgrow.metrics.slu_f1 import parse_slots
from outgrow.metrics.stated_choice import stated_choice
from outgrow.metrics.text_score import TEXT_METRICS, Each
from outgrow.metrics.words import normalise


def can_tell(metric: str, gold: str, allowed: Sequence[str] = ()) -> bool:
    """Whether readability is defined for an item."""
    if allowed:
        return TEXT_METRICS[metric].each is not None
    return TEXT_METRICS[metric].of_slots or (TEXT_METRICS[metric].of_final_answers and final_answer(gold) is not None)


def is_readable(metric: str, text: str, gold: str, allowed: Sequence[str] = ()) -> bool:
    """Whether a text is an answer to an item for which `can_tell` is true."""
    if TEXT_METRICS[metric].of_slots:
        return parse_slots(text) is not None
    if not allowed:
        return final_answer(text) is not None or bool(_each(metric)([text], [gold])[0])
    return bool(_values(metric, text, allowed).any())


def chosen_option(metric: str, text: str, allowed: Sequence[str]) -> int | None:
    """The index of the allowed answer that a text gives; `None` if it gives none, or several.

    It is the answer with the best score. Among several with the best score it is the one that the text states
    (`metrics.stated_choice`), or the first one if all of them are the same text.
    """
    values = _values(metric, text, allowed)
    best = np.flatnonzero(values == values.max()).tolist() if values.any() else []
    if len({normalise(allowed[index]) for index in best}) < 2:
        return best[0] if best else None
    stated = stated_choice(text, (), allowed)
    return stated.number if stated is not None and stated.number in best else None


def _values(metric: str, text: str, allowed: Sequence[str]) -> Float[np.ndarray, "option"]:
    if not TEXT_METRICS[metric].by_spelling:
        return _each(metric)([text] * len(allowed), allowed)
    values = np.zeros(len(allowed))
    position = _positions(tuple(allowed)).get(normalise(text))
    if position is not None:
        values[position] = 1.0
    return values


def _each(metric: str) -> Each:
    each = TEXT_METRICS[metric].each
    assert each is not None, "only called for metrics that are means"
    return each


def answer_in(metric: str, text: str, allowed: Sequence[str] = ()) -> str | int | None:
    """The answer of a text, in a form in which equal answers can be counted.

    The index of the option if the item has options, the final answer if the metric compares final answers, otherwise
    the normalised text. `None` if the text has no option or no final answer.
    """
    if allowed and TEXT_METRICS[metric].each is not None:
        return chosen_option(metric, text, allowed)
    return final_answer(text) if TEXT_METRICS[metric].of_final_answers else normalise(text)


@lru_cache(maxsize=1 << 12)
def _positions(texts: tuple[str, ...]) -> dict[str, int]:
    """The first position of each normalised text."""
    positions: dict[str, int] = {}
    for index, text in enumerate(texts):
        positions.setdefault(normalise(text), index)
    return positions
