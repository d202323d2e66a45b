"""Items without names: row k of one table is row k of every other, in a study, a training and a combination."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

import small_study
from outgrow.errors import DataError
from outgrow.readers.row_numbers import require_same_rows, row_numbers

N = 90
WORDS = ("rain", "sun", "snow")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Items whose text names their class and their row, and votes of three sources on them."""
    generator = np.random.default_rng(7)
    gold = generator.integers(0, 3, N)
    votes = np.where(generator.random((N, 3)) < 0.15, generator.integers(0, 3, (N, 3)), gold[:, None])
    votes[generator.random((N, 3)) < 0.1] = -1
    votes[5] = [gold[5]] * 3
    np.save(tmp_path / "v.npy", votes)
    np.save(tmp_path / "short.npy", votes[:80])
    rows = [f"{WORDS[g]} fell upon row {n},{g}" for n, g in enumerate(gold.tolist())]
    (tmp_path / "it.csv").write_text("\n".join(["text,label", *rows]))
    # The same items with names of their own, which no array of votes knows.
    named = [f"{n + 1},{row}" for n, row in enumerate(rows)]
    (tmp_path / "named.csv").write_text("\n".join(["id,text,label", *named]))
    (tmp_path / "gold.csv").write_text("\n".join(["label", *map(str, gold.tolist())]))
    (tmp_path / "from_one.csv").write_text(
        "\n".join(["item,source,label", *(f"{n + 1},s,{WORDS[g]}" for n, g in enumerate(gold.tolist()))])
    )
    return tmp_path


def write_study(folder: Path, **task: object) -> None:
    study = {
        **small_study.STUDY,
        "task": {"name": "sky", "path": "it.csv", "sizes": {"half_a": 20, "half_b": 40, "test": 20}, **task},
        "supervisors": {name: {"votes": "v.npy", "source": name} for name in "012"},
        "methods": ["vote"],
        "variants": ["plain"],
    }
    (folder / small_study.FILE).write_text(yaml.safe_dump(study))


def test_a_study_takes_the_votes_of_the_same_row(folder: Path) -> None:
    write_study(folder)
    ran = small_study.outgrow(folder, "run", small_study.FILE)
    assert ran.returncode == 0, ran.stderr
    votes = np.load(folder / "v.npy")
    found = list((folder / "runs/steps").glob("supervisor-*/half_b.parquet"))
    assert len(found) == 3
    for path in found:
        source = int(json.loads((path.parent / "done.json").read_text())["params"]["file_source"])
        table = pq.read_table(path).to_pylist()
        assert len(table) > 30
        for row in table:
            assert votes[int(row["item"]), source] == int(np.argmax(row["probs"]))
    (folder / small_study.FILE).write_text((folder / small_study.FILE).read_text().replace("v.npy", "short.npy"))
    ran = small_study.outgrow(folder, "run", small_study.FILE, "--replace")
    assert "short.npy has 80 rows and" in ran.stderr + ran.stdout
    assert f"it.csv has {N}" in ran.stderr + ran.stdout


def test_named_items_meet_no_rows(folder: Path) -> None:
    write_study(folder, path="named.csv", columns={"id": "id"})
    ran = small_study.outgrow(folder, "run", small_study.FILE)
    assert "v.npy names no items, and the task's have names such as" in ran.stderr + ran.stdout


@pytest.mark.parametrize("items", ["it.csv", "named.csv"])
def test_a_training_learns_the_label_of_the_same_row(folder: Path, items: str) -> None:
    words = ("train", "--items", items, "--labels", "v.npy", "--model", "bundled:minilm-l6@1", "-o", "out")
    ran = small_study.outgrow(folder, *words, "--method", "vote", "threads=1", "student.training.epochs=1")
    assert ran.returncode == 0, ran.stderr
    votes = np.load(folder / "v.npy")
    number = {"it.csv": lambda name: int(name), "named.csv": lambda name: int(name) - 1}[items]
    labels = pq.read_table(folder / "out" / "labels.parquet").to_pylist()
    assert labels
    for row in labels:
        said = votes[number(row["item"])]
        counts = np.bincount(said[said >= 0], minlength=3)
        assert counts[int(row["label"])] == counts.max()
    ran = small_study.outgrow(folder, *words[:4], "short.npy", *words[5:], "threads=1")
    assert "short.npy has 80 rows and" in ran.stderr
    assert f"{items} has 90: neither has ids" in ran.stderr


def test_gold_of_a_file_without_names_is_that_of_the_same_row(folder: Path) -> None:
    gold = [int(line) for line in (folder / "gold.csv").read_text().split("\n")[1:]]
    right = np.load(folder / "v.npy") == np.asarray(gold)[:, None]
    voted = np.load(folder / "v.npy") >= 0
    for file in ("gold.csv", "named.csv"):
        words = ("labels", "v.npy", "gold=label", "--gold", file, "--json")
        ran = small_study.outgrow(folder, *words)
        assert ran.returncode == 0, ran.stderr
        told = {one["name"]: one for one in json.loads(ran.stdout)["sources"]}
        for number in range(3):
            share = right[voted[:, number], number].mean()
            assert told[str(number)]["by_gold"]["value"] == pytest.approx(share), file
    ran = small_study.outgrow(folder, "combine", "v.npy", "gold=label", "--gold", "gold.csv", "-o", "labels.csv")
    assert ran.returncode == 0, ran.stderr
    ran = small_study.outgrow(folder, "labels", "short.npy", "gold=label", "--gold", "gold.csv")
    assert "has 80 rows and gold.csv has 90" in ran.stderr


def test_votes_that_count_from_one_are_asked_about(folder: Path) -> None:
    words = ("--items", "it.csv", "--labels", "from_one.csv", "--model", "bundled:wordllama", "-o", "out")
    ran = small_study.outgrow(folder, "train", *words)
    assert ran.returncode != 0
    assert f"from_one.csv names items 1 to {N}, and the {N} items of" in ran.stderr


def test_what_fits_is_let_through() -> None:
    require_same_rows(row_numbers(3), "v.npy", 3, "it.csv")
    require_same_rows(["0", "2"], "v.csv", 3, "it.csv")
    require_same_rows(["1", "2"], "v.csv", 3, "it.csv")
    require_same_rows(["3", "ada"], "v.csv", 3, "it.csv")
    with pytest.raises(DataError, match="names items 1 to 3"):
        require_same_rows(["3", "1"], "v.csv", 3, "it.csv")
