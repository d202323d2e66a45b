"""What rows learned from, read off the steps of studies that are laid out and never run."""

import copy
from typing import Any

import pytest

from outgrow.config.load import read_experiment
from outgrow.config.method import Method
from outgrow.graph.step import Step
from outgrow.reporting.evidence.row_provenance import (
    chosen_by_gold,
    comparison,
    identity,
    last_selection,
    learned_last,
    reward_model,
    same_comparison,
    selections,
    shared,
    shared_sources,
    sources,
    trainings,
    whole_targets,
)
from outgrow.reporting.evidence.row_series import TOGETHER, by_noise, by_share
from outgrow.reporting.topics.capabilities import learned_alone
from outgrow.reporting.topics.label_quality import title
from outgrow.study.build import Study, build_study
from outgrow.study.method_rows import expanded

MODEL = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
TEXTS: dict[str, Any] = {
    "name": "texts",
    "task": {
        "name": "two",
        "capabilities": {"facts": {"name": "openbookqa"}, "science": {"name": "sciq"}},
        "sizes": {"half_a": 4, "half_b": 4, "test": 4},
    },
    "supervisors": {"a": MODEL, "b": {**MODEL, "training": {"lr": 1e-4}}},
    "student": {**MODEL, "model": "bundled:smollm2-135m@4"},
    "variants": ["plain"],
    "seeds": [0, 1],
}
VOTES: dict[str, Any] = {
    "name": "votes",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 80, "test": 60}},
    "supervisors": {"a": {"model": "bundled:wordllama", "dims": 32}, "b": {"model": "bundled:wordllama", "dims": 64}},
    "student": {"model": "bundled:wordllama"},
    "second_view": {"model": "bundled:wordllama", "dims": 128},
    "variants": ["plain", "self_training", "matching", "two_views"],
    "seeds": [0, 1],
}
BOTH = pytest.mark.parametrize("study", [TEXTS, VOTES], ids=["texts", "votes"])
RANDOM = {"type": "random"}


def build(study: dict[str, Any], *methods: Any) -> Study:
    return build_study(read_experiment(copy.deepcopy({**study, "methods": list(methods)})))


def answers(study: Study, name: str) -> Step:
    """A row's answers under the first seed."""
    return next(row.steps[0] for row in study.rows if row.name == name)


def share(name: str, fraction: float, **more: Any) -> dict[str, Any]:
    select = {**RANDOM, "keep": {"fraction": fraction, **more.pop("keep", {})}}
    return {"preset": "naive", "name": name, "stages": [{"select": select}], **more}


@BOTH
def test_trainings_come_last_first(study: dict[str, Any]) -> None:
    three = {"preset": "naive", "name": "three", "stages": [{}, {"select": RANDOM}, {"select": {"type": "oracle"}}]}
    built = build(study, "naive", three)
    found = trainings(answers(built, "three"))
    assert [one.inputs["targets"].name for one in found] == ["selected", "selected", "targets"]
    assert [one.params["select"]["type"] for one in selections(answers(built, "three"))] == ["oracle", "random"]
    last = last_selection(answers(built, "three"))
    assert last is not None
    assert learned_last(answers(built, "three")) is last
    assert whole_targets(last).identity == found[-1].inputs["targets"].identity
    assert chosen_by_gold(answers(built, "three"))
    assert not chosen_by_gold(answers(built, "naive"))
    assert last_selection(answers(built, "naive")) is None
    assert [one.name for one in sources(answers(built, "three"))] == ["a", "b"]


@BOTH
def test_rows_that_are_no_students_learned_nothing(study: dict[str, Any]) -> None:
    built = build(study, "naive")
    assert trainings(answers(built, "a")) == []
    assert learned_last(answers(built, "a")) is None
    assert sources(answers(built, "ceiling")) == []


def test_every_variant_learned_the_same() -> None:
    built = build(VOTES, "agreement")
    names = [row.name for row in built.rows if row.method == "agreement"]
    assert len(names) == 4
    assert len({identity(last_selection(answers(built, name)) or built.pool) for name in names}) == 1
    [one] = shared(built, last_selection, identity)
    assert (one.methods, len(one.found)) == (("agreement",), 2)


def test_targets_that_a_student_has_joined_are_whole_targets() -> None:
    built = build(VOTES, "naive", "two_rounds")
    joined, plain = (learned_last(answers(built, name)) for name in ("two_rounds", "naive"))
    assert joined is not None
    assert plain is not None
    assert joined.identity != plain.identity
    assert whole_targets(joined).identity == plain.identity
    assert last_selection(answers(built, "two_rounds")) is None


def test_preference_training_learned_what_its_student_learned() -> None:
    built = build(TEXTS, "bayesian", "bayesian_cdpo")
    before, after = (learned_last(answers(built, name)) for name in ("bayesian", "bayesian_cdpo"))
    assert before is not None
    assert after is not None
    assert before.identity == after.identity


