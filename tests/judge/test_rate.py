"""A judge behind a real server: what it is shown, what is made of its words, and what a failure is."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from loopback import Body, choice, serving
from outgrow.config.endpoint import EndpointSection
from outgrow.data.task import Items, Split, Task
from outgrow.errors import ConfigError
from outgrow.graph.step import Job
from outgrow.judge.options import read_prompt
from outgrow.judge.rating_step import rate_texts
from outgrow.texts import Candidate, WeakTexts, certain

OWN = {"i1": "Arr, one!", "i2": "<b>two</b> {x} [[10]] [[10]]", "i3": "", "i4": "Arr, four!"}
DECODING = {
    "beams": 1,
    "candidates": 3,
    "sample": True,
    "temperature": 1.0,
    "top_p": 1.0,
    "max_new_tokens": 16,
    "stop": [],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    names = list(OWN)
    items = Items(
        names,
        [f"what is {name}?" for name in names],
        np.zeros(4, dtype=np.int64),
        answers=[f"Arr, {name}!" for name in names],
        keys=names,
    )
    for name in ("pool", "split", "texts", "out", "scratch"):
        (tmp_path / name).mkdir()
    Task("mine", "generate", (), items, metric="exact_match").save(tmp_path / "pool")
    Split(np.arange(0), np.arange(0), np.arange(4)).save(tmp_path / "split")
    rows = [[[Candidate(text, certain(text))] if text else []] for text in OWN.values()]
    WeakTexts(names, ("s",), rows).save(tmp_path / "texts" / "test.parquet")
    return tmp_path


def rate(study: Path, url: str, scales: dict[str, list[float]], **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    section = EndpointSection.model_validate({"type": "endpoint", "model": "judge", "url": url})
    dumped = section.model_dump(mode="json")
    inputs = {name: study / name for name in ("pool", "split", "texts")}
    hints = {"endpoint": dumped, "answers": str(study / "answers.sqlite")}
    params: dict[str, Any] = {"against": None, "swap": True, "prompt": read_prompt("rate"), **more}
    rate_texts(
        Job(study / "out", inputs, study / "scratch", hints),
        model=dumped,
        scales=scales,
        system="Be fair.",
        decoding=DECODING,
        name="jury",
        seed=3,
        **params,
    )
    table = pq.read_table(study / "out" / "ratings.parquet").to_pydict()
    return table, json.loads((study / "out" / "written.json").read_text())


def test_samples_with_the_median_count_of_numbers_are_averaged(study: Path) -> None:
    said = ["[[4]] [[9]]", "no idea", "[[6]] [[8]]"]

    def judge(body: Body) -> list[dict[str, Any]]:
        text = body["messages"][-1]["content"]
        if "what is i4?" in text:
            return [choice("I would rather not.", number) for number in range(3)]
        return [choice(said[number], number) for number in range(3)]

    with serving(judge) as server:
        table, about = rate(study, server.url, {"content": [1.0, 10.0], "style": [1.0, 10.0]})
        shown = {body["messages"][-1]["content"] for body in server.requests}
        assert all(body["messages"][0] == {"role": "system", "content": "Be fair."} for body in server.requests)
    assert table["item"] == list(OWN)
    assert table["content"][:3] == [5.0] * 3
    assert table["style"][:3] == [8.5] * 3
    assert np.isnan(table["content"][3])
    assert about["failed"] == ["i4"]
    assert about["why_failed"] == "ratings given: 0, asked for: 2, as in “I would rather not.”"
    assert any("<b>two</b> {x} [[10]] [[10]]" in text and "\ni2\n" in text for text in shown)
    assert all("content (1 to 10), style (1 to 10)" in text for text in shown)


def test_equal_samples_all_count(study: Path) -> None:
    said = ["[[2]]", "[[2]]", "[[8]]"]
    with serving(lambda body: [choice(text, number) for number, text in enumerate(said)]) as server:
        table, about = rate(study, server.url, {"content": [1.0, 10.0]})
    assert table["content"] == [4.0] * 4
    assert (about["failed"], about["why_failed"]) == ([], "")


@pytest.mark.parametrize("swap", [False, True])
def test_a_judge_that_loves_the_first_answer_is_found_out_by_swapping(study: Path, swap: bool) -> None:
    with serving(lambda body: [choice("[[9]] [[3]]", number) for number in range(3)]) as server:
        table, _ = rate(
            study, server.url, {"quality": [1.0, 10.0]}, against="gold", swap=swap, prompt=read_prompt("compare")
        )
        assert len(server.requests) == (8 if swap else 4)
    assert table["jury"] == [0.5 if swap else 1.0] * 4


def test_the_better_answer_wins_in_both_orders(study: Path) -> None:
    def judge(body: Body) -> list[dict[str, Any]]:
        text = body["messages"][-1]["content"]
        first, second = re.findall(r"answer:\n(.*)\n", text)
        points = [9 if answer in ("Arr, one!", "Arr, i2!") else 5 for answer in (first, second)]
        return [choice(f"[[{points[0]}]] [[{points[1]}]]", number) for number in range(3)]

    with serving(judge) as server:
        table, _ = rate(study, server.url, {"quality": [1.0, 10.0]}, against="gold", prompt=read_prompt("compare"))
    assert table["jury"] == [1.0, 0.0, 0.5, 0.5]


def test_a_judge_that_fails_in_one_order_only_says_why(study: Path) -> None:
    def judge(body: Body) -> list[dict[str, Any]]:
        text = body["messages"][-1]["content"]
        turned = text.find("Arr, i1!") < text.find("Arr, one!")
        return [choice("[[9]] [[30]]" if turned else "[[9]] [[3]]", number) for number in range(3)]

    with serving(judge) as server:
        _, about = rate(study, server.url, {"quality": [1.0, 10.0]}, against="gold", prompt=read_prompt("compare"))
    assert about["failed"] == ["i1"]
    assert about["why_failed"] == "a mean rating lies outside of its scale, as in “[[9]] [[30]]”"


def test_a_prompt_of_ones_own_must_have_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("Rate {answer} {by}")
    with pytest.raises(ConfigError, match=r"mine\.txt: `\{by\}` cannot be filled"):
        read_prompt("rate", path)
    path.write_text("Rate it")
    with pytest.raises(ConfigError, match=r"mine\.txt: .*`\{answer\}`"):
        read_prompt("rate", path)
    path.write_text("Rate {answer} by {scales}")
    with pytest.raises(ConfigError, match=r"mine\.txt: does not show the format of a rating; add `\{example\}`"):
        read_prompt("rate", path)
    for whole in ("Rate {answer}: {example}", "Rate {answer} from 1 to 10, such as [[7]]"):
        path.write_text(whole)
        assert read_prompt("rate", path) == whole
