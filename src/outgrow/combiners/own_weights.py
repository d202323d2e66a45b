"""How much each label of an item counts, by what the label says of itself: a softmax over the item's sources.

    lambda_s = exp(score_s) / sum over the sources that answered of exp(score_u)

    likelihood         texts: mean over the pieces of ln p, minus the cross-entropy per piece
                       votes: ln of the largest probability, so that lambda is proportional to it
    entropy            texts: minus the mean over the pieces of h(p) = -p ln p - (1-p) ln(1-p)
                       votes: minus the entropy
    max_probability    texts: mean over the pieces of p
                       votes: the largest probability

These are weights per sequence of several teachers (after the description of NeMo RL's multi-teacher distillation,
2026). There every teacher reads the same text, and entropy and largest probability are those of its distribution over
the vocabulary. Here each teacher has written its own text, and of a piece only its probability p is known: h(p), of
"this piece or another", is a lower bound of the entropy, and p is the largest probability where the text was written
greedily. A piece is a token of the source, whatever its tokenizer; a text without pieces counts as certain.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from outgrow.lazy import special
from outgrow.texts import WeakTexts


def _binary_entropy(logprob: Float[np.ndarray, "piece"]) -> Float[np.ndarray, "piece"]:
    """h(p) in nats, of p = e^logprob."""
    p = np.exp(np.minimum(logprob, 0.0))
    return np.asarray(special.entr(p) + special.entr(1 - p))


SCORES_OF_TEXTS: Mapping[str, Callable[[Float[np.ndarray, "piece"]], float]] = {
    "likelihood": lambda logprob: float(logprob.mean()) if len(logprob) else 0.0,
    "entropy": lambda logprob: -float(_binary_entropy(logprob).mean()) if len(logprob) else 0.0,
    "max_probability": lambda logprob: float(np.exp(logprob).mean()) if len(logprob) else 1.0,
}
"""By the option's value, the score of a text from the log-probabilities of its pieces."""
SCORES_OF_VOTES: Mapping[str, Callable[[Float[np.ndarray, "*vote class"]], Float[np.ndarray, "*vote"]]] = {
    "likelihood": lambda probs: np.log(np.maximum(probs.max(axis=-1), np.finfo(float).tiny)),
    "entropy": lambda probs: -special.entr(probs).sum(axis=-1),
    "max_probability": lambda probs: probs.max(axis=-1),
}
"""The same of a vote, from its probabilities."""


def own_weights_of_texts(labels: WeakTexts, by: str) -> Float[np.ndarray, "item source"]:
    """Weights of every source's best text, which sum to 1 over an item's; 0 where a source abstains."""
    scores = np.full((len(labels.items), len(labels.sources)), -np.inf)
    for item, source, rank, candidate in labels.rows():
        if rank == 0:
            scores[item, source] = SCORES_OF_TEXTS[by](candidate.pieces.logprob)
    return softmax_over_sources(scores)


def own_weights_of_votes(probs: Float[np.ndarray, "item source class"], by: str) -> Float[np.ndarray, "item source"]:
    """The same of votes; a row of zeros is an abstention."""
    return softmax_over_sources(np.where(probs.any(axis=-1), SCORES_OF_VOTES[by](probs), -np.inf))


def softmax_over_sources(scores: Float[np.ndarray, "item source"]) -> Float[np.ndarray, "item source"]:
    """Softmax of each row; -inf, and rows of nothing else, give 0."""
    silent = ~np.isfinite(scores).any(axis=1)
    share = np.asarray(special.softmax(np.where(silent[:, None], 0.0, scores), axis=1))
    share[silent] = 0.0
    return share
