"""Stages, selections and noise as steps: what they need, what they share, what is refused."""

import copy
from collections import Counter
from typing import Any

import pytest

from outgrow.config.load import read_experiment
from outgrow.errors import ConfigError
from outgrow.graph.step import Step
from outgrow.study.build import Study, build_study
from outgrow.study.method_rows import expanded, parts_of

MODEL = {"model": "bundled:smollm2-135m@2", "adapt": "lora", "training": {"epochs": 4}}
TEXTS: dict[str, Any] = {
    "name": "texts",
    "task": {
        "name": "two",
        "capabilities": {"facts": {"name": "openbookqa"}, "science": {"name": "sciq"}},
        "sizes": {"half_a": 4, "half_b": 4, "test": 4},
    },
    "supervisors": {"a": MODEL, "b": {**MODEL, "training": {"lr": 1e-4}}},
    "student": {**MODEL, "model": "bundled:smollm2-135m@4"},
    "methods": ["naive"],
    "variants": ["plain"],
    "gold_controls": False,
    "seeds": [0],
}
VOTES: dict[str, Any] = {
    "name": "votes",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 80, "test": 60}},
    "supervisors": {"a": {"model": "bundled:wordllama", "dims": 32}, "b": {"model": "bundled:wordllama", "dims": 64}},
    "student": {"model": "bundled:wordllama"},
    "methods": ["naive"],
    "variants": ["plain"],
    "gold_controls": False,
    "seeds": [0],
}
BOTH = pytest.mark.parametrize("study", [TEXTS, VOTES], ids=["texts", "votes"])
RANDOM = {"type": "random"}
WIDE = {"type": "icl", "decoding": {"candidates": 9}}


def build(study: dict[str, Any], *methods: Any) -> Study:
    return build_study(read_experiment(copy.deepcopy({**study, "methods": list(methods)}), []))


def row(study: Study, name: str) -> Step:
    """The one step of a row."""
    [step] = next(row.steps for row in study.rows if row.name == name)
    return step


def student(study: Study, name: str) -> Step:
    """The last training of a row."""
    step = row(study, name)
    return step.inputs["model"] if step.name == "texts" else step


def counts(study: Study) -> Counter[str]:
    return Counter(step.name for step in study.steps)


@BOTH
def test_a_stage_without_a_share_is_no_stage(study: dict[str, Any]) -> None:
    some = {"preset": "naive", "name": "some", "stages": [{"select": RANDOM}]}
    first = {"preset": "naive", "name": "first", "stages": [{"share": 1}, {"select": RANDOM}]}
    last = {"preset": "naive", "name": "last", "stages": [{"share": 0}, {"select": RANDOM, "share": 1}]}
    built = build(study, "naive", some, first, last)
    assert row(built, "first").identity == row(built, "naive").identity
    assert row(built, "last").identity == row(built, "some").identity
    assert row(built, "some").identity != row(built, "naive").identity


@BOTH
def test_every_stage_goes_on_from_the_one_before(study: dict[str, Any]) -> None:
    stages = [{"share": 0.25}, {"select": RANDOM}, {}]
    built = build(study, {"preset": "naive", "name": "three", "stages": stages})
    third = student(built, "three")
    second = third.inputs["start"]
    first = second.inputs["start"]
    assert "start" not in first.inputs
    assert first.inputs["targets"].identity == third.inputs["targets"].identity == second.inputs["whole"].identity
    assert second.inputs["targets"].name == "selected"
    assert [step.params["passes"] for step in (first, second, third)] == [0.25, 0.375, 0.375]


@BOTH
def test_a_budget_of_passes_does_not_make_up_for_a_selection(study: dict[str, Any]) -> None:
    method = {"preset": "naive", "name": "some", "budget": "epochs", "stages": [{"select": RANDOM}]}
    assert "whole" not in student(build(study, method), "some").inputs


@BOTH
def test_a_second_loss_is_the_second_stage_s(study: dict[str, Any]) -> None:
    stages = [{}, {"loss": {"type": "evidential"}}]
    last = student(build(study, {"preset": "naive", "name": "two", "stages": stages}), "two")
    assert last.params["loss"]["type"] == "evidential"
    assert last.inputs["start"].params["loss"]["type"] == "cross_entropy"


@BOTH
def test_a_random_selection_copies_the_size_of_another(study: dict[str, Any]) -> None:
    sure = {"preset": "confident", "stages": [{}, {"select": {"type": "confidence", "keep": {"fraction": 0.3}}}]}
    control = {"preset": "random_half", "stages": [{}, {"select": {**RANDOM, "size_of": "confident"}}]}
    built = build(study, sure, control)
    like = student(built, "random_half").inputs["targets"].inputs["like"]
    assert like.identity == student(built, "confident").inputs["targets"].identity
    # The first stage, and the targets, are the same steps.
    first, same = (student(built, name).inputs["start"] for name in ("random_half", "confident"))
    assert first.identity == same.identity


