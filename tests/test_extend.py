"""`docs/extend.md`: its files are complete, and its study has the rows and tables that it promises."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

import outgrow
from outgrow import plugins
from outgrow.config.task import TaskSection
from outgrow.extensions import registry_of
from small_study import outgrow as command

PAGE = (Path(__file__).parents[1] / "docs" / "extend.md").read_text()
FILES = dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
PLUGINS = ("my_loss.py", "my_combiner.py", "my_metric.py", "my_topic.py")


def written(folder: Path, *names: str) -> list[Path]:
    """The page's files in a folder."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return [folder / name for name in names]


@pytest.fixture(autouse=True)
def _forget_plugins() -> Iterator[None]:
    yield
    for plugin in plugins.loaded():
        plugins.forget(plugin)


def test_the_page_has_a_file_of_every_kind() -> None:
    assert set(FILES) == {*PLUGINS, "study.yaml"}


@pytest.mark.parametrize("name", PLUGINS)
def test_every_file_loads(name: str, tmp_path: Path) -> None:
    (plugin,) = plugins.load(written(tmp_path, name))
    assert len(plugin.records) == 1


def test_the_loss_is_its_formula(tmp_path: Path) -> None:
    """Against a definition written out in numbers, in float64."""
    plugins.load(written(tmp_path, "my_loss.py"))
    import torch

    losses = registry_of("loss")
    generator = np.random.default_rng(3)
    logits, target = generator.normal(size=(5, 4)), generator.dirichlet(np.ones(4), size=5)
    found = losses["my_adaptconf"].function(torch.tensor(logits), torch.tensor(target), temperature=0.7)
    for row, weak, value in zip(logits, target, found.tolist(), strict=True):
        cross_entropy = -np.log(np.exp(row) / np.exp(row).sum())
        own, hard = cross_entropy[row.argmax()], cross_entropy[weak.argmax()]
        beta = np.exp(own / 0.7) / (np.exp(own / 0.7) + np.exp(hard / 0.7))
        assert value == pytest.approx((1 - beta) * weak @ cross_entropy + beta * own, rel=1e-12)


def test_the_loss_becomes_a_row_of_the_report(tmp_path: Path) -> None:
    written(tmp_path, "my_loss.py")
    assert "my_loss.py" in command(tmp_path, "plan", "study.yaml").stdout
    done = command(tmp_path, "run", "study.yaml", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["results"]["rows"]}
    assert rows["my_row"]["score"]["value"] is not None
    assert "my_row" in command(tmp_path, "show", "study.yaml").stdout
    loss = tmp_path / "my_loss.py"
    loss.write_text(loss.read_text().replace("beta * own\n", "beta * own + 1\n"))
    steps = json.loads(command(tmp_path, "plan", "study.yaml", "--json").stdout)
    assert {step["label"] for step in steps if step["code_changed"]} == {"my_row, seed 0"}


def test_the_combiner_becomes_a_row_and_combines_votes(tmp_path: Path) -> None:
    (file,) = written(tmp_path, "my_combiner.py")
    study = yaml.safe_load(FILES["study.yaml"])
    row = {"name": "median", "combine": {"type": "median_vote"}}
    study |= {"plugins": ["my_combiner.py"], "methods": ["naive", row]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    done = command(tmp_path, "run", "study.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert "median" in {row["name"] for row in json.loads(done.stdout)["results"]["rows"]}
    outgrow.load_plugins(file)
    votes = outgrow.read_labels(np.array([[0, 0, 1], [1, 1, 1], [0, -1, 1]]))
    posterior = outgrow.combine(votes, {"type": "median_vote", "floor": 0.01}, calibrate=False).to_pandas()
    assert len(posterior) == 3


def test_the_metric_measures_texts(tmp_path: Path) -> None:
    plugins.load(written(tmp_path, "my_metric.py"))
    score = registry_of("metric")["length_ratio"].score
    counts = score.counts(["ab", "", "abcd"], ["abcd", "", "abcd"])
    assert score.value(counts.sum(axis=0)) == pytest.approx((0.5 + 1 + 1) / 3)
    settings = {"name": "own", "kind": "generate", "path": "x.csv", "metric": "length_ratio"}
    assert TaskSection.model_validate(settings).metric == "length_ratio"


def test_the_topic_becomes_a_table_of_the_report(tmp_path: Path) -> None:
    written(tmp_path, "my_topic.py")
    study = yaml.safe_load(FILES["study.yaml"])
    study |= {"plugins": ["my_topic.py"], "methods": ["naive"]}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    done = command(tmp_path, "run", "study.yaml")
    assert done.returncode == 0, done.stderr
    assert "unanimous" in command(tmp_path, "show", "study.yaml", "--table", "unanimity").stdout
