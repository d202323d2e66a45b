"""Tables 3, 5 and 8 to 11 of paper 1: which settings tell rows apart, and where the numbers stand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from outgrow.config.load import read_experiment
from outgrow.metrics.estimate import Estimate
from outgrow.render.table import Table
from outgrow.reporting.results import Results, RowResult
from outgrow.reporting.topics import make_tables
from outgrow.reporting.topics.ablation import YES, MethodSettings, ablation_table, find_settings

MODEL = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
NAMES = ["a", "b", "c", "d", "e"]
STUDY: dict[str, Any] = {
    "name": "ablation",
    "task": {"name": "errands"},
    "supervisors": dict.fromkeys(NAMES, MODEL),
    "student": MODEL,
    "variants": ["plain"],
}


def settings_of(*methods: Any) -> dict[str, MethodSettings]:
    experiment = read_experiment({**STUDY, "methods": list(methods)})
    return {one.method: one for one in find_settings(experiment, of_texts=True)}


def filled(results: Results, *methods: Any, variants: tuple[str, ...] = ("plain",)) -> Table:
    """The ablation's table with the row's number as its score."""
    found = settings_of(*methods)
    rows = [row_with(results, name, variant, number) for number, name in enumerate(found) for variant in variants]
    about = replace(results.about, variants=variants)
    return ablation_table(replace(results, about=about, rows=tuple(rows)), tuple(found.values()))


def row_with(results: Results, name: str, variant: str, number: int) -> RowResult:
    value = number / 100
    score = Estimate(value, value, value, 10, 3)
    return replace(results.of("method")[0], name=name, method=name, variant=variant, score=score, pgr=score)


def test_rows_that_have_no_like_have_no_settings_to_compare() -> None:
    assert settings_of("naive", "bayesian", "joint_decoding", "bayesian_cdpo", "single") == {}


def test_what_a_soft_target_tells_is_table_8(text_results: Results) -> None:
    rows = [
        {"preset": "bayesian", "name": rest, "soft_labels": {"rest": rest}}
        for rest in ("onehot", "target_only", "student")
    ]
    table = filled(text_results, *rows)
    assert [column.title for column in table.columns][:3] == ["", "target token", "other tokens"]
    assert table.groups()[1:] == [("probability of", 2), ("without self-training", 2)]
    assert [line.cells[1:3] for line in table.lines] == [("", ""), (YES, ""), (YES, YES)]
    assert [line.cells[3].value for line in table.lines] == [0.0, 0.01, 0.02]


def test_weights_are_table_9(text_results: Results) -> None:
    fixed = {"a": 0.1, "b": 0.3, "c": 0.2, "d": 0.3, "e": 0.1}
    rows = [
        {"preset": "bayesian", "name": name, "combine": {"type": "keep_all", "weights": weights}}
        for name, weights in {"average": "average", "dynamic": "confidence", "fixed": fixed}.items()
    ]
    table = filled(text_results, *rows)
    assert [column.title for column in table.columns] == ["", "combine.weights", "SLU-F1", "PGR"]
    assert [line.cells[:2] for line in table.lines] == [
        ("average", "average"), ("dynamic", "confidence"), ("fixed", "a 0.1, b 0.3, c 0.2, d 0.3, e 0.1"),
    ]  # fmt: skip


def test_who_writes_and_who_scores_is_table_10(text_results: Results) -> None:
    def joint(name: str, sources: list[str], **combine: Any) -> dict[str, Any]:
        return {
            "preset": "joint_decoding",
            "name": name,
            "sources": sources,
            "combine": {"type": "joint_decoding", **combine},
        }

    rows = [
        joint("three", NAMES[:3]), joint("four", NAMES[:4]), joint("e writes", NAMES, scorers=NAMES[:4]),
        joint("five", NAMES),
    ]  # fmt: skip
    table = filled(text_results, *rows)
    titles = [(column.group, column.title) for column in table.columns]
    assert titles[1:5] == [("generating", "d"), ("generating", "e"), ("scoring", "d"), ("scoring", "e")]
    marks = [tuple(cell == YES for cell in line.cells[1:5]) for line in table.lines]
    assert marks == [
        (False, False, False, False), (True, False, True, False), (True, True, True, False), (True, True, True, True),
    ]  # fmt: skip


def test_beams_by_sources_are_table_11(text_results: Results) -> None:
    rows = [
        {
            "preset": "joint_decoding",
            "name": f"{beams} of {n}",
            "sources": NAMES[:n],
            "combine": {"type": "joint_decoding", "beams": beams},
        }
        for n in (3, 5)
        for beams in (3, 5, 10)
    ]
    table = filled(text_results, *rows)
    assert table.groups() == [("", 1), ("weaks-to-strong-3", 2), ("weaks-to-strong-5", 2)]
    assert [line.cells[0] for line in table.lines] == ["3", "5", "10"]
    assert [[cell.value for cell in line.cells[1::2]] for line in table.lines] == [
        [0.0, 0.03], [0.01, 0.04], [0.02, 0.05],
    ]  # fmt: skip
    hole = filled(text_results, *rows[:-1])
    assert [line.cells[0] for line in hole.lines] == [f"{b} of {n}" for n in (3, 5) for b in (3, 5, 10)][:-1]
    both = filled(text_results, *rows, variants=("plain", "self_training"))
    assert len(both.lines) == 6, "two variants leave no room for two sets of sources side by side"


def test_defaults_are_filled_in_before_rows_are_compared() -> None:
    wide = {"preset": "joint_decoding", "name": "wide", "combine": {"type": "joint_decoding", "beams": 5}}
    assert settings_of("joint_decoding", wide) == {}, "5 is the study's own beam"
    soft = {"preset": "bayesian", "name": "soft", "soft_labels": {"rest": "student"}}
    assert settings_of("bayesian", soft) == {}
    word = settings_of("bayesian", {**soft, "soft_labels": {"unit": "word"}})
    assert {name: one.plain for name, one in word.items()} == {
        "bayesian": {"soft_labels.unit": "span"}, "soft": {"soft_labels.unit": "word"},
    }  # fmt: skip


def test_refiners_are_told_by_their_type() -> None:
    found = settings_of("naive", "icl", "infer_and_respond", "ask_to_improve", "self_bootstrap")
    assert {name: one.plain for name, one in found.items()} == {
        "naive": {"refine.type": "–"},
        **{name: {"refine.type": name} for name in ("icl", "infer_and_respond", "ask_to_improve", "self_bootstrap")},
    }


def test_settings_of_a_refiner_are_compared_among_refiners_of_its_type() -> None:
    host = {"type": "endpoint", "model": "host-7b", "url": "http://127.0.0.1:9/v1"}
    wide = {"preset": "naive", "name": "wide", "refine": {"type": "icl", "batch": 9, "by": host}}
    found = settings_of("naive", "icl", wide, "infer_and_respond")
    assert {name: one.plain for name, one in found.items()} == {
        "naive": {"refine.type": "–", "refine.by": "–", "refine.batch": "–"},
        "icl": {"refine.type": "icl", "refine.by": "student", "refine.batch": "5"},
        "wide": {"refine.type": "icl", "refine.by": "host-7b", "refine.batch": "9"},
        "infer_and_respond": {"refine.type": "infer_and_respond", "refine.by": "student", "refine.batch": "5"},
    }
    greedy = {"beams": 1, "candidates": 1}
    same = {"preset": "naive", "name": "same", "refine": {"type": "icl", "decoding": greedy}}
    assert settings_of("icl", same) == {}, "this is how labels are rewritten anyway"


def test_stages_are_told_in_words_and_selections_by_what_differs() -> None:
    few = {"preset": "rewarded", "name": "few", "stages": [{"select": {"type": "reward_model", "keep": {"quota": 9}}}]}
    found = settings_of("naive", "rewarded", few, "two_stage", "random_half")
    assert {name: (one.plain["stages"], one.plain["select.keep.fraction"]) for name, one in found.items()} == {
        "naive": ("all labels", "–"),
        "rewarded": ("reward_model", "0.5"),
        "few": ("reward_model", "–"),
        "two_stage": ("all labels, then reward_model", "0.5"),
        "random_half": ("random", "0.5"),
    }
    assert list(found["few"].plain) == ["stages", "select.keep.fraction", "select.keep.quota"]
    assert found["few"].plain["select.keep.quota"] == "9"


def test_overridden_self_training_is_compared_with_the_studys() -> None:
    own = {"preset": "naive", "name": "own", "self_training": {"gamma_max": 0.25}}
    found = settings_of("naive", own)
    assert {name: one.plain for name, one in found.items()} == {
        "naive": {"self_training.gamma_max": "0.5"}, "own": {"self_training.gamma_max": "0.25"},
    }  # fmt: skip


def test_models_are_table_3(text_results: Results) -> None:
    table = next(table for table in make_tables(text_results) if table.name == "models")
    assert [line.cells[0] for line in table.lines] == ["ceiling", *text_results.about.supervisors]
    assert table.lines[0].cells[1:3] == ("bundled:smollm2-135m@4", "lora")
    assert table.lines[0].cells[3] == pytest.approx(42.5, abs=0.1)
    assert table.lines[0].cells[4] == text_results.of("ceiling")[0].score


def test_before_and_after_preferences_is_table_5(text_results: Results) -> None:
    table = next(table for table in make_tables(text_results) if table.name == "preferences")
    assert [group for group, _ in table.groups()] == ["", "seed 0", "seed 1", "seed 2", "average"]
    names = [line.cells[0] for line in table.lines]
    assert names == [
        "bayesian", "bayesian_cdpo", "bayesian + self-training", "bayesian_cdpo + self-training",
    ]  # fmt: skip
    row = text_results.named("bayesian_cdpo")
    assert text_results.topics["preferences"]["bayesian_cdpo"] == "bayesian"
    assert table.lines[1].cells[1::2] == (*row.per_seed, row.score)
    assert table.lines[1].cells[2::2] == (*row.pgr_per_seed, row.pgr)


def test_pgr_under_a_seed_is_that_seeds_share_of_its_gap(text_results: Results) -> None:
    ceiling, floors = text_results.of("ceiling")[0], text_results.of("floor")
    row = text_results.named("naive")
    for seed, found in enumerate(row.pgr_per_seed):
        score, top = row.per_seed[seed].value, ceiling.per_seed[seed].value
        shares = [(score - one.per_seed[seed].value) / (top - one.per_seed[seed].value) for one in floors]
        assert found.value == pytest.approx(np.mean(shares), abs=1e-5)
        assert found.seeds == 1
