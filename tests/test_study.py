"""The study as a graph: what is shared, what a change re-runs, and that every step's function exists."""

import copy
import importlib
from collections import Counter

import pytest

from outgrow.config.load import read_experiment
from outgrow.errors import ConfigError
from outgrow.study.build import Study, build_study

SMALL = {
    "name": "small",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 80, "test": 100}},
    "supervisors": {
        "words": {"type": "ngram"},
        "static": {"model": "bundled:wordllama"},
        "tuned": {"model": "bundled:wordllama", "dims": 64, "adapt": "lora", "training": {"lr": 1e-4}},
    },
    "student": {"model": "bundled:minilm-l6"},
    "methods": ["single", "naive", "bayesian", "two_rounds"],
    "variants": ["plain", "self_training", "matching"],
    "seeds": [0, 1],
}


def study(*words: str) -> Study:
    return build_study(read_experiment(copy.deepcopy(SMALL), words))


def names(found: Study) -> Counter[str]:
    return Counter(step.name for step in found.steps)


def test_a_study_has_exactly_the_steps_it_needs() -> None:
    seeds, supervisors, variants = 2, 3, 3
    methods_learned, controls = supervisors + 3, 2  # single is once per supervisor
    trained = (
        seeds * methods_learned * 2
    )  # plain and self-training; the first round of `two_rounds` is naive's student
    assert names(study()) == Counter(
        pool=1,
        features=2,  # static embeddings, and the student's; shared by seeds, methods and the ceiling
        split=seeds,
        supervisor=seeds * supervisors,
        labels=seeds * (1 + supervisors),  # all sources, and each alone
        gold=seeds,
        # One per source, one for keep_all, two joined by a student; half A's gold alone, the stack, both together.
        targets=seeds * (supervisors + 1 + 2 + 3),
        student=trained + seeds + seeds * controls,  # and the ceiling
        matched=seeds * methods_learned,
    )
    assert len(study().rows) == supervisors + 1 + methods_learned * variants + controls


def changed(before: Study, after: Study) -> Counter[str]:
    old = {step.identity for step in before.steps}
    return Counter(step.name for step in after.steps if step.identity not in old)


def test_another_learning_rate_of_one_supervisor_reruns_it_and_what_hangs_on_it() -> None:
    rerun = changed(study(), study("supervisors.tuned.training.lr=2e-4"))
    before = names(study())
    assert rerun["supervisor"] == 2
    assert rerun["labels"] == 2 * 2  # all sources, and that one alone
    assert rerun["pool"] == rerun["split"] == rerun["features"] == rerun["gold"] == 0
    # The ceiling, `gold_a`, and the other two sources' own students in two variants.
    untouched = 2 * (1 + 1 + 2 * 2)
    assert rerun["student"] == before["student"] - untouched


def test_what_does_not_change_results_reruns_nothing() -> None:
    words = ["student.batch_tokens=512", "device=cpu", "name=other", "bootstrap=500", "report_to=[wandb]"]
    assert not changed(study(), study(*words))


def test_a_further_method_costs_its_own_steps_only() -> None:
    more = study("methods=[single, naive, bayesian, two_rounds, vote]")
    assert changed(study(), more) == Counter(targets=2, student=4, matched=2)


def test_a_new_name_for_a_method_reruns_nothing() -> None:
    assert not changed(study(), study("methods=[single, {preset: naive, name: renamed}, bayesian, two_rounds]"))


def test_another_seed_shares_the_items_and_their_features() -> None:
    rerun = changed(study(), study("seeds=0,1,2"))
    assert rerun["pool"] == rerun["features"] == 0
    assert rerun["split"] == 1


def test_the_yardstick_of_tuning_does_not_touch_supervisors_or_the_ceiling() -> None:
    rerun = changed(study(), study("tune.select_by=gold_accuracy"))
    assert rerun["supervisor"] == 0
    unaffected = 2 * (1 + 2)  # the ceiling, and the controls, which name their own yardstick
    assert rerun["student"] == names(study())["student"] - unaffected


