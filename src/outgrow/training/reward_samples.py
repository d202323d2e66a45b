"""What a reward model reads and learns from: samples as tokens, and how one loss covers both kinds of comparison.

A sample is read as a student reads it: the conversation of the item's prompt, the text, and the end of the sequence,
whether or not its writer ended it.

With r the reward of a text, every comparison has a margin m and the loss −ln σ(m):

    pointwise    m = r for a good text, m = −r for a bad one          binary cross-entropy of "is good"
    pairwise     m = r(good) − r(bad)                                 Bradley & Terry 1952
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from outgrow.generation.chat import Prompt
from outgrow.select.comparisons import Sample, make_pairs
from outgrow.texts import TextTargets, certain
from outgrow.training.reward_plan import Numbers
from outgrow.training.text_tokenizer import TextRow, TextTokenizer, tokenize_targets

Comparison = tuple[tuple[int, int], ...]
"""(sign, number of a sample): its one text, or the better and the worse one."""


class ReadableSamples(NamedTuple):
    """The samples that a model can read, and what became of the others."""

    kept: Numbers
    """Their numbers among all samples."""
    rows: list[TextRow]
    left_out: Mapping[str, Sequence[str]]
    """Items by the reason why a text of theirs is not read."""


def read_samples(samples: Sequence[Sample], prompts: Mapping[str, Prompt], reader: TextTokenizer) -> ReadableSamples:
    """Samples as tokens; `prompts` by item. `DataError` if none can be read, or for an item without a prompt."""
    items, texts = [sample.item for sample in samples], [sample.text for sample in samples]
    read = tokenize_targets(
        TextTargets(items, texts, [certain(text) for text in texts], np.ones(len(texts))), prompts, reader
    )
    return ReadableSamples(np.asarray(read.kept, dtype=np.int64), read.rows, read.left_out)


def comparisons_of(
    samples: Sequence[Sample], good: Numbers, bad: Numbers, pairwise: bool, seed: int, passes: int = 1
) -> list[Comparison]:
    """What is to be learned of some good and some bad samples, of which there is at least one each."""
    if not pairwise:
        return [((sign, number),) for sign, numbers in ((1, good), (-1, bad)) for number in numbers.tolist()]
    better, worse = ([samples[number] for number in numbers.tolist()] for numbers in (good, bad))
    pairs = make_pairs(better, worse, seed, passes)
    return [((1, int(good[one])), (-1, int(bad[other]))) for one, other in pairs.tolist()]


class RewardFit(NamedTuple):
    """What a reward model says when it has learned, and how it came to it."""

    reward: Float[np.ndarray, "asked"]
    about: Mapping[str, Any]
    """For `reward.json`."""
    metrics: Sequence[Mapping[str, float]]
    """One entry per update."""


@runtime_checkable
class RewardLearner(Protocol):
    """Learns samples anew as often as asked."""

    def learn(self, number: int, good: Numbers, bad: Numbers, asked: Numbers) -> RewardFit:
        """Learn from good and bad samples, then say the reward of the samples `asked`; `number` names the training."""
