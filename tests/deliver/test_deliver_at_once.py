"""Two commands at once on one state or one student: none loses what the other has done, and it is told who waits."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.combiners.state_file import load_state
from outgrow.errors import DataError
from outgrow.graph.output import alone

ROUNDS, AT_ONCE = 2, 3


def started(folder: Path, words: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "outgrow", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def votes_of(first: int, n_items: int, seed: int) -> pd.DataFrame:
    said = np.random.default_rng(seed).integers(2, size=(n_items, 3))
    rows = [(f"i{first + item}", f"s{source}", f"c{said[item, source]}") for item, source in np.ndindex(said.shape)]
    return pd.DataFrame(rows, columns=["item", "source", "label"])


def test_of_several_updates_at_once_none_is_lost(tmp_path: Path) -> None:
    outgrow.combine(votes_of(0, 50, SEEDS[0]), "dawid_skene", state=tmp_path / "s")
    for number in range(ROUNDS):
        names = [f"more-{number}-{which}.csv" for which in range(AT_ONCE)]
        for which, name in enumerate(names):
            votes_of(50 + (number * AT_ONCE + which) * 5, 5, SEEDS[1]).to_csv(tmp_path / name, index=False)
        runs = [started(tmp_path, ["combine", name, "--update", "s", "-o", "labels.csv"]) for name in names]
        ends = [run.communicate(timeout=120) for run in runs]
        assert [run.returncode for run in runs] == [0] * AT_ONCE, ends
        n_items = 50 + (number + 1) * AT_ONCE * 5
        assert load_state(tmp_path / "s").table.n_votes == 3 * n_items
        assert len(pd.read_csv(tmp_path / "labels.csv")) == n_items, "the labels are those of the last state"
    assert not list(tmp_path.glob(".*"))


def test_an_update_that_waits_says_so(tmp_path: Path) -> None:
    outgrow.combine(votes_of(0, 20, 0), "vote", state=tmp_path / "s")
    votes_of(20, 5, 1).to_csv(tmp_path / "more.csv", index=False)
    with alone(tmp_path / "s"):
        run = started(tmp_path, ["combine", "more.csv", "--update", "s"])
        assert run.stderr is not None
        assert run.stderr.readline() == "outgrow: waiting for another process to be done with `s`\n"
    assert run.communicate(timeout=60)[1] == ""
    assert run.returncode == 0
    assert load_state(tmp_path / "s").table.n_votes == 75


def test_a_second_training_of_one_folder_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,text\n" + "".join(f"i{row},text {row}\n" for row in range(20)))
    votes_of(0, 20, 0).to_csv(tmp_path / "votes.csv", index=False)
    words = ["train", "--items", "items.csv", "--labels", "votes.csv", "--model", "bundled:smollm2-135m@1", "-q"]
    with alone(tmp_path / "student"):
        began = time.monotonic()
        run = started(tmp_path, words)
        assert run.communicate(timeout=60)[1] == (
            "outgrow: student: another process is writing it; wait until it has ended, or choose another path\n"
        )
    assert run.returncode == 2
    assert time.monotonic() - began < 30
    assert not (tmp_path / "student").exists()
    assert not (tmp_path / "runs").exists(), "nothing was trained"


def test_a_state_that_was_edited_by_hand_is_refused(tmp_path: Path) -> None:
    outgrow.combine(votes_of(0, 20, SEEDS[0]), "dawid_skene", state=tmp_path / "s")
    with np.load(tmp_path / "s") as archive:
        arrays = dict(archive)
    header = arrays["header"].tobytes()
    edits = {
        "a vote": {"label": 1 - arrays["label"]},
        "a vote beyond the classes": {"label": arrays["label"] + 9},
        "too few votes": {"item": arrays["item"][:-1]},
        "words for numbers": {"item": arrays["item"].astype(str)},
        "a name": {"header": header.replace(b'"i7"', b'"i8"')},
        "no method": {"header": header.replace(b'"method"', b'"methud"')},
        "no JSON": {"header": header[:-1]},
        "a list": {"header": b"[1, 2]"},
        "deep": {"header": b"[" * 100_000},
        "a text": {"header": b'"version"'},
        "another version": {"header": header.replace(b'"version": 3', b'"version": [3]')},
    }
    for changed in edits.values():
        as_bytes = {
            name: np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value
            for name, value in changed.items()
        }
        with (tmp_path / "edited").open("wb") as file:
            np.savez(file, **{**arrays, **as_bytes})
        with pytest.raises(DataError, match="start anew from the votes"):
            load_state(tmp_path / "edited")


def test_every_flipped_byte_of_a_state_is_noticed_or_without_effect(tmp_path: Path) -> None:
    outgrow.combine(votes_of(0, 4, SEEDS[0]), "dawid_skene", state=tmp_path / "s")
    whole, state = (tmp_path / "s").read_bytes(), load_state(tmp_path / "s")
    draw = np.random.default_rng(SEEDS[1])
    refused = 0
    for place in draw.choice(len(whole), 1500):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(draw.integers(8))
        (tmp_path / "flipped").write_bytes(flipped)
        try:
            found = load_state(tmp_path / "flipped")
        except DataError:
            refused += 1
            continue
        assert found.table.items == state.table.items
        np.testing.assert_array_equal(found.table.label, state.table.label)
        np.testing.assert_array_equal(found.posterior, state.posterior)
    assert refused > 1000
