"""Every kind of votes and every combiner of a kind: what all of them promise."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import outgrow
from outgrow.errors import ConfigError, DataError
from outgrow.vote_kinds import KIND_COMBINERS, VOTE_KINDS, AnyCombined, kind_of, methods_of, text_of

ITEMS = [item for item in range(12) for _ in range(3)]
SOURCES = ["ada", "ben", "cleo"] * 12


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"item": ITEMS, "annotator": SOURCES, **columns})


MADE = {
    "classes": table(label=["red", "blue", "red"] * 12),
    "texts": table(answer=[f"{item} {source[0]}" for item, source in zip(ITEMS, SOURCES, strict=True)]),
    "scores": table(score=[item % 5 + (source == "ben") for item, source in zip(ITEMS, SOURCES, strict=True)]),
    "multi_label": table(labels=[["red", "blue"], ["red"], []] * 12),
    "spans": table(start=ITEMS, end=[item + 3 for item in ITEMS], label="place"),
}
WITH_TABLE = [name for name in VOTE_KINDS if name in MADE]
PAIRED = [(record.kind, name) for name, record in KIND_COMBINERS.items() if record.kind in MADE]


@pytest.mark.parametrize("kind", WITH_TABLE)
def test_every_kind_is_combined_shown_and_written(kind: str, tmp_path: Path) -> None:
    combined = outgrow.combine(MADE[kind], kind=kind)
    assert isinstance(combined, AnyCombined)
    assert "3 sources" in text_of(VOTE_KINDS[kind], combined)
    assert combined.about["votes"]["n_items"] == 12
    assert json.loads(json.dumps(combined.about)) == combined.about
    combined.save(tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").column_names == combined.to_arrow().column_names
    assert combined.to_arrow().column_names[0] == "item"


@pytest.mark.parametrize(("kind", "method"), PAIRED)
def test_every_combiner_of_a_kind_is_found_by_its_name(kind: str, method: str) -> None:
    assert method in methods_of(VOTE_KINDS[kind])
    assert kind_of(MADE[kind], method=method).name == kind
    combined = outgrow.combine(MADE[kind], {"type": method})
    assert combined.about["combine"]["method"] == method
    with pytest.raises(ConfigError, match="key"):
        outgrow.combine(MADE[kind], {"type": method, "key": 1})


@pytest.mark.parametrize("kind", [kind for kind in WITH_TABLE if kind != "texts"])
def test_the_shape_of_a_table_tells_its_kind(kind: str) -> None:
    assert kind_of(MADE[kind]).name == kind
    assert kind_of(MADE[kind], kind="texts").name == "texts"


def test_an_empty_table_and_a_missing_file_are_told(tmp_path: Path) -> None:
    for kind in WITH_TABLE:
        with pytest.raises((DataError, ConfigError)):
            outgrow.combine(MADE[kind].iloc[:0], kind=kind)
        with pytest.raises(DataError, match=r"missing\.csv"):
            outgrow.combine(tmp_path / "missing.csv", kind=kind)


def test_free_answers_are_asked_about() -> None:
    with pytest.raises(DataError, match="--kind texts"):
        outgrow.combine(MADE["texts"])
    assert len(outgrow.combine(MADE["texts"], kind="texts").targets) == 12


@pytest.mark.parametrize(
    ("label", "named"),
    [
        ([1.00021, 2.0, 1.9983] * 12, "--kind scores"),
        (["2024-03-04", "2024-03-05", "2024-03-06"] * 12, "scale=nominal"),
    ],
)
def test_numbers_and_dates_are_asked_about(label: list[Any], named: str) -> None:
    with pytest.raises(DataError, match=named):
        outgrow.combine(table(label=label))
    assert len(outgrow.combine(table(label=label), "vote", scale="nominal").votes.classes) == 3
