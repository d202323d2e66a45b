"""Every vote combiner on real crowds, rules and juries of language models, beside crowd-kit if installed.

python bench/real_sources.py --half development              all development sets
python bench/real_sources.py --half held_out --juries DIR    the sets that no constant was fixed on, with two juries
python bench/real_sources.py --sets zc_us dog --models vote one_coin auto
python bench/real_sources.py --gold 100 --draws 3            `auto` beside the best source alone, with the same gold
python bench/real_sources.py --json results.json             the rows for a program

DIR is a clone, bare or not, of github.com/SALT-NLP/LLMs_for_CSS; without it there are no juries. Every file
`css_data/TASK/answer-MODEL` there has one line per item: number, gold, the model's answer. The answers of models that
were trained on the task (`roberta`) are left out. An answer that names no class is an abstention.

Of items with a vote and gold: accuracy (classes that tie share an item), log-loss in nats (probabilities below 1e-6
count as that), ECE, and processor seconds. Without --gold no combiner sees gold. Rows of combiners have the posteriors
of their fit, or with --calibrated those that `outgrow combine` writes; the row `auto` has the latter, and the combiner
that it chose. `best single` is the source with the highest accuracy on its votes, by all gold: nobody can choose it
without. The row `trust report` has the accuracy of the labels that the report evaluates, its estimate and interval
without gold, and whether the interval holds the accuracy.

With --gold the gold of so many items drawn at random is known; accuracies are those of the other items, means over
the draws. `single by gold` is the source with the most right votes on the drawn items.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from outgrow.combiners import fit_by, fit_names, section_named
from outgrow.combiners.temperature_scaling import calibration
from outgrow.combiners.votes import Votes
from outgrow.deliver.combined import combine_votes
from outgrow.errors import OutgrowError
from outgrow.trust_report import trust
from outgrow.vote_table import VoteTable

DATA = Path(os.environ.get("OUTGROW_BENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
PEERS = ("MajorityVote", "OneCoinDawidSkene", "DawidSkene", "GLAD", "MACE", "MMSR", "Wawa", "ZeroBasedSkill")
LEAST = 1e-6
TRAINED = frozenset({"roberta"})
"""Models of a jury that learned the task."""
GOLD_NAMES = {
    "implicit_hate": {
        "white_grievance": "a",
        "incitement": "b",
        "inferiority": "c",
        "irony": "d",
        "stereotypical": "e",
        "threatening": "f",
    },
    "persuasion": {"1.0": "true", "0.0": "false"},
}
"""Gold of a jury's task that is not written as its answers are."""

Loader = Callable[[argparse.Namespace], VoteTable]


@dataclass(frozen=True)
class RealSet:
    """A table of real votes with gold, and its half."""

    name: str
    half: str
    load: Loader


