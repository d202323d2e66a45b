"""One label per item: what is written of it, checked against its definition; votes added later; the verbs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click import Command, Context
from typer.main import get_command

import outgrow
from drawn_seeds import SEEDS
from outgrow.cli.verbs import app
from outgrow.combiners import COMBINERS, fit_by, fit_names, section_named, text_combiners
from outgrow.combiners.incremental import start
from outgrow.combiners.votes import Votes
from outgrow.config.train import KeepItems, TrainSettings
from outgrow.deliver.training_data import vote_training_data
from outgrow.errors import ConfigError, DataError, OutgrowError
from outgrow.graph.writable import refuse_unwritable

VOTES = Path(__file__).parents[2] / "examples" / "data" / "ticket_votes.csv"


def drawn(seed: int, n_items: int = 60, n_sources: int = 4, n_classes: int = 3) -> pd.DataFrame:
    """A long table of votes that are right seven times in ten, a third of them missing."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(n_classes, size=n_items)
    said = np.where(
        rng.random((n_items, n_sources)) < 0.7, truth[:, None], rng.integers(n_classes, size=(n_items, n_sources))
    )
    item, source = np.nonzero(rng.random(said.shape) < 0.66)
    return pd.DataFrame(
        {
            "item": [f"i{i}" for i in item],
            "source": [f"s{s}" for s in source],
            "label": [f"c{k}" for k in said[item, source]],
        }
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", ["vote", "dawid_skene", "auto"])
def test_the_columns_are_what_they_say(seed: int, method: str) -> None:
    votes = drawn(seed)
    frame = outgrow.combine(votes, method).to_pandas().set_index("item")
    for name, row in frame.iterrows():
        own = votes[votes["item"] == name]["label"]
        probs = np.asarray(list(row["probabilities"].values()))
        assert probs.sum() == pytest.approx(1)
        assert row["confidence"] == pytest.approx(row["probabilities"][row["label"]]) == pytest.approx(probs.max())
        entropy = -sum(p * np.log(p) for p in probs if p > 0)
        assert row["certainty"] == pytest.approx(1 - entropy / np.log(len(probs)), abs=1e-9)
        assert row["votes"] == len(own)
        agreement = (own == row["label"]).mean() if len(own) > 1 else np.nan
        assert row["agreement"] == pytest.approx(agreement, nan_ok=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_written_is_read_again(seed: int, tmp_path: Path) -> None:
    found = outgrow.combine(drawn(seed), "one_coin")
    for suffix in (".csv", ".tsv", ".jsonl", ".parquet"):
        found.save(tmp_path / f"labels{suffix}")
        again = outgrow.read_labels(tmp_path / f"labels{suffix}")
        assert (again.items, again.sources) == (found.votes.items, ("combined",))
        np.testing.assert_allclose(again.probs, found.posterior, atol=1e-6)
    kept = pd.read_parquet(tmp_path / "labels.parquet")
    pd.testing.assert_frame_equal(kept, found.to_pandas())
    assert list(pd.read_csv(tmp_path / "labels.csv")["label"]) == list(kept["label"])


@pytest.mark.parametrize("seed", SEEDS)
def test_filters_and_weights_of_training_data(seed: int) -> None:
    found = outgrow.combine(drawn(seed), "dawid_skene")
    settings = TrainSettings.model_validate({"student": {"model": "-"}, "weight": "certainty"})
    settings = settings.model_copy(update={"keep": KeepItems(confidence=0.8, agreement=0.6)})
    data = vote_training_data(found, settings)
    frame = found.to_pandas()
    wanted = frame[(frame["confidence"] >= 0.8) & (frame["agreement"] >= 0.6)]
    assert data.targets.items == list(wanted["item"])
    np.testing.assert_allclose(data.targets.weight, wanted["certainty"])
    assert data.about["kept_share"] == pytest.approx(len(wanted) / len(frame))


def test_evidence_is_the_posterior_without_the_class_prior() -> None:
    """As in studies: each row is divided by the mean of all rows that are learned, which is the prior."""
    section = {"type": "stacked", "evidence": True}
    settings = TrainSettings.model_validate(
        {"student": {"model": "-"}, "combine": section, "keep": {"confidence": 0.4}}
    )
    found = outgrow.combine(drawn(3), section, calibrate=False)
    kept = found.confidence >= 0.4
    targets = vote_training_data(found, settings).targets
    prior = found.posterior[kept].mean(axis=0)
    evidence = found.posterior[kept] / prior
    np.testing.assert_allclose(targets.probs, evidence / evidence.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(targets.prior, prior)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_vote_is_a_target_where_nothing_is_combined(seed: int) -> None:
    votes = drawn(seed)
    settings = TrainSettings.model_validate({"student": {"model": "-"}, "combine": {"type": "keep_all"}})
    targets = vote_training_data(outgrow.combine(votes, "keep_all"), settings).targets
    assert len(targets.items) == len(votes)
    by_item = pd.Series(targets.weight).groupby(targets.items).sum()
    np.testing.assert_allclose(by_item, 1)


def test_a_filter_that_keeps_nothing_is_told() -> None:
    settings = TrainSettings.model_validate({"student": {"model": "-"}, "keep": {"agreement": 1.0, "confidence": 1.0}})
    with pytest.raises(DataError, match=r"keep\.confidence"):
        vote_training_data(outgrow.combine(drawn(1), "vote"), settings)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("method", ["vote", "dawid_skene", "bayesian_dawid_skene"])
def test_votes_added_later_give_the_labels_of_all_votes_at_once(seed: int, method: str, tmp_path: Path) -> None:
    votes = drawn(seed).sample(frac=1, random_state=seed)
    first, rest = votes.iloc[:120], votes.iloc[100:]
    outgrow.combine(first, method, state=tmp_path / "s", classes=["c0", "c1", "c2"])
    later = outgrow.update(tmp_path / "s", rest, calibrate=False).to_pandas().sort_values("item")
    whole = outgrow.combine(votes, method, calibrate=False).to_pandas().sort_values("item")
    assert list(later["item"]) == list(whole["item"])
    columns = [[list(cell.values()) for cell in frame["probabilities"]] for frame in (later, whole)]
    np.testing.assert_allclose(*columns, atol=1e-6)


def test_a_state_does_not_forget_options_silently(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="smoothing"):
        outgrow.combine(drawn(0), {"type": "dawid_skene", "smoothing": 2.0}, state=tmp_path / "s")


def test_only_new_items_are_looked_at_again_if_so_asked(tmp_path: Path) -> None:
    votes = drawn(3, n_items=300)
    outgrow.combine(votes[votes["item"] != "i7"], "dawid_skene", state=tmp_path / "s")
    near = outgrow.update(tmp_path / "s", votes[votes["item"] == "i7"], near=True)
    whole = outgrow.combine(votes, "dawid_skene", calibrate=False)
    assert "off by up to" in " ".join(near.notes)
    probs = [
        {row.item: list(row.probabilities.values()) for row in found.to_pandas().itertuples()}
        for found in (near, whole)
    ]
    worst = max(np.abs(np.subtract(probs[0][name], probs[1][name])).max() for name in probs[0])
    assert worst < 0.05


# ---- the verbs ------------------------------------------------------------------------------------------


def outgrow_says(*words: str, cwd: Path | None = None) -> Any:
    return subprocess.run([sys.executable, "-m", "outgrow", *words], capture_output=True, text=True, cwd=cwd)


def test_the_three_commands_of_the_readme(tmp_path: Path) -> None:
    looked = outgrow_says(
        "labels", str(VOTES), "--report", "trust.html", "--next", "ask.csv", "--n", "7", cwd=tmp_path
    )
    assert looked.returncode == 0, looked.stderr
    assert "(they agree more than independent errors explain): ada and eve (" in looked.stdout
    assert "<table" in (tmp_path / "trust.html").read_text()
    assert len(pd.read_csv(tmp_path / "ask.csv")) == 7
    made = outgrow_says("combine", str(VOTES), "-o", "combined.parquet", "--json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    about = json.loads(made.stdout)
    assert about["votes"]["n"] == len(pd.read_csv(VOTES))
    assert len(pd.read_parquet(tmp_path / "combined.parquet")) == about["votes"]["n_items"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["labels", "nothing.csv"], "nothing.csv"),
        (["labels", str(VOTES.parent)], "is a folder; name the file in it"),
        (["labels", str(VOTES), "itm=ticket"], "item"),
        (["labels", str(VOTES), "--report", "trust.doc"], ".html"),
        (["combine", str(VOTES), "--method", "majority"], "majority"),
        (["combine", str(VOTES), "--method", "single:frank"], "frank"),
        (["combine", str(VOTES), "-o", "labels.xlsx"], "labels.xlsx"),
        (["combine", str(VOTES), "--classes", "account,billing"], "technical"),
        (["combine", str(VOTES), "--update", "nothing.state"], "nothing.state"),
        (["export", "nothing", "--hub", "me/x"], "nothing"),
        (["rules", "nothing.yaml", str(VOTES), "-o", "v.csv"], "nothing.yaml"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], told: str, tmp_path: Path) -> None:
    said = outgrow_says(*words, cwd=tmp_path)
    assert said.returncode == 2, said.stderr
    assert told in said.stderr
    assert "Traceback" not in said.stderr
    assert len(said.stderr.strip().splitlines()) <= 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [["labels", "votes.csv", "--next"], ["combine", "votes.csv", "-o"], ["combine", "votes.csv", "--state"]]
)
def test_what_is_read_is_never_overwritten(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text(VOTES.read_text())
    said = outgrow_says(*words, "votes.csv", cwd=tmp_path)
    assert said.returncode == 2
    assert "is an input file" in said.stderr
    assert (tmp_path / "votes.csv").read_text() == VOTES.read_text()


TICKETS = VOTES.with_name("tickets.csv")
TRAIN = ["train", "--items", str(TICKETS), "--labels", "bad.csv", "--model", "bundled:smollm2-135m@1"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["labels", "bad.csv", "--report", "file/trust.html"], "--report: file cannot be made: "),
        (["labels", "bad.csv", "--report", "trust.doc"], "--report: trust.doc has an unknown format"),
        (["labels", "bad.csv", "--next", "file/a/b.csv"], "--next: file/a cannot be made"),
        (["labels", "bad.csv", "--next", "folder.csv"], "--next: folder.csv is a folder"),
        (["combine", "bad.csv", "-o", "file/labels.csv"], "--output: file cannot be made"),
        (["combine", "bad.csv", "-o", "labels.xlsx"], "--output: labels.xlsx has an unknown format"),
        (
            ["combine", "bad.csv", "-o", f"{'n' * 300}.csv"],
            "cannot be written (no file can have this name)",
        ),
        (["combine", "bad.csv", "--state", "file/state"], "--state: file cannot be made"),
        ([*TRAIN, "-o", "file/student"], "--output: file cannot be made"),
        ([*TRAIN, "-o", "."], "name a folder for the student"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_any_work(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "bad.csv").write_text("nothing that could be read, so that whoever reads it first is found out")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutgrowError) as caught:
        get_command(app).main(words, standalone_mode=False)
    assert told in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.csv", "bad.csv"}


def test_a_place_without_permission_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    if os.access(tmp_path / "closed", os.W_OK):
        pytest.skip("whoever runs this test may write everywhere")
    with pytest.raises(DataError, match="closed"):
        refuse_unwritable("--output", tmp_path / "closed" / "new" / "labels.csv")


def test_every_combiner_that_the_help_names_combines(tmp_path: Path) -> None:
    told = get_command(app).get_command(None, "combine").get_help(Context(Command("combine"), terminal_width=200))
    assert ", ".join(sorted(text_combiners())) in " ".join(told.split())
    named = re.search(r"The combiner: ([^;]*);", " ".join(told.split()))
    assert named is not None
    names = named[1].split(", ")
    kept = {record.name for record in COMBINERS.values() if record.keeps_votes and record.of_votes}
    assert {"auto", "single:SOURCE", *kept, *fit_names()} == set(names)
    votes, gold = drawn(1), {"item": ["i0", "i1", "i2", "i3"], "gold": ["c0", "c1", "c2", "c0"]}
    read = outgrow.read_labels(votes, gold=pd.DataFrame(gold))
    for name in names:
        assert len(outgrow.combine(read, name.replace("SOURCE", "s1")).to_pandas()) == len(read.items)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_auto_names_can_be_asked_for(seed: int, tmp_path: Path) -> None:
    """Every combiner of the registry by its name, with the labels that `auto` means by it; and an option beside it."""
    votes = outgrow.read_labels(
        drawn(seed), gold=pd.DataFrame({"item": ["i0", "i1", "i2"], "gold": ["c0", "c1", "c2"]})
    )
    for name in fit_names():
        asked = outgrow.combine(votes, name, calibrate=False, state=tmp_path / name)
        assert asked.method == name
        np.testing.assert_array_equal(asked.posterior, start(votes, name)[1].posterior)
    in_full = outgrow.combine(votes, {"type": "dawid_skene", "abstentions": "counted"})
    asked = outgrow.combine(votes, "dawid_skene_counted")
    assert (asked.method, asked.notes) == (in_full.method, in_full.notes)
    np.testing.assert_array_equal(asked.posterior, in_full.posterior)
    smooth = outgrow.combine(votes, {"type": "dawid_skene_counted", "smoothing": 3.0}, calibrate=False)
    wanted = fit_by(section_named("dawid_skene_counted", smoothing=3.0))(Votes.of_table(votes))
    np.testing.assert_array_equal(smooth.posterior, wanted.posterior)
    with pytest.raises(ConfigError, match="leave `abstentions` out"):
        outgrow.combine(votes, {"type": "dawid_skene_counted", "abstentions": "ignored"})


@pytest.mark.parametrize("words", [["--state", "t"], ["--classes", "a,b"], ["--method", "mace"]])
def test_an_update_takes_nothing_that_its_state_has(words: list[str], tmp_path: Path) -> None:
    outgrow.combine(drawn(0), "vote", state=tmp_path / "s")
    drawn(0).to_csv(tmp_path / "votes.csv", index=False)
    said = outgrow_says("combine", "votes.csv", "--update", "s", *words, cwd=tmp_path)
    assert said.returncode == 2
    assert words[0] in said.stderr


def test_columns_are_named_as_on_the_command_line() -> None:
    votes = drawn(0).rename(columns={"source": "who", "item": "nr"})
    usual = outgrow.combine(drawn(0), "vote").to_pandas()
    named = outgrow.combine(votes, "vote", source="who", item="nr").to_pandas()
    pd.testing.assert_frame_equal(named, usual)
    assert (
        outgrow.read_labels(votes, source="who", item="nr").n_votes == outgrow.read_labels(votes, "source=who").n_votes
    )


def test_what_was_written_is_told(tmp_path: Path) -> None:
    drawn(0).to_csv(tmp_path / "votes.csv", index=False)
    assert "were not written" in outgrow_says("combine", "votes.csv", cwd=tmp_path).stdout
    said = outgrow_says("combine", "votes.csv", "--state", "s", "-o", "out.csv", cwd=tmp_path).stdout
    assert "written: out.csv" in said
    assert "written: s" in said


def test_gold_is_found_under_any_name_that_can_be_told(tmp_path: Path) -> None:
    gold = pd.DataFrame({"ticket": ["T1001", "T1002"], "team": ["technical", "account"]})
    found = outgrow.read_labels(VOTES, gold=gold)
    assert {found.items[row]: found.classes[found.gold[row]] for row in np.flatnonzero(found.gold >= 0)} == {
        "T1001": "technical",
        "T1002": "account",
    }
    with pytest.raises(ConfigError, match="gold="):
        outgrow.read_labels(VOTES, gold=gold.assign(note="?", who="me"))


def test_votes_and_combined_labels_have_a_short_repr() -> None:
    votes = outgrow.read_labels(VOTES)
    assert repr(votes).startswith(f"VoteTable({votes.n_votes} votes of {len(votes.sources)} sources")
    combined = outgrow.combine(votes, "vote")
    assert f"{len(votes.items)} items by vote" in repr(combined)
    assert max(len(repr(votes)), len(repr(combined))) < 400
