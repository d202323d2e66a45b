"""Every source's best text is a row of its own: naive and Bayesian multi-weak on texts (paper 1, equation 11).

An item's rows have weights λ_i that sum to 1 over the sources that answered it; a source that abstains passes its
weight on to the others. `weights: confidence` is the "dynamic" weighting of table 9: a softmax over the item's sources
of the mean log-probability per word, where words stand between spaces and the end of the text counts to the last one,
as in the released code. A word's log-probability is the sum over its pieces, so the mean is that of the whole text
divided by its words, and sources with different tokenizers are compared by the same measure. Further rules are in
`own_weights`.

An empty text is an answer (there are no slots), and so is one that was cut off; `TextTargets.origin` counts both.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from outgrow.align.group import word_ends
from outgrow.combiners.own_weights import SCORES_OF_TEXTS, own_weights_of_texts, softmax_over_sources
from outgrow.combiners.weights import given_weights
from outgrow.errors import ConfigError
from outgrow.texts import Candidate, TextTargets, WeakTexts


def keep_all_texts(
    labels: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    weights: str | Mapping[str, float] = "average",
) -> TextTargets:
    """A row per (item, answering source), with that source's best text.

    `weights`: `average`, `confidence`, a score of `own_weights`, or numbers by source name, where an absent name
    counts 0. Items without any answer that counts have no row. Raises `ConfigError` for other weights.
    """
    answered = np.asarray([[bool(candidates) for candidates in row] for row in labels.candidates], dtype=bool)
    answered = answered.reshape(len(labels.items), len(labels.sources))
    if weights == "confidence":
        share = confidence_weights(labels)
    elif weights == "average":
        share = answered.astype(float)
    elif isinstance(weights, str):
        if weights not in SCORES_OF_TEXTS:
            names = ", ".join(f"`{name}`" for name in ("average", "confidence", *SCORES_OF_TEXTS))
            raise ConfigError(f"weights of texts are {names} or numbers by name, not `{weights}`")
        share = own_weights_of_texts(labels, weights)
    else:
        share = answered * given_weights(weights, labels.sources)
    return text_rows(labels, share)


def single_text(
    labels: WeakTexts, scores: Mapping[str, WeakTexts] | None = None, source: str | None = None
) -> TextTargets:
    """One source's best texts as they are; without `source` there must be only one, or a `ConfigError` says so."""
    if source is None and len(labels.sources) > 1:
        raise ConfigError(f"`combine: single` takes one source of {', '.join(labels.sources)}; name it as `source`")
    return keep_all_texts(labels if source is None else labels.only([source]))


def text_rows(labels: WeakTexts, share: Float[np.ndarray, "item source"]) -> TextTargets:
    """Targets with one row wherever `share` is positive, weights normalised within each item."""
    total = share.sum(axis=1, keepdims=True)
    item, source = np.nonzero(share)
    best = [labels.candidates[i][s][0] for i, s in zip(item.tolist(), source.tolist(), strict=True)]
    names = [labels.items[i] for i in item.tolist()]
    weight = (share / np.where(total > 0, total, 1.0))[item, source]
    silent = int((total == 0).sum())
    origin = [f"Items without an answer that counts, left out: {silent}."] if silent else []
    origin += remarks(best)
    return TextTargets(names, [text.text for text in best], [text.pieces for text in best], weight, tuple(origin))


def remarks(texts: Sequence[Candidate]) -> list[str]:
    """Sentences on unusual texts among those that become labels."""
    empty, cut_off = sum(text.text == "" for text in texts), sum(not text.has_end for text in texts)
    notes = [f"Empty texts among the {len(texts)} labels: {empty}."] if empty else []
    notes += [f"Labels that were cut off, without an end to learn: {cut_off}."] if cut_off else []
    return notes


def confidence_weights(labels: WeakTexts) -> Float[np.ndarray, "item source"]:
    """Softmax over an item's sources of their best text's mean log-probability per word; 0 where one abstains."""
    scores = np.full((len(labels.items), len(labels.sources)), -np.inf)
    for item, row in enumerate(labels.candidates):
        for source, candidates in enumerate(row):
            if candidates:
                scores[item, source] = logprob_per_word(candidates[0])
    return softmax_over_sources(scores)


def logprob_per_word(candidate: Candidate) -> float:
    """Mean over the words of a text of the sum of their pieces' log-probabilities, in nats."""
    n_words = len(word_ends(candidate.text.encode())) - 1  # the last one is the end of the sequence
    return candidate.logprob / n_words
