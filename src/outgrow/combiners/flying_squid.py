"""FlyingSquid's triplets: source accuracies in closed form from how often sources agree (Fu et al., ICML 2020).

For two classes write a vote as l_i in {-1, 0, +1} (0 = abstention) and the truth as Y. If sources are independent
given Y, E[l_i l_j | both voted] = a_i a_j with a_i = E[l_i Y | i voted], so that any three sources give

    |a_i| = sqrt( |M_ij M_ik / M_jk| ),      accuracy_i = (1 + a_i) / 2,

and a_i here is the mean over all pairs (j, k), as in the released code; every source is taken to be better than
chance. The posterior is naive Bayes with those accuracies and a class balance from the votes. For K > 2 each class is
played against the rest, and the K posteriors are normalised: a vote for class k is +1 in game k and -1 elsewhere.

Below three sources there is no triplet, and where all sources agree on everything there is nothing to solve. Then the
result is a weighted vote (or a majority vote without anchors), and `Targets.origin` says so.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import log_expit, softmax

from outgrow.combiners.vote import one_row_each, vote_instead
from outgrow.labels import Anchors, Targets, WeakLabels

LARGEST = 1 - 1e-3
"""No source is taken to be perfect, or to have no information at all."""
LEAST_MOMENT = 1e-6
LEAST_SOURCES = 3


def flying_squid(labels: WeakLabels, anchors: Anchors | None = None) -> Targets:
    """One posterior row per item with a vote. `anchors` are used by the fall-back only."""
    if len(labels.sources) < LEAST_SOURCES:
        why = f"FlyingSquid needs {LEAST_SOURCES} sources and has {len(labels.sources)}"
        return vote_instead(labels, anchors, why)
    hard = labels.hard
    games = [0] if labels.n_classes == 2 else range(labels.n_classes)
    log_odds = []
    for chosen in games:
        signs = np.where(hard < 0, 0, np.where(hard == chosen, 1, -1))
        strength = triplet_accuracies(signs)
        if strength is None:
            return vote_instead(labels, anchors, "the sources' agreement determines no accuracies")
        log_odds.append(game_log_odds(signs, strength, _balance(labels, chosen)))
    if labels.n_classes == 2:
        log_odds.append(-log_odds[0])
    # On the log scale, since hundreds of sources against every class leave no posterior above zero.
    return one_row_each(labels, np.asarray(softmax(log_expit(np.stack(log_odds, axis=1)), axis=1)))


def triplet_accuracies(signs: Int[np.ndarray, "item source"]) -> Float[np.ndarray, "source"] | None:
    """a_i = E[l_i Y | i voted] > 0 of every source; `None` where no triplet determines one of them."""
    voted = (signs != 0).astype(float)
    both = voted.T @ voted
    moment = np.abs(signs.T @ signs) / np.maximum(both, 1)
    usable = moment > LEAST_MOMENT
    np.fill_diagonal(usable, False)
    # The sum over all pairs (j, k) of root_ij root_ik / root_jk, one quadratic form per source.
    root = np.where(usable, np.sqrt(moment), 0)
    inverse = np.divide(1, root, out=np.zeros_like(root), where=usable)
    total, count = _quadratic_forms(root, inverse), _quadratic_forms(usable.astype(float), usable.astype(float))
    if not count.all():
        return None
    return np.asarray(np.clip(total / count, 1 - LARGEST, LARGEST))


def _quadratic_forms(
    rows: Float[np.ndarray, "source source"], matrix: Float[np.ndarray, "source source"]
) -> Float[np.ndarray, "source"]:
    return np.asarray(((rows @ matrix) * rows).sum(axis=1))


def game_log_odds(
    signs: Int[np.ndarray, "item source"], strength: Float[np.ndarray, "source"], balance: float
) -> Float[np.ndarray, "item"]:
    """ln P(Y = +1 | votes) / P(Y = -1 | votes): naive Bayes, accuracies (1 + strength) / 2, P(Y = +1) = `balance`."""
    return np.asarray(np.log(balance / (1 - balance)) + signs @ np.log((1 + strength) / (1 - strength)))


def _balance(labels: WeakLabels, chosen: int) -> float:
    """Share of a class among all votes, kept away from 0 and 1."""
    share = (labels.hard[labels.voted] == chosen).mean() if labels.voted.any() else 1 / labels.n_classes
    return float(np.clip(share, 1 - LARGEST, LARGEST))
