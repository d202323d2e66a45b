"""A label model of answers: one accuracy per source, where the set of possible answers is not known.

Item i has K possible answers, one of them right. Source s gives the right one with probability a_s, and otherwise any
of the K − 1 others, independently of the other sources. With A one of the d_i different answers to the item,

    P(A is right | answers)    ∝  Π over s with answer A of a_s  ·  Π over the other s of (1 − a_s) / (K − 1)
    P(none is right | answers) ∝  (K − d_i) Π over all s of (1 − a_s) / (K − 1)

What the answers are called does not matter, only which are the same; so the likelihood of an item is that of the
partition of its sources, the sum of the above times (K − 1)! / (K − d_i)!. The accuracies are estimated by
expectation-maximisation, with one pseudo-answer that is right and one that is wrong, for every K on a grid. Where
wrong answers seldom agree K is large, and two sources that agree are right. Items with one set of options have the
same answers again and again, open questions have answers of their own: a priori log₂ K is normal about log₂ of the
number of different answers to all items, with a standard deviation of 1. The K with the highest posterior is kept; the
prior matters for some dozen items.

It is Dawid and Skene's model with one coin, for answers instead of classes. The target is the text with the most
probable answer, whole, as in `answer_vote`; its weight is the probability. Sources that differ are told apart by their
accuracies, so a tie needs equally good ones. A text without an answer is an abstention. Sources that copy one another
look better than they are.

Where gold is known, the answer that is the same as gold is right, or none; the gold text itself is the target if no
source has its answer. With `ENOUGH_GOLD` such items the accuracies are those on gold alone, so that sources that copy
one another do not look better than they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from outgrow.combiners.answer_vote import AnswersSection, answers_in, check_options, kept_text, left_out
from outgrow.combiners.combiner_record import CombinerRecord
from outgrow.combiners.keep_texts import remarks
from outgrow.lazy import special
from outgrow.metrics.text_score import countable_metrics
from outgrow.texts import Candidate, TextTargets, WeakTexts, certain

UNKNOWN, NONE = -2, -1
"""Of an item's right answer: not known; known, and no source gives it."""
TOLERANCE, ROUNDS = 1e-8, 1000
"""Nats per answer: the algorithm stops where a step gains less."""
ENOUGH_GOLD = 50
"""Items with gold from which accuracies are estimated without the other items."""
DOUBLINGS = 12
"""K is tried from the most different answers to an item up to four thousand times that."""
ALONE = 0.98
"""A source is sufficient alone if its answer is the combined one on this share of the items."""


class AnswerOneCoin(AnswersSection):
    """*generate*: the most probable final answer, by the estimated accuracies of the sources; its text is kept."""

    type: Literal["answer_one_coin"]
    weight: Literal["share", "one"] = "share"
    """Of a row: the probability of its answer, or 1."""


class GivenAnswers(NamedTuple):
    """Every source's answer to every item, as numbers."""

    item: Int[np.ndarray, "answer"]
    """The item of every different answer, in the order of the items."""
    answer: Int[np.ndarray, "vote"]
    """Which different answer a source gives."""
    source: Int[np.ndarray, "vote"]
    right: Int[np.ndarray, "item"]
    """The number of the right answer, `NONE` or `UNKNOWN`."""
    n_sources: int
    n_different: int
    """Different answers to all items."""

    @property
    def n_items(self) -> int:
        return len(self.right)

    @property
    def is_wrong(self) -> Bool[np.ndarray, "answer"]:
        """Where gold shows that an answer is not right."""
        right = self.right[self.item]
        return np.asarray((right != UNKNOWN) & (right != np.arange(len(self.item))))

    @property
    def different(self) -> Int[np.ndarray, "item"]:
        """d: how many different answers an item has."""
        return np.bincount(self.item, minlength=self.n_items)


class AnswerFit(NamedTuple):
    """The model at its mode."""

    accuracy: Float[np.ndarray, "source"]
    n_possible: int
    """K"""
    probability: Float[np.ndarray, "answer"]
    """Of being right, for every different answer; over an item they sum to at most 1."""
    log_likelihood: float


