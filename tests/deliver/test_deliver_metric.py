"""Answers that are equal by a metric: a named one, or a function of the user; from Python and on the command line."""

import json
from itertools import permutations
from pathlib import Path

import pytest
from typer.testing import CliRunner

import outgrow
from outgrow.cli.verbs import app
from outgrow.errors import ConfigError
from outgrow.metrics.text_score import TEXT_METRICS
from outgrow.metrics.user_metric import metric_named

ROWS = [
    ("q1", "a", "It is 0.5"), ("q1", "b", "so #### 1/2"), ("q1", "c", "7"),
    ("q2", "a", "12"), ("q2", "b", "the answer is 12."), ("q2", "c", "13"),
    ("q3", "a", "3"), ("q3", "b", "4"), ("q3", "c", "4"),
]  # fmt: skip
"""`a` and `b` say the same in other words; by spelling every answer but 4 stands alone."""


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text("item,source,text\n" + "".join(f"{item},{source},{text}\n" for item, source, text in ROWS))
    return path


def function_file(folder: Path, body: str) -> str:
    (folder / "own.py").write_text(body)
    return f"{folder / 'own.py'}:same"


def test_the_metric_decides_which_answers_are_counted_together(answers: Path) -> None:
    combined = outgrow.combine(answers, metric="answer_match", method="answer_vote")
    assert combined.share.round(3).tolist() == [0.667] * 3
    assert outgrow.combine(answers, kind="texts", method="answer_vote").share.round(3).tolist() == [
        0.333,
        0.333,
        0.667,
    ]
    with pytest.raises(ConfigError, match="rouge_l"):
        outgrow.combine(answers, metric="rouge_l")
    with pytest.raises(ConfigError, match="answer_mtach"):
        outgrow.combine(answers, metric="answer_mtach")


@pytest.mark.parametrize(
    "body",
    [
        "def same(text):\n    return text.strip()[-1:] or None\n",
        "def same(text, other):\n    return text[-1] == other[-1]\n",
    ],
)
def test_a_function_of_the_user_decides(answers: Path, tmp_path: Path, body: str) -> None:
    metric = function_file(tmp_path, body)
    combined = outgrow.combine(answers, metric=metric, method="answer_vote")
    # By the last character: 5 2 7, 2 . 3 and 3 4 4.
    assert combined.share.round(3).tolist() == [0.333, 0.333, 0.667]
    assert {source.name: source.votes for source in combined.writers} == {"a": 3, "b": 3, "c": 3}


def test_equality_is_transitive_and_knows_no_order(tmp_path: Path) -> None:
    metric = metric_named(
        function_file(tmp_path, "def same(text, other):\n    return abs(int(text) - int(other)) < 2\n")
    )
    read = TEXT_METRICS[metric].answers
    assert read is not None
    for texts in permutations(["1", "2", "3", "5"]):
        group = dict(zip(texts, read(texts), strict=True))
        assert group["1"] == group["2"] == group["3"] != group["5"]
    assert TEXT_METRICS[metric].score.counts(["1", "1"], ["2", "3"]).tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("def same(a, b, c):\n    return True\n", "takes 3"),
        ("def other(a):\n    return a\n", "no function `same`"),
        ("def same(a):\n    raise ValueError('odd')\n", "line 2"),
        ("def same(\n", "line 1"),
    ],
)
def test_what_is_no_metric_is_refused_in_one_sentence(answers: Path, tmp_path: Path, body: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        outgrow.combine(answers, metric=function_file(tmp_path, body))


def test_on_the_command_line(answers: Path, tmp_path: Path) -> None:
    words = ["combine", str(answers), "--metric", "answer_match", "--json", "-o", str(tmp_path / "out.jsonl")]
    about = json.loads(CliRunner().invoke(app, words).stdout)
    assert about["combine"]["method"] == "answer_one_coin"
    labels = [json.loads(line)["label"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(labels) == 3
    assert labels[2] == "4"
