"""End models on rules: a student of combined votes beside published ones, on TREC and YouTube.

python bench/end_models.py                                   both sets, MiniLM in full, one seed
python bench/end_models.py --only trec --methods auto vote outgrow_votes --seeds 0 1 2
python bench/end_models.py --model bundled:smollm2-135m --adapt lora --lr 1e-3 --epochs 2

A student learns from the training part's votes without gold, and is measured on the published test part (without
texts that it learned). `gold` is the same student trained on the training part's gold. Published: BoxWRENCH's test
accuracy of BERT on soft labels, see `PUBLISHED`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

import outgrow

DATA = Path(__file__).parents[2] / "shared" / "data"
PUBLISHED = {
    "trec": "majority .660, Dawid-Skene .474, FlyingSquid .340, Snorkel .622, gold .965",
    "youtube": "majority .936, Dawid-Skene .907, FlyingSquid .904, Snorkel .918, gold .970",
}
"""BERT (base) trained on the label model's soft labels, in the BoxWRENCH benchmark."""


OUTGROW_VOTES = ["combine.type=stacked", "combine.evidence=true", "loss.type=marginal_likelihood"]
"""The default of studies without gold."""


class Set(NamedTuple):
    """A data set: items with gold, votes, test items with gold."""

    items: pd.DataFrame
    votes: pd.DataFrame
    test: pd.DataFrame


def trec(folder: Path) -> Set:
    """`item, text, gold` and `item, source, label, gold`."""
    votes = pd.read_csv(folder / "train_votes.csv", keep_default_na=False)
    return Set(
        pd.read_csv(folder / "train_texts.csv", keep_default_na=False),
        votes.drop(columns="gold"),
        pd.read_csv(folder / "test_texts.csv", keep_default_na=False),
    )


def youtube(folder: Path) -> Set:
    """WRENCH's JSON: a text, gold, and one vote or -1 of each rule."""
    tables = {}
    for part in ("train", "test"):
        rows = json.loads((folder / f"{part}.json").read_text())
        tables[part] = pd.DataFrame(
            {"item": name, "text": row["data"]["text"], "gold": str(row["label"]), "votes": row["weak_labels"]}
            for name, row in rows.items()
        )
    votes = [
        (item, f"rule {number}", str(vote))
        for item, row in tables["train"][["item", "votes"]].itertuples(index=False)
        for number, vote in enumerate(row)
        if vote != -1
    ]
    train, test = (tables[part].drop(columns="votes") for part in ("train", "test"))
    return Set(train, pd.DataFrame(votes, columns=["item", "source", "label"]), test)


READ: dict[str, Callable[[Path], Set]] = {"trec": trec, "youtube": youtube}
FOLDERS = {"trec": DATA / "rules" / "trec", "youtube": DATA / "youtube"}


class Line(NamedTuple):
    """One trained student."""

    accuracy: float
    n: int
    combiner: str
    seconds: float


def measure(data: Set, method: str, seed: int, options: argparse.Namespace, folder: Path) -> Line:
    """Train a student and read its card."""
    gold = data.items[["item", "gold"]].rename(columns={"gold": "label"}).assign(source="gold")
    combine = (
        OUTGROW_VOTES if method == "outgrow_votes" else [f"combine.type={'vote' if method == 'gold' else method}"]
    )
    begin = time.perf_counter()
    student = outgrow.train(
        data.items.drop(columns="gold"),
        gold if method == "gold" else data.votes,
        f"student.adapt={options.adapt}",
        f"student.max_length={options.max_length}",
        f"student.training.lr={options.lr}",
        f"student.training.epochs={options.epochs}",
        "items.gold=gold",
        f"seed={seed}",
        *combine,
        model=options.model,
        test=data.test,
        output=folder / "student",
        store=folder / "steps",
    )
    test = student.card["answers"]["test"]
    return Line(test["accuracy"], test["n"], student.card["combine"]["method"], time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(READ), choices=list(READ))
    parser.add_argument("--methods", nargs="+", default=["vote", "auto", "gold"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--model", default="bundled:minilm-l6")
    parser.add_argument("--adapt", default="full", choices=["full", "lora"])
    parser.add_argument("--lr", type=float, default=5e-5)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--max-length", type=int, default=64)
    options = parser.parse_args()
    print(f"{options.model}, {options.adapt}, lr {options.lr:g}, {options.epochs:g} epochs, seeds {options.seeds}")
    for name in options.only:
        if not FOLDERS[name].is_dir():
            print(f"{name}: skipped, there is no folder {FOLDERS[name]}")
            continue
        data = READ[name](FOLDERS[name])
        print(f"\n{name}: {len(data.items)} items, {len(data.votes)} votes; published: {PUBLISHED[name]}")
        for method in options.methods:
            with tempfile.TemporaryDirectory() as folder:
                lines = [measure(data, method, seed, options, Path(folder)) for seed in options.seeds]
            accuracies = np.asarray([line.accuracy for line in lines])
            spread = f" ± {accuracies.std(ddof=1):.3f}" if len(lines) > 1 else ""
            print(
                f"  {method:13} (combined by {lines[0].combiner:20}) {accuracies.mean():.3f}{spread}"
                f" on {lines[0].n} test items, {np.mean([line.seconds for line in lines]):.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
