"""How many tokens go through a model when it writes, scores, rewrites or judges, before it does so.

What a model of this machine writes is taken to be short, as most answers are; what is bought counts at its longest,
so that the money is an upper bound as long as prompts are as long as they were guessed to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from outgrow.config.endpoint import CHOICE_TOKENS
from outgrow.graph.step import Step
from outgrow.refine import REFINERS
from outgrow.refine.record import TokenSizes

ANSWER_TOKENS = 24
"""Of a text that a model of this machine writes."""
SCORED = 8
"""Candidates of an item that are scored."""
FRAME_TOKENS = 120
"""Of a judge's instructions, those of one who names a style, or a list of classes."""


@dataclass(frozen=True)
class TextSizes:
    """The sizes that all estimates of one study start from."""

    half_a: int
    half_b: int
    test: int
    tokens_per_item: float
    flops: float
    pooled: int | None = None
    """Items in the pool, of which every seed uses `pool`; `None`: not known yet."""

    @property
    def pool(self) -> int:
        """Items that one seed's study uses."""
        return self.half_a + self.half_b + self.test


class TokenTraffic(NamedTuple):
    """Tokens of one step."""

    read: float | int
    written: float | int

    @property
    def total(self) -> float | int:
        return self.read + self.written


def traffic(step: Step, scale: TextSizes) -> TokenTraffic:
    """The tokens of a step `texts`, `scores`, `refined` or `ratings`, or of a supervisor that is asked to choose."""
    params = step.settings
    if step.name == "supervisor":
        return TokenTraffic(scale.pool * (scale.tokens_per_item + FRAME_TOKENS), scale.pool * CHOICE_TOKENS)
    if step.name == "scores":
        return TokenTraffic(scale.half_b * (scale.tokens_per_item + SCORED * ANSWER_TOKENS), 0)
    items = scale.half_b if step.name == "refined" or params.get("part") == "half_b" else scale.test
    per_answer = answer_tokens(params)
    if step.name == "texts":
        return TokenTraffic(items * scale.tokens_per_item, items * per_answer)
    if step.name == "refined":
        return _refining(params, items, per_answer, scale)
    orders = 2 if params["against"] is not None and params["swap"] else 1
    read = FRAME_TOKENS + scale.tokens_per_item + 3 * ANSWER_TOKENS
    return TokenTraffic(orders * items * read, orders * items * per_answer)


def answer_tokens(params: Mapping[str, Any]) -> int:
    """Tokens written per question, over all beams or samples."""
    decoding = params["decoding"]
    rows = decoding["candidates"] if decoding["sample"] else decoding["beams"]
    if params["model"]["type"] == "endpoint":
        return int((rows if decoding["sample"] else 1) * decoding["max_new_tokens"])
    return int(rows * min(ANSWER_TOKENS, decoding["max_new_tokens"]))


def _refining(params: Mapping[str, Any], items: int, per_answer: int, scale: TextSizes) -> TokenTraffic:
    """As the refiner's record counts them."""
    sizes = TokenSizes(items, scale.tokens_per_item, ANSWER_TOKENS, FRAME_TOKENS, per_answer)
    return TokenTraffic(*REFINERS[params["refine"]["type"]].tokens(params["refine"], sizes))
