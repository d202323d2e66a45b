"""Combiners on simulated soft votes whose sources are too sure, calibrated or unsure.

python bench/soft_votes.py

Accuracy of the labels of 800 items of 17 classes by four independent sources, which state their calibrated
probabilities at one temperature: above 1 they are less sure than they should be. `known` is the product of the
calibrated votes.
"""

import numpy as np
from scipy.special import softmax

from outgrow.combiners import fit_by, section_named
from outgrow.combiners.votes import Votes

CLASSES, ITEMS, STRENGTH = 17, 800, np.asarray([2.0, 2.2, 1.6, 1.2])[:, None]
NAMES = ("vote", "one_coin", "dawid_skene", "calibrated_pool", "averaged")


def main() -> None:
    print("temperature  known  " + "  ".join(NAMES) + "  averaged, hard")
    for temperature in (0.3, 1.0, 4.0):
        rng = np.random.default_rng(0)
        gold = rng.integers(CLASSES, size=ITEMS)
        seen = rng.normal(size=(ITEMS, len(STRENGTH), CLASSES)) + STRENGTH * np.eye(CLASSES)[gold][:, None]
        stated = softmax(STRENGTH * seen / temperature, axis=2)
        votes = Votes.gather(("a", "b", "c", "d"), CLASSES, stated)
        asked = [*((name, votes) for name in NAMES), ("averaged", votes.hardened())]
        found = [fit_by(section_named(name), intervals=False)(given).posterior for name, given in asked]
        known = (STRENGTH * seen).sum(axis=1)
        shares = [float((scores.argmax(axis=1) == gold).mean()) for scores in (known, *found)]
        print(f"{temperature:11}  " + "  ".join(f"{share:.3f}" for share in shares), flush=True)


if __name__ == "__main__":
    main()
