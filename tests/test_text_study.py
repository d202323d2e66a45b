"""The steps of a study of texts: what it needs, and what a change re-runs."""

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from outgrow.config.decoding import Decoding
from outgrow.config.load import read_experiment
from outgrow.errors import ConfigError
from outgrow.study.build import Study, build_study

MODEL = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
SMALL: dict[str, Any] = {
    "name": "texts",
    "task": {"name": "mine", "kind": "generate", "sizes": {"half_a": 4, "half_b": 4, "test": 4}},
    "supervisors": {"a": MODEL, "b": {**MODEL, "training": {"lr": 1e-4}}},
    "student": {**MODEL, "model": "bundled:smollm2-135m@4"},
    "methods": ["single", "naive", "joint_decoding", "bayesian", "bayesian_cdpo"],
    "gold_controls": False,
    "seeds": [0],
}
HOLDING = {"training": {"keep": "best"}}
CONTROLLED = ("outgrow", "gold_a", "gold_a_and_votes")


@pytest.fixture
def small(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"p{n}", "completion": f"c{n}"}) + "\n" for n in range(20)))
    study = copy.deepcopy(SMALL)
    study["task"]["path"] = str(path)
    return study


def build(study: dict[str, Any], *words: str) -> Study:
    return build_study(read_experiment(copy.deepcopy(study), words))


def counts(study: Study) -> Counter[str]:
    return Counter(step.name for step in study.steps)


def test_a_study_has_exactly_the_steps_it_needs(small: dict[str, Any]) -> None:
    found = counts(build(small))
    assert found["supervisor"] == 2
    # 2 single, naive, joint decoding, bayesian (which cDPO starts from), with and without self-training; ceiling.
    assert found["student"] == 2 * 5 + 1
    assert found["preference"] == found["pairs"] == 2
    # Every supervisor scores the pool of joint decoding, and each student of cDPO with its own reference.
    assert found["scores"] == 2 + 2 * (2 + 1)
    # Supervisors: half B and test. Then: untouched, the ceiling, every student, every preferring one, its candidates.
    assert found["texts"] == 2 * 2 + 1 + 1 + 2 * 5 + 2 + 2
    assert [row.name for row in build(small, "variants=[plain]").rows] == [
        "a", "b", "untouched student", "ceiling", "single: a", "single: b", "naive", "joint_decoding", "bayesian",
        "bayesian_cdpo",
    ]  # fmt: skip


def changed(study: dict[str, Any], *words: str) -> Counter[str]:
    """By name, the steps that are new after a change."""
    before = {step.identity for step in build(study).steps}
    return Counter(step.name for step in build(study, *words).steps if step.identity not in before)


def test_a_wider_search_trains_no_supervisor_again(small: dict[str, Any]) -> None:
    assert changed(small, "answering.beams=7").keys() == {"texts"}
    assert "supervisor" not in changed(small, "labelling.beams=7")


def test_the_controls_learn_half_as_gold_alone_and_before_the_default_targets(small: dict[str, Any]) -> None:
    found = build(small, "methods=[outgrow]", "variants=[plain]", "gold_controls=true")
    outgrow, alone, both = (next(row for row in found.rows if row.name == name) for name in CONTROLLED)
    assert [row.role for row in (outgrow, alone, both)] == ["method", "control", "control"]
    assert [row.gold for row in (outgrow, alone, both)] == ["none", "half_a", "half_a"]
    targets = [row.steps[0].inputs["model"].inputs["targets"] for row in (outgrow, alone, both)]
    assert set(targets[1].inputs) == {"pool", "split"}
    assert targets[2].inputs["targets"].identity == targets[0].identity
    # Beside the default: two targets, two students, two sets of answers.
    assert counts(found) - counts(build(small, "methods=[outgrow]", "variants=[plain]")) == {
        "targets": 2, "student": 2, "texts": 2,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="half_a_gold"):
        build(small, "methods=[{preset: gold_a, stages: [{select: {type: random, keep: {fraction: 0.5}}}]}]")


def test_the_default_weighs_scorers_by_gold_that_no_supervisor_learned(small: dict[str, Any]) -> None:
    words = ("methods=[outgrow]", "variants=[plain]")
    plain = build(small, *words)
    small["supervisors"] = {"a": {**MODEL, **HOLDING}, "b": {**MODEL, **HOLDING, "holdout": 0.25}}
    found = build(small, *words)
    # The items that were held out, each writer's texts for them, and each scorer's scores.
    assert counts(found) - counts(plain) == {"held_out": 1, "texts": 2, "scores": 2}
    (targets,) = (step for step in found.steps if step.name == "targets")
    assert {key for key in targets.inputs if key.startswith("held_out.")} == {"held_out.a", "held_out.b"}
    assert set(targets.inputs["held_out.a"].inputs) == {"pool", "model", "texts.a", "texts.b", "texts.half A's gold"}
    (outgrow,) = (row for row in found.rows if row.name == "outgrow")
    assert outgrow.gold == "held_out"
    average = {
        "name": "average",
        "combine": {"type": "candidate_pool", "weights": "average"},
        "loss": {"type": "marginal_likelihood"},
    }
    for method in ({"preset": "outgrow", "anchors": "none"}, "outgrow_votes", average):
        small["methods"] = [method]
        without = build(small, "variants=[plain]")
        assert counts(without) == counts(plain)
        assert {row.gold for row in without.rows if row.role == "method"} == {"none"}


