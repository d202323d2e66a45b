"""`outgrow ask`: what judges are asked, what their votes are, what it costs, and what is never asked twice."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import outgrow
import small_study
from drawn_seeds import SEEDS
from loopback import Body, choice, serving, tokens_read
from outgrow.api_ask import plan_ask
from outgrow.asking.questions_step import questions
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.models.zero_shot import option_logprobs, per_character, softmax
from outgrow.readers.source_table import table_in_memory
from outgrow.supervise.answer_form import better_of_two, by_grade

ITEMS = [{"id": f"q{n}", "text": f"text number {n}", "title": f"title {n}"} for n in range(6)]
PAIRS = [{"id": f"p{n}", "first": f"first {n}", "second": f"second {n}"} for n in range(4)]
PRICES = {"input": 10.0, "output": 100.0}
LOCAL = "bundled:smollm2-135m@1"


def judges(url: str, folder: Path, **changes: Any) -> dict[str, Any]:
    """One judge, whose prices are per million tokens."""
    far = {"type": "endpoint", "model": "tiny", "url": url, "timeout": 5.0, "retries": 0, **changes}
    return {
        "supervisors": {"far": far},
        "store": str(folder / "steps"),
        "answers": str(folder / "answers"),
        "threads": 1,
    }


def question(body: Body) -> str:
    return str(body["messages"][-1]["content"])


def by_number(body: Body) -> list[dict[str, Any]]:
    """A for even numbers, B for odd ones."""
    number = int(question(body).splitlines()[0].split()[-1])
    return [choice("AB"[number % 2])]


def soft(a: float) -> dict[str, Any]:
    """Log-probabilities of A and B in the place of the answer."""
    tops = [{"token": name, "logprob": math.log(p)} for name, p in (("A", a), ("B", 1 - a))]
    return {"content": [{"token": "A", "logprob": math.log(a), "top_logprobs": tops}]}


def test_votes_are_read_from_letters_and_the_file_holds_the_same(tmp_path: Path) -> None:
    with serving(by_number) as server:
        by = judges(server.url, tmp_path)
        votes = outgrow.ask(ITEMS, by, classes=["no", "yes"], output=tmp_path / "votes.csv")
        assert sorted(map(question, server.requests))[0].splitlines() == [
            "text number 0",
            "A. no",
            "B. yes",
            "Answer with the letter of your choice alone.",
        ]
        again = outgrow.ask(ITEMS, by, classes=["no", "yes"])
        assert len(server.requests) == 6, "what is finished is not asked again"
    assert votes.sources == ("far",)
    assert votes.probs is None
    assert votes.label.tolist() == again.label.tolist() == [0, 1] * 3
    read = outgrow.read_labels(tmp_path / "votes.csv", classes=["no", "yes"])
    assert (read.items, read.sources, read.label.tolist()) == (votes.items, votes.sources, votes.label.tolist())


def test_log_probabilities_are_the_vote(tmp_path: Path) -> None:
    chance = np.random.default_rng(SEEDS[0]).uniform(0.55, 0.95)
    with serving(lambda body: [choice("A", logprobs=soft(chance))]) as server:
        votes = outgrow.ask(ITEMS, judges(server.url, tmp_path, logprobs=True), {"samples": 5}, classes=["no", "yes"])
        assert len(server.requests) == 6, "one answer has the whole distribution"
    np.testing.assert_allclose(votes.probs, [[chance, 1 - chance]] * 6)


def test_prompts_are_sources_that_are_known_to_depend(tmp_path: Path) -> None:
    with serving(lambda body: [choice("B")]) as server:
        by = judges(server.url, tmp_path)
        by["supervisors"]["near"] = {**by["supervisors"]["far"], "model": "other"}
        by |= {"prompts": {"plain": "{text}", "titled": "About {title}: {text}?"}, "asks": {"near": ["titled"]}}
        votes = outgrow.ask(ITEMS, by, classes=["no", "yes"], output=tmp_path / "votes.parquet")
        assert "About title 3: text number 3?" in "".join(map(question, server.requests))
    assert votes.sources == ("far/plain", "far/titled", "near")
    again = outgrow.read_labels(tmp_path / "votes.parquet", classes=["no", "yes"])
    assert votes.groups == again.groups == ("far", "far", "near")
    assert votes.by_group().sources == ("far", "near")
    table = pd.read_parquet(tmp_path / "votes.parquet")
    assert dict(zip(table["source"], table["source_group"], strict=True)) == {
        "far/plain": "far",
        "far/titled": "far",
        "near": "near",
    }
    assert any("`far/plain`, `far/titled`" in note for note in votes.notes)


def test_samples_are_shares(tmp_path: Path) -> None:
    """A server may send fewer answers than it is asked for; then it is asked for the others with further seeds."""
    texts = ["A", "B", "A", "I cannot tell."]

    def answer(body: Body) -> list[dict[str, Any]]:
        assert body["temperature"] == 0.7
        return [choice(texts[number], number) for number in range(body["n"])]

    with serving(answer) as server:
        by = {**judges(server.url, tmp_path, logprobs=False), "samples": 4, "temperature": 0.7}
        votes = outgrow.ask(ITEMS, by, classes=["no", "yes"])
        assert len({body["seed"] for body in server.requests}) == 6
    np.testing.assert_allclose(votes.probs, [[2 / 3, 1 / 3]] * 6)


def test_grades_are_classes_in_order(tmp_path: Path) -> None:
    said = ["4", "4/5", "Grade: 2", "5 out of 5", "I would say 3.", "**1**"]
    with serving(lambda body: [choice(said[int(question(body).splitlines()[0][-1])])]) as server:
        votes = outgrow.ask(ITEMS, judges(server.url, tmp_path), scale="1-5")
        assert "from 1 (lowest) to 5 (highest)" in question(server.requests[0])
    assert votes.classes == ("1", "2", "3", "4", "5")
    assert [votes.classes[label] for label in votes.label] == ["4", "4", "2", "5", "3", "1"]


def test_a_token_that_begins_another_grade_is_no_distribution() -> None:
    assert by_grade(1, 5).by_first_token
    assert not by_grade(0, 10).by_first_token
    assert not by_grade(1, 12).by_first_token
    assert by_grade(10, 20).by_first_token


def test_pairs_are_asked_in_both_orders(tmp_path: Path) -> None:
    def answer(body: Body) -> list[dict[str, Any]]:
        lines = question(body).splitlines()
        first = lines[lines.index("The first text:") + 1]
        return [choice("A" if first.endswith("0") or first.startswith("second") else "B")]

    with serving(answer) as server:
        by = judges(server.url, tmp_path)
        votes = outgrow.ask(PAIRS, by, pairs=True, output=tmp_path / "votes.jsonl")
        assert len(server.requests) == 8
    rows = [json.loads(line) for line in (tmp_path / "votes.jsonl").read_text().splitlines()]
    assert votes.items == [f"p{n}" for n in range(4)]
    assert votes.sources == ("far/ab", "far/ba")
    assert {(row["source"], row["order"]) for row in rows} == {("far/ab", "ab"), ("far/ba", "ba")}
    label = {(row["item"], row["order"]): row["label"] for row in rows}
    assert [label[f"p{n}", "ab"] for n in range(4)] == ["A", "B", "B", "B"]
    assert [label[f"p{n}", "ba"] for n in range(4)] == ["B", "B", "B", "B"], "A is the item's first text in any order"


def test_a_refused_item_and_an_answer_without_a_choice_are_abstentions(tmp_path: Path) -> None:
    def answer(body: Body) -> list[dict[str, Any]]:
        return [choice("A good question!" if "number 1" in question(body) else "B")]

    with serving(answer, lambda count, body: "400" if "number 0" in question(body) else None) as server:
        votes = outgrow.ask(ITEMS, judges(server.url, tmp_path), classes=["no", "yes"])
    assert votes.items == [item["id"] for item in ITEMS]
    assert votes.item.tolist() == [2, 3, 4, 5]
    assert any("`far`" in note and "2 items of 6" in note for note in votes.notes)


def test_a_server_that_fails_costs_nothing_twice(tmp_path: Path) -> None:
    broken = True

    def fault(count: int, body: Body) -> str | None:
        return "500" if broken and "number 4" in question(body) else None

    with serving(by_number, fault) as server:
        by = judges(server.url, tmp_path, concurrency=1)
        by["supervisors"]["other"] = {**by["supervisors"]["far"], "model": "other"}
        with pytest.raises(StepFailed, match="q4"):
            outgrow.ask(ITEMS, by, classes=["no", "yes"], output=tmp_path / "votes.csv")
        assert not (tmp_path / "votes.csv").exists()
        given = len(server.given)
        assert given >= 8, "both judges were asked"
        broken = False
        votes = outgrow.ask(ITEMS, by, classes=["no", "yes"])
        assert len(server.given) == len(set(server.given)) == 12
    assert votes.n_votes == 12


def test_the_plan_counts_and_asks_nothing(tmp_path: Path) -> None:
    with serving(by_number) as server:
        by = judges(server.url, tmp_path, prices=PRICES, key="A_KEY_OF_MINE")
        by["supervisors"]["near"] = {"model": LOCAL}
        options: dict[str, Any] = {"classes": ["no", "yes"]}
        plan = plan_ask([*ITEMS, {**ITEMS[0], "id": "again"}], by, **options)
        assert not server.requests
        assert not (tmp_path / "answers").exists()
        far, near = plan.sources
        assert (far.questions, far.requests, near.requests) == (7, 6, 7), "equal questions are asked once"
        outgrow.ask(ITEMS[:4], {**by, "supervisors": {"far": by["supervisors"]["far"]}}, **options)
        paid = sum(tokens_read(body) * 10 + 5 * 100 for body in server.requests) / 1e6
        rest = plan_ask(ITEMS, by, **options)
        assert rest.sources[0].requests == 2
        assert rest.spent == pytest.approx(paid)
        assert paid < plan.price * 4 / 6, "the plan is the most that it costs"


def test_a_budget_is_shared_and_never_exceeded(tmp_path: Path) -> None:
    with serving(by_number) as server:
        by = judges(server.url, tmp_path, prices=PRICES, concurrency=2)
        by["supervisors"]["other"] = {**by["supervisors"]["far"], "model": "other"}
        whole = plan_ask(ITEMS, by, classes=["no", "yes"])
        with pytest.raises(StepFailed, match="raise the budget"):
            outgrow.ask(ITEMS, by, classes=["no", "yes"], budget=whole.price / 3)
        paid = sum(tokens_read(body) * 10 + 5 * 100 for body in server.requests) / 1e6
        assert 0 < paid <= whole.price / 3
        before = len(server.requests)
        assert outgrow.ask(ITEMS, by, classes=["no", "yes"], budget=whole.price + paid).n_votes == 12
        assert len(server.requests) == 12 > before


def test_a_model_of_this_machine_answers_untrained(tmp_path: Path) -> None:
    by = {"supervisors": {"near": {"model": LOCAL, "system": "Be brief."}}, "store": str(tmp_path), "threads": 1}
    votes = outgrow.ask(ITEMS, by, classes=["not_so", "so"], prompt="{title}? {text}")
    prompts = [f"Be brief.\n{item['title']}? {item['text']}\nAnswer:" for item in ITEMS]
    options = [["not so", "so"]] * len(prompts)
    lm, tokenizer = load_causal_lm(LOCAL), load_tokenizer(LOCAL)
    total = option_logprobs(lm, tokenizer, prompts, options).total
    counts = np.asarray([[len(tokenizer(f" {name}")["input_ids"]) for name in row] for row in options])
    assert votes.probs is not None
    np.testing.assert_allclose(votes.probs, softmax(per_character(total, options, counts)), atol=1e-4)


def test_a_model_of_this_machine_continues_a_pair_with_a_letter() -> None:
    form = asdict(better_of_two())
    asked = {"columns": {}, "pairs": True, "prompt": "{first}<{second}", "form": form, "continues": True}
    task = questions(table_in_memory(PAIRS[:2], "items"), {**asked, "system": None})
    assert task.classes == ("A", "B")
    assert task.items.ids == ["ab p0", "ab p1", "ba p0", "ba p1"]
    assert task.items.prompts[3].splitlines() == [
        "second 1<first 1",
        "A. the first text",
        "B. the second text",
        "Answer with the letter of your choice alone.",
        "Answer:",
    ]


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({}, {}, ["--classes", "--scale", "--pairs"]),
        ({}, {"classes": ["a", "b"], "pairs": True}, ["classes", "pairs"]),
        ({}, {"classes": ["a"]}, ["classes"]),
        ({}, {"scale": "5-1"}, ["scale"]),
        ({}, {"scale": "five"}, ["scale"]),
        ({"asks": {"far": ["plain"]}}, {"pairs": True}, ["asks.far", "plain"]),
        ({"asks": {"fur": ["plain"]}, "prompts": {"plain": "x"}}, {"pairs": True}, ["asks.fur", "`far`"]),
        ({"supervisors": {"far": {"type": "ngram"}}}, {"pairs": True}, ["supervisors.far", "ngram", "`endpoint`"]),
        ({"supervisors": {"far": {"model": "bundled:wordllama"}}}, {"pairs": True}, ["supervisors.far", "wordllama"]),
        ({}, {"pairs": True, "budget": 1.0}, ["supervisors.far.prices"]),
        ({"task": {}}, {"pairs": True}, ["task", "unknown key"]),
    ],
)
def test_bad_settings_are_one_sentence(
    tmp_path: Path, changes: dict[str, Any], options: dict[str, Any], words: list[str]
) -> None:
    by = {**judges("http://127.0.0.1:9/v1", tmp_path), **changes}
    with pytest.raises(ConfigError) as caught:
        outgrow.ask(PAIRS, by, **options)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("items", "prompt", "words"),
    [
        (ITEMS, "{texts}", ["texts", "`text`"]),
        ([{"id": "a", "title": "x"}], None, ["text", "items.text"]),
        ([{"id": "a", "text": ""}], None, ["`text` is empty"]),
        ([{"id": "a", "text": "x"}, {"id": "a", "text": "y"}], None, ["`a`"]),
    ],
)
def test_bad_items_name_the_column_or_the_row(
    tmp_path: Path, items: list[dict[str, str]], prompt: str | None, words: list[str]
) -> None:
    by = judges("http://127.0.0.1:9/v1", tmp_path)
    for function in (outgrow.ask, plan_ask):
        with pytest.raises(DataError) as caught:
            function(items, by, classes=["a", "b"], prompt=prompt)
        assert all(word in str(caught.value) for word in words), caught.value


def test_texts_with_braces_are_no_templates() -> None:
    table = table_in_memory([{"text": "{title} {{"}], "items")
    asked = {"columns": {}, "pairs": False, "continues": False, "system": None}
    form = {"names": ["1", "2"], "options": [], "instruction": ""}
    task = questions(table, {**asked, "prompt": "{{so}} {text}", "form": form})
    assert task.items.prompts == ["{so} {title} {{"]


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, ITEMS)))
    with serving(by_number) as server:
        by = judges(server.url, tmp_path, prices=PRICES)
        del by["store"], by["answers"]
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "judges.yaml").write_text(json.dumps(by))
        words = ["ask", "--items", "items.jsonl", "--by", "own/judges.yaml", "--classes", "no,yes"]
        plan = small_study.outgrow(tmp_path, *words, "--plan")
        assert plan.returncode == 0, plan.stderr
        assert "6 new answers" in plan.stdout
        assert not server.requests
        missing = small_study.outgrow(tmp_path, *words)
        assert (missing.returncode, "--output" in missing.stderr) == (2, True)
        made = small_study.outgrow(tmp_path, *words, "-o", "votes.csv")
        assert made.returncode == 0, made.stderr
        assert "6 votes of 1 source on 6 items" in made.stdout
    assert (tmp_path / "own" / "answers" / "answers.sqlite").is_file()
    assert outgrow.read_labels(tmp_path / "votes.csv").n_votes == 6
