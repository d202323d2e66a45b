"""Can a generated text be read as an answer at all? Counted beside the score, in which such a text is simply wrong.

| an item whose | can be read if |
|---|---|
| right answer is one of several (`allowed`) | the metric finds one of these in the text, the right one or another |
| metric is `slu_f1` or `slu_f1_any_case` | the text is a JSON object of slots |
| metric is `answer_match` or `math_match`, gold has a final answer | the text has one |

A right answer can be read, however it is written. Of other items nothing can be told: any text may be an answer.
`answer_in` says which answer it is.
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
    """Whether it can be told of an item what is no answer."""
    if allowed:
        return TEXT_METRICS[metric].each is not None
    return TEXT_METRICS[metric].of_slots or (TEXT_METRICS[metric].of_final_answers and final_answer(gold) is not None)


def is_readable(metric: str, text: str, gold: str, allowed: Sequence[str] = ()) -> bool:
    """Whether a text is an answer to an item of which `can_tell` holds."""
    if TEXT_METRICS[metric].of_slots:
        return parse_slots(text) is not None
    if not allowed:
        return final_answer(text) is not None or bool(_each(metric)([text], [gold])[0])
    return bool(_values(metric, text, allowed).any())


def chosen_option(metric: str, text: str, allowed: Sequence[str]) -> int | None:
    """The number of the allowed answer that a text gives; `None` if it gives none, or several.

    It is the one that the metric finds best; of several that are equally good the one that the text states
    (`metrics.stated_choice`), or the first one that is no other text.
    """
    values = _values(metric, text, allowed)
    best = np.flatnonzero(values == values.max()).tolist() if values.any() else []
    if len({normalise(allowed[number]) for number in best}) < 2:
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
    assert each is not None, "only asked of metrics that are means"
    return each


def answer_in(metric: str, text: str, allowed: Sequence[str] = ()) -> str | int | None:
    """What a text answers, so that equal answers can be counted.

    The number of the option where the item has some, the final answer where the metric looks for one, else the text
    itself; `None` for an option or a final answer that is not there.
    """
    if allowed and TEXT_METRICS[metric].each is not None:
        return chosen_option(metric, text, allowed)
    return final_answer(text) if TEXT_METRICS[metric].of_final_answers else normalise(text)


@lru_cache(maxsize=1 << 12)
def _positions(texts: tuple[str, ...]) -> dict[str, int]:
    """By normalised text, its first position."""
    positions: dict[str, int] = {}
    for index, text in enumerate(texts):
        positions.setdefault(normalise(text), index)
    return positions