def test_a_supervisor_that_holds_nothing_out_leaves_the_weights_equal(small: dict[str, Any]) -> None:
    small["supervisors"]["a"] = {**MODEL, **HOLDING}
    found = build(small, "methods=[outgrow]", "variants=[plain]")
    assert counts(found)["held_out"] == 0
    assert {row.gold for row in found.rows if row.role == "method"} == {"none"}


def test_a_boosted_supervisor_is_one_training_and_a_source_like_others(small: dict[str, Any]) -> None:
    small["supervisors"]["b"] = {"type": "boosted", "by": MODEL, "rounds": 2}
    found = build(small, "methods=[joint_decoding]", "variants=[plain]")
    floors = {row.name: row for row in found.rows if row.role == "floor"}
    assert (floors["a"].gold, floors["b"].gold) == ("half_a", "half_a")
    (step,) = (step for step in found.steps if step.name == "supervisor" and "boosting_step" in step.function)
    assert step.params["rounds"] == 2
    # It writes labels and answers, and scores the pool, as a model does.
    assert Counter(user.name for user in found.steps if step in user.inputs.values()) == {"texts": 2, "scores": 1}
    for wrong in ({"adapt": "none"}, {"training": {"keep": "best"}}):
        small["supervisors"]["b"]["by"] = {**MODEL, **wrong}
        with pytest.raises(ConfigError, match="by"):
            build(small)


def test_another_learning_rate_of_one_supervisor_leaves_the_other_alone(small: dict[str, Any]) -> None:
    new = changed(small, "supervisors.b.training.lr=2e-4", "methods=[single,naive]", "variants=[plain]")
    assert new == {"supervisor": 1, "texts": 2 + 2, "labels": 2, "targets": 2, "student": 2}


def test_a_further_method_costs_its_own_steps_only(small: dict[str, Any]) -> None:
    small["methods"], small["variants"] = ["naive"], ["plain"]
    assert changed(small, "methods=[naive,bayesian]") == {"student": 1, "texts": 1}
    more = changed(small, "methods=[naive,joint_decoding]")
    assert more == {"scores": 2, "targets": 1, "student": 1, "texts": 1}


def test_joint_decoding_with_other_beams_writers_and_scorers(small: dict[str, Any]) -> None:
    small["methods"], small["variants"] = ["joint_decoding"], ["plain"]
    wide = changed(small, "methods.0.combine.beams=10")
    assert wide == {"texts": 2 + 1, "labels": 1, "scores": 2, "targets": 1, "student": 1}
    fewer = changed(small, "methods.0.combine.scorers=[a]")
    assert fewer == {"targets": 1, "student": 1, "texts": 1}
    alone = changed(small, "methods.0.combine.writers=[a]")
    assert alone == {"labels": 1, "scores": 2, "targets": 1, "student": 1, "texts": 1}


def test_a_preference_row_starts_from_the_same_student(small: dict[str, Any]) -> None:
    small["methods"], small["variants"] = ["bayesian"], ["plain"]
    new = changed(small, "methods=[bayesian,bayesian_cdpo]")
    assert new == {"texts": 2, "scores": 3, "pairs": 1, "preference": 1}
    small["methods"] = ["bayesian_cdpo"]
    assert changed(small, "methods.0.preference.beta=1") == {"preference": 1, "texts": 1}


def test_what_training_changed_needs_the_supervisors_before_it(small: dict[str, Any]) -> None:
    small["methods"], small["variants"] = ["bayesian"], ["plain"]
    new = changed(small, "methods=[bayesian,bayesian_wspo]")
    assert new == {"texts": 2, "scores": 1 + 2 + 2, "ratios": 1, "preference": 1}
    small["methods"] = ["bayesian_wspo"]
    assert changed(small, "methods.0.preference.beta=1") == {"preference": 1, "texts": 1}
    assert not changed(small, "methods.0.preference.epsilon=0.2"), "there are no pairs"
    small["supervisors"]["b"]["adapt"] = "none"
    with pytest.raises(ConfigError, match=r"`wspo`.*supervisor `b`.*not trained"):
        build(small)


def test_weighted_pairs_need_a_chance_each(small: dict[str, Any]) -> None:
    assert counts(build(small, "methods=[bayesian_cwdpo]", "variants=[plain]"))["preference"] == 1
    with pytest.raises(ConfigError, match="per_pair"):
        build(small, "methods=[bayesian_cwdpo]", "methods.0.preference.epsilon=0.1")


