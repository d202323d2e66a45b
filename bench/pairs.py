"""How good the model of judges of pairs is: simulated judges whose truth is known.

python bench/pairs.py                    100 sets of votes in each cell (five minutes)
python bench/pairs.py --sets 10          a quick look
python bench/pairs.py --file votes.csv abstain=garbage        a file of preferences: each judge's choices between the
                                         two texts as the others predict them (log-loss)

A text's quality is normal around the skill of its system. Judges differ in discrimination, in their bias to the first
place and in how often they tie (`tests/preferences/simulated_judges.py`). Columns: the share of the 95 % intervals
that hold the true skill, the true rank, the true position bias and the true discrimination; the log-loss and accuracy
of the soft preference, and of the smoothed share of the votes; seconds for one fit.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "preferences"))

from simulated_judges import BIAS, DISCRIMINATION, Simulated, simulate

from outgrow.comparisons import Comparisons
from outgrow.preferences.fit_pairs import Z95, fit_pairs
from outgrow.preferences.ranks import ranks_of
from outgrow.vote_kinds import VOTE_KINDS, Options, section_of, votes_of

CELLS: dict[str, dict[str, Any]] = {
    "80 prompts, 4 judges": {},
    "25 prompts, 4 judges": {"n_items": 25},
    "200 prompts, 2 of 5 votes": {"n_items": 200, "coverage": 0.4},
    "nearly equal systems": {"skills": (0.03, 0.01, -0.01, -0.03)},
    "40 judges, 3 votes a pair": {
        "n_items": 150,
        "coverage": 0.08,
        "discrimination": tuple(np.exp(np.linspace(-0.5, 1.3, 40))),
        "bias": tuple(np.linspace(-0.5, 1.0, 40)),
        "tie": (0.3,) * 40,
    },
}


def measured(simulated: Simulated, bias: np.ndarray, discrimination: np.ndarray) -> list[float]:
    """The columns for one set of votes."""
    start = time.perf_counter()
    fit = fit_pairs(simulated.votes)
    preference = fit.posterior().preference
    seconds = time.perf_counter() - start
    sd = np.sqrt(np.maximum.reduce([np.diag(variance) for variance in fit.skill_variances]))
    ranks = ranks_of(fit.skill, fit.skill_variances)
    rank = 1 + (simulated.skill > simulated.skill[:, None]).sum(axis=1)
    judges, judge_sd = fit.judges, fit.judge_sd
    truth, votes = simulated.difference > 0, simulated.votes
    share = smoothed_share(votes)
    return [
        float((np.abs(fit.skill - simulated.skill) < Z95 * sd).mean()),
        float(((ranks.low <= rank) & (rank <= ranks.high)).mean()),
        float((np.abs(judges.bias - bias) < Z95 * judge_sd.bias).mean()),
        float((np.abs(judges.log_discrimination - np.log(discrimination)) < Z95 * judge_sd.log_discrimination).mean()),
        *(_log_loss(chance, truth) for chance in (preference, share)),
        *(_accuracy(chance, truth) for chance in (preference, share)),
        seconds,
    ]


def held_out(file: str, words: list[str]) -> None:
    """Print for every judge how well the soft preference of the others, and the share of their votes, predict it."""
    kind = VOTE_KINDS["pairs"]
    votes = votes_of(kind, file, section_of(kind, words), Options())
    print(f"{'judge':28}{'log-loss':>10}{'share':>10}")
    for judge, name in enumerate(votes.judges):
        others = votes.only(votes.judge != judge)
        preference, share = fit_pairs(others).posterior().preference, smoothed_share(others)
        rows = (votes.judge == judge) & (votes.lead != 0)
        losses = [_log_loss(chance[votes.pair[rows]], votes.lead[rows] > 0) for chance in (preference, share)]
        print(f"{name:28}" + "".join(f"{value:10.3f}" for value in losses), flush=True)


def smoothed_share(votes: Comparisons) -> np.ndarray:
    """The share of the votes for a, ties halved, with one vote for each side."""
    count = np.bincount(votes.pair, minlength=votes.n_pairs)
    return np.asarray((np.bincount(votes.pair, (votes.lead + 1) / 2, votes.n_pairs) + 1) / (count + 2))


def _log_loss(chance: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(np.clip(np.where(truth, chance, 1 - chance), 1e-12, 1)).mean())


def _accuracy(chance: np.ndarray, truth: np.ndarray) -> float:
    """A chance of one half is right half the time."""
    return float(np.where(chance == 0.5, 0.5, (chance > 0.5) == truth).mean())


def main() -> None:
    """Print a row per cell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--file")
    parser.add_argument("words", nargs="*", help="roles of the file's columns")
    options = parser.parse_args()
    if options.file is not None:
        held_out(options.file, options.words)
        return
    titles = ("skill", "rank", "bias", "discr.", "log-loss", "share's", "accuracy", "share's", "seconds")
    print(f"{'cell':28}" + "".join(f"{title:>10}" for title in titles))
    for name, how in CELLS.items():
        bias, discrimination = (
            np.asarray(how.get(key, default)) for key, default in (("bias", BIAS), ("discrimination", DISCRIMINATION))
        )
        rows = [
            measured(simulate(np.random.default_rng(seed), **how), bias, discrimination)
            for seed in range(options.sets)
        ]
        print(f"{name:28}" + "".join(f"{value:10.3f}" for value in np.mean(rows, axis=0)), flush=True)


if __name__ == "__main__":
    main()
