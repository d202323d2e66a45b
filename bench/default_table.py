"""The default method against the others over finished suites: one table from the reports' numbers.

python bench/default_table.py FOLDER ...        folders of `outgrow suite`, such as examples/runs/laptop_suite

A line per data set: the PGR of some rows with the intervals of the reports, and paired differences of test accuracy,
with 95 % t-intervals over the seeds. The last line has means over the data sets; seeds with the same number are taken
together, so its intervals are over seeds, not over data sets.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import t as student_t

ROW = "outgrow"
OTHERS = {"naive": "naive", "bayesian + self-training": "evidential", "log_pool": "log_pool", "gold_a": "gold_a"}
SHOWN = (ROW, "outgrow_votes", *OTHERS)


def main() -> None:
    reports = [report for folder in sys.argv[1:] for report in sorted(Path(folder).iterdir()) if report.is_dir()]
    columns = [*(f"PGR {name}" for name in SHOWN), *(f"Δ {name}" for name in OTHERS.values()), "votes only Δ naive"]
    print("| set | " + " | ".join(columns) + " |\n|---|" + "--:|" * len(columns))
    gains: list[list[np.ndarray]] = []
    for report in reports:
        accuracy = per_seed(report)
        versus = [accuracy[ROW] - accuracy[other] for other in OTHERS]
        gains.append([*versus, accuracy["outgrow_votes"] - accuracy["naive"]])
        cells = [*(pgr_of(report, name) for name in SHOWN), *map(interval, gains[-1])]
        print(f"| {report.name} | " + " | ".join(cells) + " |")
    means = [interval(np.mean(values, axis=0)) for values in zip(*gains, strict=True)]
    print(f"| mean of {len(reports)} |" + " |" * len(SHOWN) + " " + " | ".join(means) + " |")


def per_seed(report: Path) -> dict[str, np.ndarray]:
    """Test accuracy of every row and seed."""
    with (report / "tables" / "per_seed.csv").open() as file:
        rows = list(csv.DictReader(file))
    seeds = [name for name in rows[0] if name.startswith("seed_") and name.removeprefix("seed_").isdigit()]
    return {row["row"]: np.asarray([float(row[seed]) for seed in seeds]) for row in rows}


def pgr_of(report: Path, name: str) -> str:
    """The row's PGR with its interval, as in the report."""
    rows = json.loads((report / "results.json").read_text())["rows"]
    pgr = next(row["pgr"] for row in rows if row["name"] == name)
    return "–" if pgr["value"] is None else f"{pgr['value']:.3f} [{pgr['low']:.3f}, {pgr['high']:.3f}]"


def interval(values: np.ndarray) -> str:
    """Mean over the seeds with its t-interval."""
    half = student_t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} [{values.mean() - half:+.3f}, {values.mean() + half:+.3f}]"


if __name__ == "__main__":
    main()