def test_evidential_defaults_belong_to_the_kind_of_task(small: dict[str, Any]) -> None:
    student = next(step for step in build(small, "methods=[bayesian]").steps if "bayesian" in step.label)
    assert student.params["loss"] == {
        "type": "evidential", "kl": "mixed", "kl_weight": 1e-4, "kl_clamp": 2e5, "kl_anneal": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("supervisors.a={type: ngram}", "supervisors.a: an n-gram model cannot write"),
        ("student.adapt=probe", "student.adapt: a `probe` cannot write"),
        ("variants=[plain,matching]", "variants: `matching` is for classes"),
        ("methods=[vote]", "method `vote`: combine `vote` counts votes"),
        ("methods=[naive_accuracy]", "combine.weights: `accuracy`"),
        ("methods=[two_rounds]", "rounds"),
        ("methods.1.loss.type=generalized_cross_entropy", "loss `generalized_cross_entropy` is for classes"),
        ("methods.2.combine.scorers=[c]", "combine.scorers: no supervisor `c`"),
        ("methods.4.preference.weights={c: 1}", "preference.weights: no supervisor `c`"),
        ("self_training.harden=balanced", "self_training.harden"),
        ("labelling.candidates=9", "labelling.candidates: a search of 5 beams"),
        ("methods=[{preset: icl, refine: {fixed: 4}}]", "refine.fixed: 4 demonstrations are all 4 labels; name fewer"),
        (
            "methods=[{preset: agreement, stages: [{select: {type: agreement, strong: {type: icl, fixed: 5}}}]}]",
            "select.strong.fixed: 5 demonstrations are all 4 labels",
        ),
    ],
)
def test_what_texts_cannot_have_is_said_before_anything_runs(small: dict[str, Any], word: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(small, word)
    assert said in str(caught.value)
    assert "task `mine` is of kind *generate*" in str(caught.value)


def test_own_data_without_a_kind_is_told_to_name_it(small: dict[str, Any]) -> None:
    del small["task"]["kind"]
    metric = (
        "task.metric is for tasks of kind `generate`; `mine` is classify: remove it, or set task.kind to `generate`"
    )
    with pytest.raises(ConfigError) as caught:
        build(small, "task.metric=contains")
    assert str(caught.value) == metric
    with pytest.raises(ConfigError, match=r"task\.columns\.key is for .* set task.kind to `generate`"):
        build(small, "task.columns.key=completion")
    word = "measures={arr: {type: rule, pattern: Arr}}"
    with pytest.raises(ConfigError, match=r"measures: .* remove them, or set task\.kind to `generate`"):
        build(small, word, "task.columns={text: prompt, label: completion}")
    build(small, word, "task.kind=generate", "task.metric=contains", "task.columns.key=completion")


def test_of_a_mixture_every_capability_must_keep_labels_beside_the_demonstrations() -> None:
    study = {**copy.deepcopy(SMALL), "methods": [{"preset": "icl", "refine": {"fixed": 3}}]}
    sets = {"many": {"name": "sums", "sizes": {"half_b": 4}}, "few": {"name": "tales", "sizes": {"half_b": 3}}}
    study["task"] = {"name": "both", "capabilities": sets, "sizes": {"half_a": 4, "half_b": 4, "test": 4}}
    with pytest.raises(ConfigError, match=r"refine\.fixed: 3 demonstrations are all 3 labels of `few`"):
        build(study)
    build(study, "task.capabilities.few.sizes.half_b=4")


def test_the_strong_model_writes_as_the_supervisors_do_but_greedily(small: dict[str, Any]) -> None:
    small["methods"] = ["infer_and_respond", "agreement"]
    words = ["labelling={beams: 3, candidates: 2, max_new_tokens: 9}", "variants=[plain]"]

    def decodings(*more: str) -> list[dict[str, Any]]:
        return [step.params["decoding"] for step in build(small, *words, *more).steps if step.name == "refined"]

    greedy = {**Decoding(beams=1, candidates=1).model_dump(), "max_new_tokens": 9}
    assert decodings() == [greedy] * 3
    assert decodings("labelling={sample: true, stop: [x]}") == [{**greedy, "max_new_tokens": 64, "stop": ["x"]}] * 3
    own = decodings("methods.0.refine.decoding={beams: 2, candidates: 1}")
    assert [one["max_new_tokens"] for one in own] == [64, 64, 9]
    refined = [step.params["refine"] for step in build(small, *words).steps if step.name == "refined"]
    named = [refine.get("naming") for refine in refined]
    assert [one and one["max_new_tokens"] for one in named] == [64, 64, None]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("methods=[joint_decoding]", "`joint_decoding` chooses among texts"),
        ("methods=[bayesian_cdpo]", "`preference` compares texts"),
        ("student.training.keep=best", "student.training.keep"),
    ],
)
def test_what_classes_cannot_have_is_said_too(word: str, said: str) -> None:
    study = {**copy.deepcopy(SMALL), "task": {"name": "mmlu_topic", "source": "bundled"}, "methods": ["naive"]}
    study["student"] = {"model": "bundled:minilm-l6"}
    with pytest.raises(ConfigError, match=said):
        build(study, word)
