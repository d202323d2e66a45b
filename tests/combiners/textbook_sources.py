"""Sources that are known: drawn votes with given accuracies, and posteriors by enumeration."""

import numpy as np

from outgrow.labels import WeakLabels


def labels_of(probs, sources=None):
    probs = np.asarray(probs, dtype=float)
    names = sources or tuple(f"s{number}" for number in range(probs.shape[1]))
    return WeakLabels([f"item{row}" for row in range(len(probs))], tuple(names), probs)


def hard_labels(votes, n_classes):
    """Votes [item, source] as class numbers, -1 = abstention."""
    votes = np.asarray(votes)
    return labels_of(np.where(votes[..., None] < 0, 0.0, np.eye(n_classes)[votes]))


def soft_labels(rng, items=40, sources=4, classes=3, abstain=0.25):
    """Random distributions; some sources abstain, and item 0 has no vote at all."""
    probs = rng.dirichlet(np.ones(classes), (items, sources))
    probs[rng.random((items, sources)) < abstain] = 0
    probs[0] = 0
    probs[1, 0] = np.eye(classes)[0]
    return labels_of(probs)


def one_coin_votes(rng, gold, accuracy, n_classes, coverage=1.0):
    """Conditionally independent sources: right with `accuracy`, else any other class; silent now and then."""
    shape = (len(gold), len(accuracy))
    wrong = (gold[:, None] + rng.integers(1, n_classes, shape)) % n_classes
    votes = np.where(rng.random(shape) < accuracy, gold[:, None], wrong)
    return np.where(rng.random(shape) < coverage, votes, -1)


def permuted(labels, sources=None, classes=None):
    """The same labels with sources and classes in another order."""
    sources = np.arange(len(labels.sources)) if sources is None else sources
    classes = np.arange(labels.n_classes) if classes is None else classes
    names = tuple(labels.sources[number] for number in sources)
    return WeakLabels(labels.items, names, labels.probs[:, sources][:, :, classes])


def elsewhere(labels):
    """The same votes on items of other names, as those of anchors are."""
    return WeakLabels([f"known-{name}" for name in labels.items], labels.sources, labels.probs)


def by_item(targets):
    """Item → its collapsed distribution."""
    collapsed = targets.collapse()
    return dict(zip(collapsed.items, collapsed.probs, strict=True))


def assert_same_targets(first, second, tolerance=1e-10):
    one, other = by_item(first), by_item(second)
    assert one.keys() == other.keys()
    for item, probs in one.items():
        np.testing.assert_allclose(probs, other[item], rtol=0, atol=tolerance)