def test_the_default_methods_and_the_controls_of_gold() -> None:
    tree = {key: value for key, value in SMALL.items() if key != "methods"}
    experiment = read_experiment(tree, ["variants=[plain]"])
    assert [method.name for method in experiment.methods] == ["outgrow", "single", "naive", "bayesian"]
    rows = {row.name: row for row in build_study(experiment).rows}
    assert {name: row.gold for name, row in rows.items() if row.role in ("method", "control")} == {
        "outgrow": "half_a",
        **{f"single: {name}": "none" for name in experiment.supervisors},
        "naive": "none",
        "bayesian": "none",
        "gold_a": "half_a",
        "gold_a_and_votes": "half_a",
    }
    assert {row.gold for row in rows.values() if row.role == "ceiling"} == {"half_b"}
    off = build_study(read_experiment(tree, ["variants=[plain]", "gold_controls=false"]))
    assert [row.name for row in off.rows if row.role == "control"] == []
    named = build_study(read_experiment(SMALL, ["methods=[naive, gold_a]", "variants=[plain]"]))
    assert [(row.name, row.role) for row in named.rows][-3:] == [
        ("naive", "method"),
        ("gold_a", "control"),
        ("gold_a_and_votes", "control"),
    ]


def test_a_row_without_anchors_gets_no_gold_and_one_that_needs_it_is_refused() -> None:
    rows = study("methods=[{preset: one_coin, anchors: none}]").rows
    row = next(row for row in rows if row.role == "method")
    assert row.gold == "none"
    assert row.steps[0].inputs["targets"].params["anchors"] is False
    (row, *_) = (row for row in study("methods=[{preset: outgrow, anchors: none}]").rows if row.role == "method")
    assert row.gold == "none"
    assert row.steps[0].params["tune"]["select_by"] == "weak_accuracy"
    with pytest.raises(ConfigError, match="anchors"):
        build_study(read_experiment(SMALL, ["methods=[{preset: weighted_vote, anchors: none}]"]))
    with pytest.raises(ConfigError, match="select_by"):
        build_study(read_experiment(SMALL, ["methods=[{preset: gold_a, select_by: half_a_log_loss}]"]))
    with pytest.raises(ConfigError, match="headline"):
        read_experiment(SMALL, ["headline=bayesain"])


def test_the_untouched_student_is_one_more_source_of_a_row_and_no_floor() -> None:
    words = ["student={model: bundled:smollm2-135m}", "variants=[plain]", "methods=[outgrow, outgrow_zero_shot]"]
    found = study(*words)
    assert [row.source for row in found.rows if row.role == "floor"] == list(SMALL["supervisors"])
    sources = {row.name: [step.inputs["labels"].params["sources"] for step in row.steps] for row in found.rows[-4:-2]}
    assert sources == {
        "outgrow": [list(SMALL["supervisors"])] * 2,
        "outgrow_zero_shot": [[*SMALL["supervisors"], "untouched"]] * 2,
    }
    # One pass over the pool for all seeds; the untouched row answers test items only.
    assert names(found)["untouched"] == 2
    with pytest.raises(ConfigError, match="zero_shot"):
        study("methods=[outgrow_zero_shot]")  # its student is an encoder
    with pytest.raises(ConfigError, match="zero_shot"):
        study(words[0], "methods=[{preset: single, zero_shot: true}]")


def test_two_views_bring_their_own_ceiling() -> None:
    found = study("second_view={model: bundled:minilm-l6, layer: 4}", "variants=[plain, two_views]")
    assert [row.name for row in found.rows if row.role == "ceiling"] == ["ceiling", "ceiling, two views"]
    assert {row.view for row in found.rows if row.variant == "two_views"} == {"two_views"}
    assert names(found)["features"] == 3


def test_every_step_names_a_function_that_exists() -> None:
    found = study("second_view={model: bundled:smollm2-135m, layer: 4}", "variants=[plain, two_views, matching]")
    for step in [*found.steps, *study("student={model: bundled:smollm2-135m}").steps]:
        module, _, name = step.function.partition(":")
        assert callable(vars(importlib.import_module(module))[name]), step.function


def test_a_method_may_be_run_in_some_of_the_variants_only() -> None:
    found = study("methods=[naive, {preset: vote, variants: [matching]}]")
    assert [row.name for row in found.rows if row.role == "method"] == [
        "naive",
        "naive + self-training",
        "naive + matching",
        "vote + matching",
    ]
    with pytest.raises(ConfigError, match="`two_views` is not among the study's `variants`"):
        study("methods=[{preset: vote, variants: [two_views]}]")