@dataclass(frozen=True)
class Row:
    set: str
    model: str
    accuracy: float
    loss: float = np.nan
    ece: float = np.nan
    seconds: float = np.nan
    note: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=["development", "held_out", "all"], default="development")
    parser.add_argument("--sets", nargs="*", help="only these: " + ", ".join(one.name for one in REAL_SETS))
    parser.add_argument("--models", nargs="*", help="only these rows: combiners, auto, trust, crowd-kit")
    parser.add_argument("--juries", type=Path, help="a clone of LLMs_for_CSS")
    parser.add_argument("--data", type=Path, default=DATA, help="the development data; also $OUTGROW_BENCH_DATA")
    parser.add_argument("--calibrated", action="store_true", help="posteriors as `outgrow combine` writes them")
    parser.add_argument("--gold", type=int, default=0, help="items whose gold is known")
    parser.add_argument("--draws", type=int, default=3, help="draws of these items")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    if importlib.util.find_spec("crowdkit") is None:
        print("crowd-kit is not installed: no peer's figures")
    rows: list[Row] = []
    for one in REAL_SETS:
        if options.half not in ("all", one.half) or (options.sets and one.name not in options.sets):
            continue
        try:
            table = one.load(options)
        except FileNotFoundError as missing:
            print(f"\n{one.name}: skipped, {missing}")
            continue
        rows += report(one, table, options)
    summary(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def report(one: RealSet, table: VoteTable, options: argparse.Namespace) -> list[Row]:
    """The rows of one set, printed as they are found."""
    known = int((table.gold >= 0).sum())
    print(
        f"\n{one.name} ({one.half}): {len(table.items)} items, {len(table.sources)} sources,"
        f" {table.n_classes} classes, {table.n_votes} votes, gold of {known}"
    )
    print(f"{'model':<26}{'accuracy':>9}{'loss':>8}{'ECE':>7}{'s':>8}", flush=True)
    found = with_gold(one.name, table, options) if options.gold else without_gold(one.name, table, options)
    rows = []
    for row in found:
        print(
            f"{row.model:<26}{row.accuracy:9.4f}{row.loss:8.3f}{row.ece:7.3f}{row.seconds:8.2f}  {row.note}",
            flush=True,
        )
        rows.append(row)
    return rows


def wanted(options: argparse.Namespace, name: str) -> bool:
    return not options.models or name in options.models


def without_gold(name: str, table: VoteTable, options: argparse.Namespace) -> Iterator[Row]:
    """No combiner sees gold."""
    blind = replace(table, gold=np.empty(0, np.int64))
    for model in fit_names():
        if wanted(options, model) and not section_named(model).needs_gold:
            yield from measured(name, model, table, lambda model=model: posterior_of(blind, model, options.calibrated))
    yield best_single(name, table)
    if wanted(options, "auto"):
        yield automatic(name, table, blind)
    if wanted(options, "trust"):
        yield trusted(name, table, blind)
    if wanted(options, "crowd-kit") and importlib.util.find_spec("crowdkit") is not None:
        for peer in PEERS:
            yield from measured(name, f"crowd-kit {peer}", table, lambda peer=peer: ask_peer(blind, peer))


def measured(name: str, model: str, table: VoteTable, posterior: Callable[[], np.ndarray]) -> Iterator[Row]:
    start = time.process_time()
    try:
        found = posterior()
    except OutgrowError as error:
        print(f"{model:<26}{'–':>9}  {str(error)[:90]}")
    else:
        yield scored(name, model, table, found, time.process_time() - start)


def posterior_of(table: VoteTable, model: str, calibrated: bool) -> np.ndarray:
    section = section_named(model)
    if calibrated:
        return combine_votes(table, section).posterior
    votes = Votes.of_table(table)
    return fit_by(section, intervals=False)(votes.hardened() if section.hard_votes else votes).posterior


def automatic(name: str, table: VoteTable, shown: VoteTable) -> Row:
    start = time.process_time()
    found = combine_votes(shown)
    seconds = time.process_time() - start
    chosen = found.method if found.source is None else f"{found.method}: {found.source}"
    return scored(name, "auto", replace(table, gold=hidden(table, shown)), found.posterior, seconds, chosen)


def hidden(table: VoteTable, shown: VoteTable) -> np.ndarray:
    """The gold that was not shown."""
    return np.where(shown.gold >= 0, -1, table.gold)


def trusted(name: str, table: VoteTable, blind: VoteTable) -> Row:
    """The report's estimate without gold, against the accuracy of the same labels."""
    start = time.process_time()
    found = trust(blind, n_next=0)
    seconds = time.process_time() - start
    estimate = found.label_accuracy
    truth = trust(table, combiners=[found.base], n_next=0).label_accuracy.value
    low, high = estimate.low, estimate.high
    if low is None or high is None or estimate.value is None or truth is None:
        return Row(name, "trust report", truth or np.nan, seconds=seconds, note="no interval")
    held = "held" if low <= truth <= high else f"MISSED by {max(low - truth, truth - high):.3f}"
    return Row(
        name,
        "trust report",
        truth,
        seconds=seconds,
        note=f"{found.base}: {estimate.value:.3f} [{low:.3f}, {high:.3f}] {held}",
    )


def scored(name: str, model: str, table: VoteTable, posterior: np.ndarray, seconds: float, note: str = "") -> Row:
    counted = (table.n_per_item > 0) & (table.gold >= 0)
    probs, gold = np.maximum(posterior[counted], LEAST), table.gold[counted]
    found = calibration(probs / probs.sum(axis=1, keepdims=True), gold)
    return Row(name, model, found.accuracy, found.log_loss, found.ece, seconds, note)


def best_single(name: str, table: VoteTable) -> Row:
    """By all gold, of sources that vote on half of the items or more; of none such, of those that vote most."""
    right, n = right_votes(table)
    covers = n >= min(0.5 * (table.gold >= 0).sum(), n.max())
    share = np.where(covers, right / np.maximum(n, 1), 0)
    best = int(share.argmax())
    return Row(name, "best single", float(share[best]), note=f"{table.sources[best]}, {int(n[best])} votes")


def right_votes(table: VoteTable) -> tuple[np.ndarray, np.ndarray]:
    """By source, its right votes and its votes on items with gold."""
    gold = table.gold[table.item]
    n, right = (
        np.bincount(table.source[kept], minlength=len(table.sources)) for kept in (gold >= 0, gold == table.label)
    )
    return right, n


def with_gold(name: str, table: VoteTable, options: argparse.Namespace) -> Iterator[Row]:
    """`auto` and what it must not fall behind, over several draws of the known gold."""
    rows: dict[str, list[Row]] = {}
    for draw in range(options.draws):
        shown = replace(table, gold=drawn_gold(table, options.gold, np.random.default_rng(draw)))
        rest = replace(table, gold=hidden(table, shown))
        blind = replace(table, gold=np.empty(0, np.int64))
        found = [
            scored(name, "vote (no gold)", rest, posterior_of(blind, "vote", False), np.nan),
            single_by_gold(name, rest, shown),
            automatic(name, table, shown),
        ]
        for model in fit_names():
            if options.models and model in options.models:
                found += measured(name, model, rest, lambda m=model, s=shown: posterior_of(s, m, False))
        for row in found:
            rows.setdefault(row.model, []).append(row)
    for model, each in rows.items():
        mean = {
            key: float(np.mean([getattr(row, key) for row in each])) for key in ("accuracy", "loss", "ece", "seconds")
        }
        worst = "" if model != "auto" else f"; worst {guard(rows):+.4f} against the better of the two"
        notes = "; ".join(f"{row.accuracy:.3f} {row.note}".strip() for row in each)
        yield Row(name, model, **mean, note=notes + worst)


def guard(rows: dict[str, list[Row]]) -> float:
    """The worst draw: accuracy of `auto` above the better of the vote and the single source by the same gold."""
    names = ("auto", "vote (no gold)", "single by gold")
    auto, vote, single = (np.array([row.accuracy for row in rows[name]]) for name in names)
    return float((auto - np.fmax(vote, single)).min())


def drawn_gold(table: VoteTable, n: int, rng: np.random.Generator) -> np.ndarray:
    known = np.flatnonzero((table.gold >= 0) & (table.n_per_item > 0))
    shown = np.full(len(table.items), -1)
    kept = rng.choice(known, min(n, len(known)), replace=False)
    shown[kept] = table.gold[kept]
    return shown


def single_by_gold(name: str, rest: VoteTable, shown: VoteTable) -> Row:
    """The source with most right votes on the shown gold, on the others; nan where none votes on half of it."""
    right, n = right_votes(shown)
    covers = n >= 0.5 * (shown.gold >= 0).sum()
    if not covers.any():
        return Row(name, "single by gold", np.nan, note="no source votes on half of the items")
    best = int(np.where(covers, right / np.maximum(n, 1), -1).argmax())
    right, n = right_votes(rest)
    total = ((rest.n_per_item > 0) & (rest.gold >= 0)).sum()
    silent = total - n[best]
    return Row(name, "single by gold", float((right[best] + silent / rest.n_classes) / total), note=rest.sources[best])


def summary(rows: list[Row]) -> None:
    """Means over the sets that every model has been fitted to, and how often the trust report's interval held."""
    if not rows:
        return
    frame = pd.DataFrame([asdict(row) for row in rows])
    print(f"\n{'model':<26}{'sets':>5}{'accuracy':>9}{'median loss':>12}{'mean ECE':>9}{'s':>8}")
    for model, mine in frame.groupby("model", sort=False):
        values = (
            f"{mine.accuracy.mean():9.4f}{mine.loss.median():12.3f}{mine.ece.mean():9.3f}{mine.seconds.sum():8.1f}"
        )
        print(f"{model:<26}{len(mine):5d}{values}")
    report_notes = frame.loc[frame.model == "trust report", "note"]
    if len(report_notes):
        print(f"trust report: the interval held in {report_notes.str.endswith('held').sum()} of {len(report_notes)}")


# ---- the sets ---------------------------------------------------------------------------------------------


def crowd(folder: str) -> Loader:
    """`label.csv` (item, worker, label) and `truth.csv` (item, truth)."""

    def load(options: argparse.Namespace) -> VoteTable:
        place = options.data / "crowd" / "truth_inference" / folder
        votes, truth = pd.read_csv(place / "label.csv", dtype=str), pd.read_csv(place / "truth.csv", dtype=str)
        return table_of(
            votes["item"], votes["worker"], votes["label"], dict(zip(truth["item"], truth["truth"], strict=True))
        )

    return load


def headless(file: str) -> Loader:
    """Worker, item, label, gold, without a header."""

    def load(options: argparse.Namespace) -> VoteTable:
        votes = pd.read_csv(options.data / "crowd" / file, header=None, dtype=str)
        return table_of(votes[1], votes[0], votes[2], dict(zip(votes[1], votes[3], strict=True)))

    return load


def rules(folder: str) -> Loader:
    """The training part: item, source, label, gold."""

    def load(options: argparse.Namespace) -> VoteTable:
        votes = pd.read_csv(options.data / "rules" / folder / "train_votes.csv", dtype=str)
        return table_of(
            votes["item"], votes["source"], votes["label"], dict(zip(votes["item"], votes["gold"], strict=True))
        )

    return load


def youtube(options: argparse.Namespace) -> VoteTable:
    """Ten labelling functions on comments, all three parts."""
    parts = [
        json.loads((options.data / "youtube" / f"{part}.json").read_text()) for part in ("train", "valid", "test")
    ]
    found = [row for part in parts for row in part.values()]
    cells = [
        (number, source, vote) for number, row in enumerate(found) for source, vote in enumerate(row["weak_labels"])
    ]
    item, source, label = (
        pd.Series(column).astype(str) for column in zip(*(cell for cell in cells if cell[2] >= 0), strict=True)
    )
    return table_of(item, source, label, {str(number): str(row["label"]) for number, row in enumerate(found)})


def jury(task: str) -> Loader:
    """The answers of language models to one task."""

    def load(options: argparse.Namespace) -> VoteTable:
        if options.juries is None:
            raise FileNotFoundError("name a clone of github.com/SALT-NLP/LLMs_for_CSS with --juries")
        folder = f"css_data/{task}"
        files = git(options.juries, "ls-tree", "--name-only", "HEAD", f"{folder}/").split()
        models = sorted(re.sub(".*/answer-", "", file) for file in files if "/answer-" in file)
        lines = []
        for model in models:
            if model not in TRAINED:
                text = git(options.juries, "show", f"HEAD:{folder}/answer-{model}")
                lines += [
                    (*line.split("\t")[:2], model, line.split("\t")[-1]) for line in text.splitlines() if "\t" in line
                ]
        item, gold, source, answer = (pd.Series(column) for column in zip(*lines, strict=True))
        names = GOLD_NAMES.get(task, {})
        gold = gold.str.lower().map(lambda name: names.get(name, name))
        classes = frozenset(gold)
        label = answer.map(lambda text: class_in(text, classes))
        spoken = label != ""
        return table_of(item[spoken], source[spoken], label[spoken], dict(zip(item, gold, strict=True)))

    return load


def class_in(answer: str, classes: frozenset[str]) -> str:
    """The first class that an answer names, "" for none."""
    words = re.findall(r"[\w.]+", answer.replace("&", " ").lower())
    return next((word.strip(".") for word in words if word.strip(".") in classes), "")


def git(folder: Path, *arguments: str) -> str:
    inside = folder / ".git" if (folder / ".git").is_dir() else folder
    done = subprocess.run(["git", f"--git-dir={inside}", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise FileNotFoundError(f"{folder}: {done.stderr.strip()[:200]}")
    return done.stdout


def table_of(
    item: "pd.Series[str]", source: "pd.Series[str]", label: "pd.Series[str]", gold: dict[str, str]
) -> VoteTable:
    """Only the first vote of a source on an item counts."""
    frame = pd.DataFrame({"item": item, "source": source, "label": label}).drop_duplicates(["item", "source"])
    classes = tuple(sorted({*frame["label"], *gold.values()}))
    number = {name: index for index, name in enumerate(classes)}
    (of_item, items), (of_source, sources) = pd.factorize(frame["item"]), pd.factorize(frame["source"])
    known = np.asarray([number[gold[name]] if name in gold else -1 for name in items])
    label_number = frame["label"].map(number).to_numpy(dtype=np.int64)
    return VoteTable(list(items), tuple(sources), classes, of_item, of_source, label_number, gold=known)


def ask_peer(table: VoteTable, peer: str) -> np.ndarray:
    """crowd-kit's model of that name with its own defaults; one without probabilities counts as certain."""
    import crowdkit.aggregation as peers

    frame = pd.DataFrame({"task": table.item, "worker": table.source, "label": table.label})
    model: Any = getattr(peers, peer)()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(frame)
    shares = getattr(model, "probas_", None)
    if shares is None:
        shares = pd.get_dummies(model.labels_).astype(float)
    return shares.reindex(index=range(len(table.items)), columns=range(table.n_classes)).fillna(0).to_numpy()


REAL_SETS = [
    *(RealSet(name, "development", crowd(name)) for name in ("zc_us", "bluebird", "dog", "product", "web")),
    RealSet("SP", "development", headless("SP.csv")),
    RealSet("trec", "development", rules("trec")),
    RealSet("youtube", "development", youtube),
    *(RealSet(name, "development", jury(name)) for name in ("conv_go_awry", "implicit_hate")),
    *(RealSet(name, "held_out", crowd(name)) for name in ("cf", "ms", "rte", "sp_amt", "zc_in")),
    RealSet("CF_amt", "held_out", headless("CF_amt.csv")),
    RealSet("sms", "held_out", rules("sms")),
    *(RealSet(name, "held_out", jury(name)) for name in ("emotion", "persuasion")),
]


if __name__ == "__main__":
    main()