@BOTH
def test_noise_comes_before_everything_else_and_is_one_step_per_teacher(study: dict[str, Any]) -> None:
    noisy = {"preset": "naive", "name": "noisy", "noise": 0.3}
    added = counts(build(study, "naive", noisy)) - counts(build(study, "naive"))
    assert added["noised"] == 2
    assert added["supervisor"] == 0
    assert {step.params["noise"] for step in build(study, noisy).steps if step.name == "noised"} == {0.3}


def test_one_strong_answer_serves_every_selection_that_asks_for_it() -> None:
    found = counts(build(TEXTS, "agreement", "rewarded", "two_stage"))
    assert (found["refined"], found["reward"], found["selected"]) == (1, 1, 2)
    assert found["student"] == 1 + 1 + 1 + 2  # ceiling, agreement, rewarded, two stages


def test_a_selector_s_rule_asks_no_model_again() -> None:
    half = {"preset": "rewarded", "name": "half"}
    most = {
        "preset": "rewarded",
        "name": "most",
        "stages": [{"select": {"type": "reward_model", "keep": {"fraction": 0.9}}}],
    }
    found = counts(build(TEXTS, half, most))
    assert (found["reward"], found["selected"]) == (1, 2)


def test_votes_agree_with_a_student_that_learned_all_of_them() -> None:
    built = build(VOTES, "naive", "agreement")
    assert student(built, "agreement").inputs["targets"].inputs["strong"].identity == student(built, "naive").identity


def test_a_capability_each() -> None:
    built = build(TEXTS, "alone")
    assert [row.name for row in built.rows if row.role == "method"] == ["alone: facts", "alone: science"]
    chosen = student(built, "alone: science").inputs["targets"]
    assert chosen.params["select"] == {"type": "capability", "only": ["science"]}


def test_shares_that_are_not_named_divide_the_rest() -> None:
    experiment = read_experiment({**copy.deepcopy(TEXTS), "methods": [
        {"name": "x", "stages": [{"share": 0.5}, {"select": RANDOM}, {}, {"share": 0}]},
    ]}, [])  # fmt: skip
    [method] = expanded(experiment)
    assert [part.share for part in parts_of(method)] == [0.5, 0.25, 0.25]


def test_what_rounding_leaves_is_no_stage() -> None:
    stages = [{"share": 0.1}, {"share": 0.2}, {"share": 0.7}, {}]
    [method] = expanded(read_experiment({**copy.deepcopy(TEXTS), "methods": [{"name": "x", "stages": stages}]}, []))
    assert [part.share for part in parts_of(method)] == [0.1, 0.2, 0.7]


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"stages": [{"share": 0.5}, {"share": 0.4}]}, "the shares sum to 0.9"),
        ({"stages": [{"share": 0.9}, {"share": 0.4}, {}]}, "the shares sum to 1.3"),
        ({"stages": [{"select": {**RANDOM, "size_of": "naiv"}}]}, "no method `naiv`; did you mean `naive`"),
        ({"stages": [{"select": {**RANDOM, "size_of": "naive"}}]}, "`naive` selects nothing"),
        ({"stages": [{"select": {**RANDOM, "size_of": "x"}}]}, "`x` copies a size itself"),
        ({"stages": [{"select": {"type": "capability", "only": ["sciense"]}}]}, "did you mean `science`"),
        ({"stages": [{"loss": {"type": "product"}}]}, "loss `product` is for classes"),
        ({"stages": [{"select": {"type": "agreement", "strong": WIDE}}]}, "select.strong"),
    ],
)  # fmt: skip
def test_what_no_study_of_texts_can_have(method: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(TEXTS, "naive", {"name": "x", **method})
    assert said in str(caught.value)
    assert "method `x`" in str(caught.value)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"stages": [{"select": {"type": "reward_model"}}]}, "name a language `model`"),
        ({"stages": [{"select": {"type": "confidence", "by": "student"}}]}, "select.by `student`"),
        ({"stages": [{"select": {"type": "capability"}}]}, "made of several `capabilities`"),
        ({"stages": [{}, {"select": RANDOM}], "rounds": 2}, "rounds"),
    ],
)
def test_what_no_study_of_classes_can_have(method: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(VOTES, "naive", {"name": "x", **method})


def test_a_provider_trains_in_one_go() -> None:
    endpoint = {"type": "endpoint", "url": "http://127.0.0.1:9/v1", "model": "m", "fine_tuning": {}}
    study = {**TEXTS, "student": endpoint, "untouched": False}
    with pytest.raises(ConfigError, match="stages: a provider tunes in one go"):
        build(study, {"name": "x", "stages": [{}, {"select": RANDOM}]})
    with pytest.raises(ConfigError, match="name a `model`"):
        build(study, "rewarded")
