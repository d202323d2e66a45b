"""A study of preferences from a file to a reward model, as a researcher would run it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import outgrow
from outgrow.errors import ConfigError, DataError

MODEL = {
    "model": "bundled:smollm2-135m@1",
    "adapt": "lora",
    "reward_head": True,
    "training": {"lr": 3e-3, "epochs": 1, "batch_size": 4},
}


def study(folder: Path, **changes) -> Path:
    """Which of two answers is polite? A file of preferences with a study beside it."""
    rng = np.random.default_rng(0)
    things = ["tea", "bread", "a map", "the key", "a pen", "salt", "some soap", "the bill"]
    rows = [
        {
            "prompt": f"Ask for {rng.choice(things)}, number {number}.",
            "chosen": f"Could I have {rng.choice(things)}, please?",
            "rejected": f"Give me {rng.choice(things)}, now!",
        }
        for number in range(100)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {
        "name": "rewards",
        "task": {
            "name": "polite",
            "path": "pairs.jsonl",
            "kind": "choose",
            "sizes": {"half_a": 20, "half_b": 30, "test": 30},
        },
        "supervisors": {"table": {"model": "bundled:wordllama", "dims": 16}},
        "student": MODEL,
        "methods": ["naive"],
        "variants": ["plain"],
        "gold_controls": False,
        "untouched": False,
        "tune": {"l2": [0.1], "epochs": [20], "folds": 2},
        "bootstrap": 100,
    }
    path = folder / "rewards.yaml"
    path.write_text(yaml.safe_dump(settings | changes))
    return path


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> outgrow.Result:
    return outgrow.run(study(tmp_path_factory.mktemp("rewards")))


def test_the_student_of_a_study_is_saved_as_a_reward_model(result: outgrow.Result, tmp_path: Path) -> None:
    folder = result.student("naive").save(tmp_path / "new" / "reward")
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert (model.config.num_labels, (folder / "adapter_config.json").exists()) == (1, False)
    shown = result.predictions("naive", part="test").head(6)
    lines = (Path(result.folder).parents[1] / "pairs.jsonl").read_text().splitlines()
    options = {row["prompt"]: (row["chosen"], row["rejected"]) for row in map(json.loads, lines)}
    with torch.no_grad():
        for row in shown.itertuples():
            polite, rude = options[row.text]
            first, second = (
                model(**tokenizer(f"{row.text} {option}", return_tensors="pt")).logits.item()
                for option in (polite, rude)
            )
            assert (first > second) == (row.answer == row.gold)


def test_a_student_is_saved_once_and_a_probe_is_none(result: outgrow.Result, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(DataError, match="exists"):
        result.student("naive").save(tmp_path / "taken")
    with pytest.raises(DataError, match="a probe is a head only"):
        result.student("table").save(tmp_path / "probe")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"student": {**MODEL, "adapt": "probe"}}, "student.reward_head: a probe of options is a scalar head already"),
        (
            {"task": {"name": "mmlu_topic"}, "student": MODEL},
            "student.reward_head: a reward model scores the options",
        ),
        (
            {"supervisors": {"weak": {**MODEL, "adapt": "probe"}}},
            "supervisors.weak.reward_head: a probe of options",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=told):
        outgrow.plan(study(tmp_path, **changes))
