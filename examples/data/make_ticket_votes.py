"""Writes ticket_votes.csv, what five made-up people said of 400 tickets, and ticket_test.csv, the other 80 with gold.

    python examples/data/make_ticket_votes.py

Ada and Ben are good, Cleo takes much of `account` for `technical`, Dan guesses more often than not, and Eve copies Ada
on most of what she sees. Nobody votes on every ticket. Every run writes the same.
"""

import csv
import random
from pathlib import Path

CLASSES = ("account", "billing", "technical")
VOTED_ON = 400
SEES = {"ada": 0.7, "ben": 0.6, "cleo": 0.8, "dan": 0.9, "eve": 0.5}
RIGHT = {"ada": 0.9, "ben": 0.85, "dan": 0.45}
COPIES = 0.9
MISTAKES = 0.5


def main() -> None:
    """Write both files beside this one."""
    folder, draw = Path(__file__).parent, random.Random(0)
    with (folder / "tickets.csv").open(newline="", encoding="utf-8") as file:
        tickets = list(csv.DictReader(file))
    with (folder / "ticket_test.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, list(tickets[0]), lineterminator="\n")
        rows.writeheader()
        rows.writerows(tickets[VOTED_ON:])
    with (folder / "ticket_votes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["ticket", "worker", "label", "seconds"])
        for ticket in tickets[:VOTED_ON]:
            votes = {name: said(name, ticket["team"], draw) for name in ("ada", "ben", "cleo", "dan")}
            votes["eve"] = votes["ada"] if draw.random() < COPIES else said("ben", ticket["team"], draw)
            for name, label in votes.items():
                if draw.random() < SEES[name]:
                    writer.writerow([ticket["ticket"], name, label, draw.randint(4, 40)])


def said(name: str, truth: str, draw: random.Random) -> str:
    """One person's answer to one ticket."""
    if name == "cleo":
        return "technical" if truth == "account" and draw.random() < MISTAKES else truth
    return truth if draw.random() < RIGHT[name] else draw.choice([other for other in CLASSES if other != truth])


main()
