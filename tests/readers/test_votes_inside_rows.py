"""A row per item: with its votes inside, or with the number of votes for each class."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError
from outgrow.readers.read_votes import read_votes

NAMES = ["ada", "ben", "cleo"]
ANY_SEED = pytest.mark.parametrize("seed", SEEDS)


def drawn(seed: int, n_items: int = 12) -> list[dict[str, Any]]:
    """Votes of some of three sources on each item; every item has at least two."""
    rng = np.random.default_rng(seed)
    rows = []
    for item in range(n_items):
        voting = rng.permutation(NAMES)[: rng.integers(2, 4)]
        rows.append({"id": f"i{item}", "said": {name: str(rng.choice(["yes", "no"])) for name in sorted(voting)}})
    return rows


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "votes.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def as_set(table: Any) -> set[tuple[str, str, str]]:
    columns = zip(table.item.tolist(), table.source.tolist(), table.label.tolist(), strict=True)
    return {(table.items[item], table.sources[source], table.classes[label]) for item, source, label in columns}


@ANY_SEED
@pytest.mark.parametrize(
    "form",
    [
        lambda row: {"votes": row["said"]},
        lambda row: {"result": {"votes": row["said"], "tie": False}},
        lambda row: {"verdicts": [{"model": name, "value": label} for name, label in row["said"].items()]},
        lambda row: {"jury": {"votes": [{"judge": n, "verdict": v, "why": "so"} for n, v in row["said"].items()]}},
        lambda row: {"labels": [*row["said"].values()], "annotators": [*row["said"]]},
        lambda row: {"worker_ids": [*row["said"]], "answers": [*row["said"].values()], "tokens": ["a", "b"]},
    ],
    ids=["mapping", "inner_mapping", "objects", "inner_objects", "lists", "other_lists"],
)
def test_votes_inside_rows_are_read(tmp_path: Path, seed: int, form: Any) -> None:
    rows = drawn(seed)
    path = written(tmp_path, [{"id": row["id"], "text": "t", **form(row)} for row in rows])
    expected = {(row["id"], name, label) for row in rows for name, label in row["said"].items()}
    assert as_set(read_votes(path)) == expected


def test_true_and_false_gold_and_confidence_inside_rows(tmp_path: Path) -> None:
    votes = [{"model": "a", "value": True, "confidence": 0.9}, {"model": "b", "value": False, "confidence": 0.6}]
    table = read_votes(
        written(tmp_path, [{"id": 1, "gold": True, "votes": votes}, {"id": 2, "gold": None, "votes": []}])
    )
    assert table.classes == ("false", "true")
    assert table.probs is not None
    np.testing.assert_allclose(table.probs, [[0.1, 0.9], [0.6, 0.4]])
    assert table.gold.tolist() == [1, -1]
    assert table.items == ["1", "2"]


def test_mistakes_inside_rows_name_the_line(tmp_path: Path) -> None:
    good = {"id": 1, "labels": ["y", "n"], "annotators": ["a", "b"]}
    with pytest.raises(DataError, match="line 30: `labels` has 2 labels for 1"):
        read_votes(written(tmp_path, [*[good] * 29, {**good, "annotators": ["a"]}]))
    votes = {"id": 1, "votes": [{"model": "a", "value": "y"}]}
    with pytest.raises(DataError, match=r"line 30.*no source"):
        read_votes(written(tmp_path, [*[votes] * 29, {"id": 2, "votes": [{"value": "y"}]}]))


def test_two_places_with_votes_are_asked_about(tmp_path: Path) -> None:
    row = {"id": 1, "votes": {"a": "y", "b": "n"}, "answers": {"a": "n", "b": "y"}}
    path = written(tmp_path, [row])
    with pytest.raises(ConfigError, match="`label=votes`"):
        read_votes(path)
    assert as_set(read_votes(path, columns=VoteColumns(label="answers"))) == {("1", "a", "n"), ("1", "b", "y")}


@ANY_SEED
@pytest.mark.parametrize("form", ["named", "total", "mapping", "text"])
def test_counts_are_the_soft_votes_of_one_source(tmp_path: Path, seed: int, form: str) -> None:
    draw = np.random.default_rng(seed)
    classes = ["hate", "offensive", "neither"]
    each = draw.integers(2, 9, size=30)
    counts = np.stack([draw.multinomial(n, draw.dirichlet(np.ones(3))) for n in each])
    by_class = dict(zip(classes, counts.T, strict=True))
    frames = {
        "named": pd.DataFrame({"id": range(30), **{f"n_{name}": by_class[name] for name in classes}}),
        "total": pd.DataFrame({"id": range(30), "count": each, **by_class}),
        "text": pd.DataFrame({"id": range(30), "n_hate": by_class["hate"], "n_neither": by_class["neither"] + 1}),
    }
    if form == "mapping":
        rows = [
            {"uid": item, "label_counter": dict(zip(classes, row.tolist(), strict=True))}
            for item, row in enumerate(counts)
        ]
        source: Any = written(tmp_path, rows)
    else:
        source = tmp_path / "votes.csv"
        frames[form].to_csv(source, index=False)
    table = read_votes(source)
    expected = counts if form != "text" else np.stack([by_class["hate"], by_class["neither"] + 1], axis=1)
    names = classes if form != "text" else ["hate", "neither"]
    assert table.sources == ("voters",)
    assert table.probs is not None
    order = [table.classes.index(name) for name in names]
    np.testing.assert_allclose(table.probs[:, order], expected / expected.sum(axis=1, keepdims=True))
    combined = outgrow.combine(source)
    np.testing.assert_allclose(combined.posterior, table.probs, atol=1e-5)


def test_columns_of_counts_are_sources_if_that_is_said(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": range(8), "n_yes": [0, 1] * 4, "n_no": [1, 1] * 4})
    assert read_votes(frame).sources == ("voters",)
    assert read_votes(frame, columns=VoteColumns(votes=("n_yes", "n_no"))).sources == ("n_yes", "n_no")
    assert read_votes(frame, columns=VoteColumns(layout="wide"), classes=["0", "1"]).sources == ("n_yes", "n_no")
    with pytest.raises(ConfigError, match="vote_counts"):
        read_votes(frame.assign(n_yes=0.5), columns=VoteColumns(layout="vote_counts"))


def test_a_row_per_item_with_probabilities_passes_through(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": range(4), "p_yes": [0.1, 0.7, 0.4, 1.0], "p_no": [0.9, 0.3, 0.6, 0.0]})
    combined = outgrow.combine(frame)
    np.testing.assert_allclose(combined.posterior[:, ::-1], frame[["p_yes", "p_no"]], atol=1e-6)


@ANY_SEED
def test_confidences_in_other_forms_are_the_same_votes(tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    p = draw.uniform(0.5, 0.99, size=24).round(2)
    frame = pd.DataFrame(
        {"id": np.repeat(range(12), 2), "model": ["a", "b"] * 12, "verdict": draw.choice(["yes", "no"], 24)}
    )
    other = frame.verdict.map({"yes": "no", "no": "yes"})
    expected = read_votes(frame.assign(confidence=p))
    assert expected.probs is not None
    mappings = [
        {label: np.log(q), wrong.upper() + " ": np.log(1 - q), "perhaps": -9.0}
        for label, wrong, q in zip(frame.verdict, other, p, strict=True)
    ]
    tokens = [[{"token": "yes", "logprob": -0.1}]] * 24
    for changes in (
        {"confidence": p * 100},
        {"logprob": np.log(p)},
        {"logprobs": mappings},
        {"confidence": p, "logprobs": tokens},
    ):
        found = read_votes(written(tmp_path, frame.assign(**changes).to_dict("records")))
        np.testing.assert_allclose(found.probs, expected.probs, atol=1e-9)
    assert read_votes(written(tmp_path, frame.assign(logprobs=tokens).to_dict("records"))).probs is None


@pytest.mark.parametrize(
    ("changes", "message"), [({"confidence": 4}, "row 1.*probability"), ({"logprob": 0.3}, "row 1.*log-probability")]
)
def test_a_confidence_of_no_known_form_is_told(changes: dict[str, float], message: str) -> None:
    frame = pd.DataFrame({"id": [1, 2], "model": "a", "verdict": ["yes", "no"], **changes})
    with pytest.raises(DataError, match=message):
        read_votes(frame)
