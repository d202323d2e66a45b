"""What a file may say about a selection, and one clear sentence for what it may not."""

import pytest
import yaml

from outgrow.config.load import dump_experiment, read_experiment
from outgrow.errors import ConfigError

MODEL = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
STUDY = {
    "name": "small",
    "task": {"name": "sums", "sizes": {"half_a": 10, "half_b": 20, "test": 30}},
    "supervisors": {"a": MODEL},
    "student": MODEL,
}


def read(**select):
    experiment = read_experiment({**STUDY, "methods": [{"name": "some", "stages": [{"select": select}]}]})
    assert read_experiment(yaml.safe_load(dump_experiment(experiment))) == experiment, "survives its own dump"
    return experiment.methods[0].stages[0].select


def test_defaults_are_those_of_the_documentation():
    assert read(type="agreement").keep.threshold == 1
    assert read(type="oracle").keep.threshold == 1
    assert read(type="confidence").keep.fraction == 0.5
    assert read(type="random").keep.fraction == 0.5
    reward = read(type="reward_model")
    assert (reward.adapt, reward.loss, reward.folds, reward.separate) == ("probe", "pointwise", 1, False)
    assert (reward.keep.fraction, reward.keep.within, reward.strong.type) == (0.5, "capability", "icl")
    assert (reward.otherwise, reward.l2, reward.layer, reward.consistent) == (None, None, None, 1.0)


@pytest.mark.parametrize(
    "select",
    [
        {"type": "oracle", "keep": {"quota": {"maths": 3, "facts": 0}}},
        {"type": "confidence", "by": "student", "keep": {"quota": 4}},
        {"type": "random", "size_of": "some"},
        {"type": "capability", "only": ["maths"]},
        {"type": "agreement", "strong": {"type": "self_bootstrap"}},
        {"type": "reward_model", "separate": True, "keep": {"threshold": 0.7}},
        {"type": "reward_model", "otherwise": "confidence", "keep": {"fraction": 0.2, "within": "all"}},
        {"type": "reward_model", "model": {"model": "bundled:smollm2-135m@3", "dtype": "bfloat16"}, "l2": [0.1]},
        {"type": "reward_model", "adapt": "lora", "training": {"lr": 1e-4}, "lora": {"r": 4}, "folds": 5},
    ],
)
def test_what_may_be_said(select):
    assert read(**select).type == select["type"]


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ({"type": "oracle", "keep": {}}, r"keep: needs exactly one of threshold, fraction and quota, not none$"),
        ({"type": "oracle", "keep": {"fraction": 0.5, "quota": 3}}, "not fraction and quota"),
        ({"type": "oracle", "keep": {"fraction": 0}}, r"keep\.fraction: write"),
        ({"type": "oracle", "keep": {"fraction": 1.2}}, r"keep\.fraction: write"),
        ({"type": "oracle", "keep": {"threshold": float("nan")}}, r"keep\.threshold: write"),
        ({"type": "oracle", "keep": {"quota": 0}}, "quota: is 1 or more, not 0"),
        ({"type": "oracle", "keep": {"quota": {}}}, "0 or more, and not all 0"),
        ({"type": "oracle", "keep": {"quota": {"maths": -1, "facts": 3}}}, "0 or more, and not all 0"),
        ({"type": "oracle", "keep": {"top": 3}}, r"keep\.top: unknown key"),
        ({"type": "rewards"}, "`rewards` is unknown; did you mean `reward_model`"),
        ({"type": "reward_model", "keep": {"threshold": 1.5}}, r"keep\.threshold: write .*at most 1"),
        ({"type": "confidence", "keep": {"threshold": -1}}, r"keep\.threshold: write .*at least 0"),
        ({"type": "random", "keep": {"threshold": 0.5}}, "lots mean nothing; say how many"),
        ({"type": "capability", "only": []}, r"only: .*at least 1"),
        ({"type": "confidence", "by": "me"}, "'me' is not one of 'supervisors' or 'student'"),
        ({"type": "reward_model", "folds": 0}, r"folds: write .*at least 1"),
        ({"type": "reward_model", "l2": []}, r"l2: .*at least 1"),
        ({"type": "reward_model", "consistent": 0}, r"consistent: write .*greater than 0"),
        ({"type": "reward_model", "training": {"keep": "best"}}, "'best' is not one of 'last'"),
        (
            {"type": "reward_model", "separate": True, "keep": {"fraction": 0.3, "within": "all"}},
            r"keep\.within: rewards of `separate` models are not comparable",
        ),
        (
            {"type": "reward_model", "otherwise": "confidence", "keep": {"threshold": 0.3}},
            r"keep\.threshold: is of rewards",
        ),
        (
            {"type": "reward_model", "model": {**MODEL, "adapt": "full"}},
            r"model\.adapt: is not looked at here; say `adapt` beside `model`",
        ),
    ],
)
def test_what_may_not_be_said(select, message):
    with pytest.raises(ConfigError, match=message) as found:
        read(**select)
    assert str(found.value).startswith("experiment: methods.0.stages.0.select")
    assert "\n" not in str(found.value)