def answer_one_coin(
    labels: WeakTexts,
    scores: Mapping[str, WeakTexts] | None = None,
    metric: str = "exact_match",
    weight: str = "share",
    gold: Mapping[str, str] | None = None,
) -> TextTargets:
    """One row per item with an answer that can be read, or with gold.

    Args:
        metric: when two answers are the same; one of `countable_metrics()`, such as `answer_match`.
        weight: the answer's probability (`share`), or `one`.
        gold: the right texts of some items.

    Raises `ConfigError` for other values of the options.
    """
    check_options("answer_one_coin", metric=(metric, tuple(countable_metrics())), weight=(weight, ("share", "one")))
    gold = gold or {}
    votes, texts = given_answers(labels, metric, gold)
    fit = fit_answers(votes)
    order = np.lexsort((-_best_accuracy(votes, fit), -np.round(fit.probability, 9), votes.item))
    first = order[np.unique(votes.item[order], return_index=True)[1]]
    winners = first[votes.right[votes.item[first]] != NONE].tolist()
    best = {int(votes.item[winner]): winner for winner in winners}
    chosen: dict[int, tuple[Candidate, float]] = {}
    for row, name in enumerate(labels.items):
        if votes.right[row] == NONE:
            chosen[row] = Candidate(gold[name], certain(gold[name])), 1.0
        elif row in best:
            chosen[row] = _kept(votes, fit, texts, best[row]), float(fit.probability[best[row]])
    kept, probability = [text for text, _ in chosen.values()], [value for _, value in chosen.values()]
    return TextTargets(
        items=[labels.items[row] for row in chosen],
        texts=[text.text for text in kept],
        pieces=[text.pieces for text in kept],
        weight=np.asarray(probability) if weight == "share" else np.ones(len(kept)),
        origin=(*_sentences(labels, votes, fit, winners, probability), *remarks(kept)),
    )


def given_answers(
    labels: WeakTexts, metric: str, gold: Mapping[str, str] | None = None
) -> tuple[GivenAnswers, list[Candidate]]:
    """The answers of the sources' best texts, and the text of every vote. `gold`: the right texts of some items."""
    right = np.full(len(labels.items), UNKNOWN)
    items: list[int] = []
    answers: list[int] = []
    sources: list[int] = []
    texts: list[Candidate] = []
    different: set[str] = set()
    for row, cells in enumerate(labels.candidates):
        writers = [source for source, cell in enumerate(cells) if cell]
        best = [cells[source][0] for source in writers]
        number: dict[str, int] = {}
        truth = [gold[labels.items[row]]] if gold and labels.items[row] in gold else []
        comparable = answers_in(metric, [*(text.text for text in best), *truth])
        for source, text, answer in zip(writers, best, comparable[: len(best)], strict=True):
            if answer is None:
                continue
            if answer not in number:
                number[answer] = len(items)
                items.append(row)
            answers.append(number[answer])
            different.add(answer)
            sources.append(source)
            texts.append(text)
        if truth and (right_answer := comparable[-1]) is not None:
            right[row] = number.get(right_answer, NONE)
    votes = GivenAnswers(
        item=np.asarray(items, dtype=np.int64),
        answer=np.asarray(answers, dtype=np.int64),
        source=np.asarray(sources, dtype=np.int64),
        right=right,
        n_sources=len(labels.sources),
        n_different=len(different),
    )
    return votes, texts


def fit_answers(votes: GivenAnswers) -> AnswerFit:
    """The mode for the K with the highest posterior; the smallest of equal ones."""
    least = max(2, int(votes.different.max(initial=0)))
    fits = [fit_for(votes, least * 2**doubling) for doubling in range(DOUBLINGS + 1)]
    return max(fits, key=lambda fit: round(fit.log_likelihood + log_prior(votes, fit.n_possible), 6))


def log_prior(votes: GivenAnswers, n_possible: int) -> float:
    """Of K, up to a constant."""
    return -0.5 * float(np.log2(n_possible) - np.log2(max(2, votes.n_different))) ** 2


def fit_for(votes: GivenAnswers, n_possible: int) -> AnswerFit:
    """Expectation-maximisation from the share of the votes, for one K."""
    given = np.bincount(votes.answer, minlength=len(votes.item)).astype(float)
    per_item = np.bincount(votes.item, given, votes.n_items)
    probability = np.where(votes.is_wrong, 0.0, given / per_item[votes.item])
    probability[votes.right[votes.right >= 0]] = 1.0
    before = -np.inf
    for _ in range(ROUNDS):
        accuracy = _accuracies(votes, probability)
        probability, log_likelihood = expected(votes, accuracy, n_possible)
        objective = log_likelihood + float(np.log(accuracy * (1 - accuracy)).sum())
        if objective - before < TOLERANCE * max(1, len(votes.answer)):
            break
        before = objective
    return AnswerFit(accuracy, n_possible, probability, log_likelihood)


