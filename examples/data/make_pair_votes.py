"""Writes pair_votes.csv: which of two made-up systems' answers five made-up judges prefer, on 60 questions.

    python examples/data/make_pair_votes.py

The systems are called large, medium, small and tiny, the best first. Ann and Ben are careful people. Judge-x prefers
what it sees first, judge-y a little what it sees last, and judge-z hardly looks at more than the place. Every run
writes the same.
"""

import csv
import math
import random
from itertools import combinations
from pathlib import Path

SKILL = {"large": 0.8, "medium": 0.5, "small": -0.2, "tiny": -1.1}
DISCRIMINATION = {"ann": 4.0, "ben": 3.0, "judge-x": 2.5, "judge-y": 1.5, "judge-z": 0.6}
BIAS = {"ann": 0.0, "ben": 0.1, "judge-x": 0.9, "judge-y": -0.3, "judge-z": 1.5}
TIE = {"ann": 0.5, "ben": 0.4, "judge-x": 0.1, "judge-y": 0.3, "judge-z": 0.0}
QUESTIONS, PAIRS, SEES = 60, 3, 0.9


def main() -> None:
    """Write the file beside this one."""
    draw = random.Random(0)
    with (Path(__file__).parent / "pair_votes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["question_id", "model_a", "model_b", "judge", "winner"])
        for question in range(1, QUESTIONS + 1):
            quality = {name: skill + draw.gauss(0, math.sqrt(0.5)) for name, skill in SKILL.items()}
            for pair in draw.sample(list(combinations(SKILL, 2)), PAIRS):
                for judge in DISCRIMINATION:
                    a, b = draw.sample(pair, 2)
                    if draw.random() < SEES:
                        winner = preferred(judge, quality[a] - quality[b], draw)
                        writer.writerow([f"q{question}", a, b, judge, winner])


def preferred(judge: str, difference: float, draw: random.Random) -> str:
    """One judge's choice; `difference` is positive if the first answer is the better one."""
    lean = DISCRIMINATION[judge] * difference + BIAS[judge]
    weights = [math.exp(lean / 2), math.exp(-lean / 2), TIE[judge]]
    return draw.choices(["model_a", "model_b", "tie"], weights)[0]


main()
