"""Label models by their definitions, one vote after another: what the fast ones are held against.

Votes are lists of (item, source, distribution over what can be said); `gold` is -1 where unknown. An item outside the
table (`outside`) tells of the sources only.
"""

import math

import numpy as np


def votes_in(probs):
    """Every vote of a dense table [item, source, class], zeros = abstention."""
    return [(i, s, probs[i, s]) for i in range(probs.shape[0]) for s in range(probs.shape[1]) if probs[i, s].any()]


def with_silence(probs):
    """The same table with abstention as one more class said."""
    return np.concatenate([probs, ~probs.any(axis=2, keepdims=True)], axis=2)


def posterior_and_evidence(votes, n_items, confusion, balance, gold, outside=()):
    """P(class | votes) and ln P(all votes), from products of probabilities, on the log scale."""
    n_classes = len(balance)
    posterior, total = np.zeros((n_items, n_classes)), 0.0
    for item in range(n_items):
        scores = []
        for truth in range(n_classes):
            score = 0.0 if item in outside else math.log(balance[truth])
            for i, s, q in votes:
                if i == item:
                    score += sum(q[k] * math.log(confusion[s, truth, k]) for k in range(len(q)) if q[k])
            scores.append(score if gold[item] in (-1, truth) else -math.inf)
        most = max(scores)
        weight = [math.exp(score - most) for score in scores]
        posterior[item] = np.asarray(weight) / sum(weight)
        total += most + math.log(sum(weight))
    return posterior, total


def expected_counts(votes, posterior, n_sources, n_said):
    counts = np.zeros((n_sources, posterior.shape[1], n_said))
    for i, s, q in votes:
        for truth in range(posterior.shape[1]):
            for k in range(n_said):
                counts[s, truth, k] += posterior[i, truth] * q[k]
    return counts


def mean_vote(votes, n_items, n_classes, gold):
    posterior = np.zeros((n_items, n_classes))
    for i, _, q in votes:
        posterior[i] += q[:n_classes]
    for i in range(n_items):
        if gold[i] >= 0:
            posterior[i] = np.eye(n_classes)[gold[i]]
        elif not posterior[i].any():
            posterior[i] = 1
        posterior[i] /= posterior[i].sum()
    return posterior


def full_matrices(counts, pseudo):
    table = counts + pseudo / counts.shape[2]
    return table / table.sum(axis=2, keepdims=True)


def one_coins(counts, pseudo):
    n_sources, n_classes, _ = counts.shape
    table = np.zeros_like(counts)
    for s in range(n_sources):
        right = sum(counts[s, c, c] for c in range(n_classes)) + pseudo / n_classes
        accuracy = right / (counts[s].sum() + pseudo)
        for c in range(n_classes):
            for k in range(n_classes):
                table[s, c, k] = accuracy if c == k else (1 - accuracy) / (n_classes - 1)
    return table


def expectation_maximisation(probs, rule, pseudo, steps, gold=None, outside=(), n_classes=None):
    """Posterior, balance and log-likelihood after `steps` M-steps from the mean vote."""
    n_classes = n_classes or probs.shape[2]
    votes, n_items = votes_in(probs), len(probs)
    gold = [-1] * n_items if gold is None else gold
    posterior = mean_vote(votes, n_items, n_classes, gold)
    for _ in range(steps):
        confusion = rule(expected_counts(votes, posterior, probs.shape[1], probs.shape[2]), pseudo)
        inside = [i for i in range(n_items) if i not in outside]
        balance = (posterior[inside].sum(axis=0) + pseudo) / (len(inside) + n_classes * pseudo)
        posterior, evidence = posterior_and_evidence(votes, n_items, confusion, balance, gold, outside)
    return posterior, balance, confusion, evidence