def expected(
    votes: GivenAnswers, accuracy: Float[np.ndarray, "source"], n_possible: int
) -> tuple[Float[np.ndarray, "answer"], float]:
    """Every answer's probability of being right, and the log-likelihood of all partitions."""
    wrong = np.log1p(-accuracy) - np.log(n_possible - 1)
    base = np.bincount(votes.item[votes.answer], wrong[votes.source], votes.n_items)
    gain = np.bincount(votes.answer, (np.log(accuracy) - wrong)[votes.source], len(votes.item))
    gain = np.where(votes.is_wrong, -np.inf, gain)
    left = n_possible - votes.different
    none = np.where(votes.right >= 0, -np.inf, np.log(np.maximum(left, 1e-300)))
    top = none.copy()
    np.maximum.at(top, votes.item, gain)
    total = np.exp(none - top) + np.bincount(votes.item, np.exp(gain - top[votes.item]), votes.n_items)
    names = special.gammaln(n_possible) - special.gammaln(left + 1)
    answered = votes.different > 0
    log_likelihood = float((names + top + np.log(total) + base)[answered].sum())
    return np.exp(gain - top[votes.item]) / total[votes.item], log_likelihood


def _accuracies(votes: GivenAnswers, probability: Float[np.ndarray, "answer"]) -> Float[np.ndarray, "source"]:
    """Expected shares of right answers, on items with gold alone if there are enough of them."""
    known = (votes.right != UNKNOWN)[votes.item[votes.answer]]
    counts = known if (votes.right != UNKNOWN).sum() >= ENOUGH_GOLD else np.ones_like(known)
    right = np.bincount(votes.source, probability[votes.answer] * counts, votes.n_sources)
    return np.asarray((right + 1) / (np.bincount(votes.source, counts, votes.n_sources) + 2))


def _best_accuracy(votes: GivenAnswers, fit: AnswerFit) -> Float[np.ndarray, "answer"]:
    """Of the best source with an answer."""
    best = np.zeros(len(votes.item))
    np.maximum.at(best, votes.answer, fit.accuracy[votes.source])
    return best


def _kept(votes: GivenAnswers, fit: AnswerFit, texts: Sequence[Candidate], answer: int) -> Candidate:
    """The text of an answer: the most probable one, or without log-probabilities that of the best source."""
    rows = np.flatnonzero(votes.answer == answer)
    by_accuracy = rows[np.argsort(-fit.accuracy[votes.source[rows]], kind="stable")]
    return kept_text([texts[row] for row in by_accuracy.tolist()])


def _sentences(
    labels: WeakTexts, votes: GivenAnswers, fit: AnswerFit, winners: Sequence[int], probability: Sequence[float]
) -> Iterator[str]:
    if not len(votes.item):
        return
    values = ", ".join(f"{name} {value:.2f}" for name, value in zip(labels.sources, fit.accuracy, strict=True))
    yield f"Accuracies as `answer_one_coin` estimates them: {values}; expected of the kept answers:" + (
        f" {np.mean(probability):.2f}. Possible answers per item: {fit.n_possible:,}."
    )
    won = np.isin(votes.answer, winners)
    agreed = np.bincount(votes.source[won], minlength=votes.n_sources) / max(len(winners), 1)
    best = int(agreed.argmax())
    if votes.n_sources > 1 and agreed[best] >= ALONE:
        name = labels.sources[best]
        yield f"Source {name} alone gives the same answer on {agreed[best]:.1%} of the items: use it alone."
    known, missed = (int(mask.sum()) for mask in (votes.right != UNKNOWN, votes.right == NONE))
    if known:
        yield f"Items with gold: {known}; no source has the right answer to {missed} of them."
    yield from left_out(len(labels.items) - len(probability))


ANSWER_ONE_COIN = CombinerRecord(
    AnswerOneCoin,
    paper="ours, after Dawid & Skene 1979",
    text_targets=answer_one_coin,
    takes_text_gold=True,
)