def test_what_is_compared_and_from_when_on_it_agrees() -> None:
    half = {"preset": "agreement", "name": "half", "stages": [{"select": {"type": "agreement", "keep": {"quota": 2}}}]}
    low = {"preset": "agreement", "name": "low", "stages": [
        {"select": {"type": "agreement", "keep": {"threshold": 0.4}}}]}  # fmt: skip
    lax = {"preset": "rewarded", "name": "lax", "stages": [{"select": {"type": "reward_model", "consistent": 0.4}}]}
    built = build(TEXTS, "naive", "agreement", half, low, "rewarded", "two_stage", lax)
    found = shared(built, comparison, same_comparison)
    assert [(one.methods, one.found[0].agreed) for one in found] == [
        (("agreement", "half", "rewarded", "two_stage"), 1.0),
        (("low", "lax"), 0.4),
    ]
    assert {one.found[0].strong.name for one in found} == {"refined"}
    rewards = [one.methods for one in shared(built, reward_model, identity)]
    assert rewards == [("rewarded", "two_stage"), ("lax",)]


def test_labels_are_named_by_who_wrote_them_and_what_was_done() -> None:
    rewritten = {"preset": "icl", "name": "worse", "noise": 0.25}
    some = {"preset": "naive", "name": "some", "sources": ["a"]}
    built = build(TEXTS, "naive", "self_bootstrap", rewritten, some, "rewarded")
    found = {title(one.found[0]): one.methods for one in shared_sources(built)}
    assert found == {
        "a": ("naive", "some", "rewarded"),
        "b": ("naive", "rewarded"),
        "student's own answers": ("self_bootstrap",),
        "a, 25 % exchanged, rewritten (icl)": ("worse",),
        "b, 25 % exchanged, rewritten (icl)": ("worse",),
    }


# ---- rows that differ in one thing ----------------------------------------------------------------------


def methods(*given: Any) -> list[Method]:
    return list(expanded(read_experiment(copy.deepcopy({**TEXTS, "methods": list(given)}))))


def test_rows_of_one_noise_series() -> None:
    some = methods(
        "naive",
        {"preset": "naive", "name": "20", "noise": 0.2, "variants": ["plain"]},
        {"preset": "bayesian", "name": "loss", "noise": 0.2},
        share("less", 0.5),
        share("less and worse", 0.5, noise=0.2),
    )
    keys = [by_noise(method) for method in some]
    assert keys[0][0] == keys[1][0] != keys[2][0]
    assert keys[3][0] == keys[4][0] != keys[0][0]
    assert [(value, line) for _, value, line in keys[:2]] == [(0.0, ""), (0.2, "noise")]


def test_rows_of_one_series_of_shares() -> None:
    twice = {"preset": "naive", "name": "twice", "stages": [{}, {}]}
    later = {"preset": "naive", "name": "later", "stages": [{}, {"select": {**RANDOM, "keep": {"fraction": 0.2}}}]}
    some = methods(
        "naive",
        share("half", 0.5),
        share("fewer updates", 0.5, budget="epochs"),
        share("together", 0.5, keep={"within": "all"}),
        share("worse", 0.5, noise=0.1),
        twice,
        later,
        {"preset": "naive", "name": "counted", "stages": [{"select": {**RANDOM, "keep": {"quota": 2}}}]},
        {"preset": "random_half", "name": "copied", "stages": [{"select": {**RANDOM, "size_of": "half"}}]},
    )
    keys = {method.name: by_share(method) for method in some}
    series = {name: key for name, (key, _, _) in keys.items()}
    assert series["naive"] == series["half"] == series["fewer updates"] == series["together"]
    assert series["twice"] == series["later"]
    assert len(set(series.values())) == 5
    assert {name: (value, line) for name, (_, value, line) in keys.items()} == {
        "naive": (1.0, ""),
        "half": (0.5, "same number of updates"),
        "fewer updates": (0.5, "same number of passes"),
        "together": (0.5, f"same number of updates{TOGETHER}"),
        "worse": (0.5, "same number of updates"),
        "twice": (1.0, ""),
        "later": (0.2, "same number of updates"),
        "counted": (1.0, ""),
        "copied": (1.0, ""),
    }


def test_who_learned_one_capability_only() -> None:
    only = {"type": "capability", "only": ["facts"]}
    pair = {"type": "capability", "only": ["facts", "science"]}
    built = build(
        TEXTS,
        "naive",
        "alone",
        {"name": "facts first", "stages": [{"select": only}, {}]},
        {"name": "facts twice", "stages": [{"select": only}, {"select": only}]},
        {"name": "facts at last", "stages": [{"share": 0}, {"select": only}]},
        {"name": "both", "stages": [{"select": pair}]},
    )
    assert learned_alone(built) == {
        "alone: facts": "facts",
        "alone: science": "science",
        "facts twice": "facts",
        "facts at last": "facts",
    }
