"""From texts of several sources to the folder of a student that writes: real training of tiny models, end to end."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from transformers import pipeline

import outgrow
from outgrow import api_votes
from outgrow.api_votes import combiner
from outgrow.combiners.answer_vote import answer_vote
from outgrow.config.train import TrainSettings
from outgrow.data.tasks.errands import make_errands
from outgrow.deliver.combined_texts import combine_texts
from outgrow.deliver.export import labels_card
from outgrow.deliver.in_memory_tables import file_of_table
from outgrow.deliver.training_data import text_training_data
from outgrow.deliver.training_data_step import read_test
from outgrow.errors import ConfigError, DataError, OutgrowError
from outgrow.metrics.text_answers import answer_match
from outgrow.texts import Candidate, WeakTexts, certain
from tiny_writers import save_writer

RIGHT = {"ada": 0.9, "ben": 0.6, "cleo": 0.5}
ITEMS, SILENT, TEST = 40, 4, 12
TEMPLATE = "Solve: {question}"
QUICK = (
    "student.max_length=100",
    "student.training.epochs=1",
    "student.training.batch_size=8",
    "answering.max_new_tokens=12",
)
METHOD = {"type": "answer_vote", "metric": "answer_match"}


def solved() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sums with gold, and what three sources write about most of them, right so often."""
    rng = np.random.default_rng(0)
    pairs = rng.permutation(900)[: ITEMS + TEST] + 100
    sums = pd.DataFrame({"name": [f"s{n}" for n in range(len(pairs))], "question": [f"{n} + 7" for n in pairs]})
    sums["label"] = [f"{n} and 7 is {n + 7} #### {n + 7}" for n in pairs]
    said = [
        {"item": name, "source": source, "answer": gold if rng.random() < share else f"So #### {rng.integers(1000)}"}
        for name, gold in zip(sums["name"][: ITEMS - SILENT], sums["label"][: ITEMS - SILENT], strict=True)
        for source, share in RIGHT.items()
        if rng.random() < 0.9
    ]
    return sums, pd.DataFrame(said)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A student of the answers, with an adapter that is merged when it is written."""
    folder = tmp_path_factory.mktemp("writer")
    sums, answers = solved()
    save_writer(folder / "base", "llama", [*sums["question"], *sums["label"]], 300)
    sums.drop(columns="label").head(ITEMS).to_json(folder / "items.jsonl", orient="records", lines=True)
    sums.tail(TEST).to_json(folder / "test.jsonl", orient="records", lines=True)
    answers.to_csv(folder / "answers.csv", index=False, quoting=csv.QUOTE_NONNUMERIC)
    student = trained(folder, *QUICK)
    return SimpleNamespace(folder=folder, student=student, sums=sums, answers=answers)


def trained(folder: Path, *words: str, output: str = "student", **settings: Any) -> Any:
    settings = {"method": METHOD, "test": folder / "test.jsonl", "labels": folder / "answers.csv", **settings}
    return outgrow.train(
        folder / "items.jsonl",
        settings.pop("labels"),
        f'items.text="{TEMPLATE}"',
        "items.id=name",
        *words,
        model=str(folder / "base"),
        output=folder / output,
        store=folder / "steps",
        **settings,
    )


# ---- the folder ------------------------------------------------------------------------------------------


def test_the_folder_writes_by_itself_what_is_written_in_it(made: Any) -> None:
    assert not (made.student.folder / "adapter_config.json").exists(), "the adapter is merged"
    written = dict(made.student.predictions.to_pandas().itertuples(index=False))
    write = pipeline("text-generation", model=str(made.student.folder))
    asked = [("test-" + row.name, row.question) for row in made.sums.tail(3).itertuples(index=False)]
    for name, question in asked:
        prompt = TEMPLATE.format(question=question) + "\n"
        found = write(prompt, max_new_tokens=12, do_sample=False, return_full_text=False)[0]["generated_text"]
        assert found.strip() == written[name]


def test_the_card_alone_says_how_to_ask(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lines of Python, with an item's column for …, give what the folder says of the item."""
    monkeypatch.chdir(made.folder)
    lines = (
        (made.student.folder / "README.md").read_text().split("```python\n")[1].split("```")[0].strip().splitlines()
    )
    written = dict(made.student.predictions.to_pandas().itertuples(index=False))
    row = made.sums.iloc[-1]
    names: dict[str, Any] = {}
    exec("\n".join(lines[:-1]).replace("…", row["question"]), names)
    said = eval(lines[-1], names)[0]["generated_text"]
    assert said.strip() == written[f"test-{row['name']}"]


def test_items_without_an_answer_and_test_items_are_answered_and_no_others(made: Any) -> None:
    names = made.student.predictions.column("item").to_pylist()
    silent = [f"s{n}" for n in range(ITEMS - SILENT, ITEMS)]
    unread = set(made.sums["name"][: ITEMS - SILENT]) - set(made.answers["item"])
    assert set(names) == {*silent, *unread, *(f"test-s{n}" for n in range(ITEMS, ITEMS + TEST))}


def test_what_was_learned_is_what_the_combiner_makes_of_the_answers(made: Any) -> None:
    table = pq.read_table(made.student.folder / "labels.parquet")
    assert table.column_names == ["item", "label", "share", "votes"]
    direct = answer_vote(outgrow.read_answers(made.answers), metric="answer_match")
    assert dict(zip(table["item"].to_pylist(), table["label"].to_pylist(), strict=True)) == dict(
        zip(direct.items, direct.texts, strict=True)
    )
    np.testing.assert_array_equal(table["share"].to_numpy(), direct.weight)
    counts = made.answers.groupby("item").size()
    assert table["votes"].to_pylist() == [counts[item] for item in direct.items]
    taught = next((made.folder / "steps").glob("training_data-*"))
    assert pq.read_table(taught / "targets.parquet")["text"].to_pylist() == direct.texts


def test_the_card_says_that_it_writes_and_how_good_it_is(made: Any) -> None:
    card, text = made.student.card, (made.student.folder / "README.md").read_text()
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["pipeline_tag"] == "text-generation"
    assert TEMPLATE in body
    assert "the words in braces are the items' columns" in body
    assert "text-generation" in body
    assert "classifier" not in body
    assert card["chat"] is False
    test = card["answers"]["test"]
    written = dict(made.student.predictions.to_pandas().itertuples(index=False))
    last = made.sums.tail(TEST)
    right = answer_match([written[f"test-{name}"] for name in last["name"]], list(last["label"]))
    assert (test["n"], test["score"]) == (TEST, pytest.approx(np.mean(right)))
    assert 0 <= test["low"] <= test["score"] <= test["high"] <= 1
    assert {one["name"]: one["votes"] for one in card["votes"]["sources"]} == dict(
        made.answers.groupby("source").size()
    )
    assert card["votes"]["sources"][0]["agreement"] == max(one["agreement"] for one in card["votes"]["sources"])


def test_the_page_of_exported_texts_says_what_is_in_the_table(made: Any, tmp_path: Path) -> None:
    assert "`share`" in labels_card(made.student.folder / "labels.parquet")


def test_what_is_finished_is_used_again_and_a_reader_is_the_file(made: Any) -> None:
    before = {path.name for path in (made.folder / "steps").glob("*-*")}
    again = trained(made.folder, *QUICK)
    assert {path.name for path in (made.folder / "steps").glob("*-*")} == before
    assert again.card == made.student.card


# ---- settings --------------------------------------------------------------------------------------------


def test_texts_as_they_are_teach_all_weights_too(made: Any) -> None:
    """Nobody is asked anything: every item is learned from, and there are no test items."""
    silent = [{"item": f"s{n}", "source": "ada", "answer": "#### 7"} for n in range(ITEMS)]
    texts = outgrow.read_answers(pd.concat([made.answers, pd.DataFrame(silent)]))
    words = ("kind=generate", "student.adapt=full", "student.training.lr=1e-3", *QUICK)
    student = trained(made.folder, *words, output="plain", labels=texts, method="keep_all", test=None)
    assert student.card["training_data"]["rows"] == len(made.answers.query("source != 'ada'")) + ITEMS
    assert student.predictions.num_rows == 0
    assert student.card["answers"] == {"agreement": None, "test": None}
    assert "Nobody knows" in (student.folder / "README.md").read_text()
    assert {one["agreement"] for one in student.card["votes"]["sources"]} == {None}


def test_only_what_is_agreed_on_is_learned(made: Any) -> None:
    section = combiner(METHOD)
    combined = combine_texts(outgrow.read_answers(made.answers), section)
    settings = TrainSettings(student={"model": "-"}, combine=section, keep={"agreement": 0.6})
    data = text_training_data(combined, settings)
    enough = combined.share >= 0.6
    assert 0 < enough.sum() < len(enough)
    assert data.targets.items == [
        name for name, stays in zip(combined.targets.items, enough.tolist(), strict=True) if stays
    ]
    assert data.about["kept"] == int(enough.sum())
    apart = pd.DataFrame({"item": ["s0", "s0"], "source": ["a", "b"], "answer": ["#### 1", "#### 2"]})
    with pytest.raises(DataError, match=r"of 1 combined text none has an agreement of 0\.6"):
        text_training_data(combine_texts(outgrow.read_answers(apart), section), settings)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["weight=certainty"], r"weight: is not for texts \(their weight is the combiner's option"),
        (["keep.confidence=0.5"], r"keep.confidence: is not for texts \(`keep.agreement` is\)"),
        (["classes=[a, b]"], "classes: is not for texts"),
        (["loss={type: product}"], "loss: `product` is for classes"),
        (["combine={type: vote}", "kind=generate"], "combine: `vote` is not for texts; use .*`answer_vote`"),
        (["kind=classify"], "combine: `answer_vote` is for texts, and `kind` is classify"),
        (["combine={type: vote}", "metric=rouge_l"], "metric: is for texts"),
        (["tune.lr=[0.1, 0.2]"], "tune: is not for texts"),
        (["combine.metric=", "metric=rouge_l"], "combine.metric: `rouge_l`"),
    ],
)
def test_what_does_not_go_together_is_told(made: Any, words: list[str], message: str) -> None:
    with pytest.raises(OutgrowError, match=message):
        trained(made.folder, *words, output="never")
    assert not (made.folder / "never").exists()


def test_gold_and_damaged_answers_are_told(made: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--gold: "):
        trained(made.folder, gold=made.folder / "test.jsonl", output="never")
    strangers = made.answers.assign(item=[f"x{n}" for n in range(len(made.answers))])
    with pytest.raises(OutgrowError, match=r"items such as `x0`, `x1`, `x2`, .* items such as `s0`, `s1`, `s2`"):
        trained(made.folder, labels=strangers, output="never")
    made.sums.tail(TEST).assign(label="").to_csv(tmp_path / "t.csv", index=False)
    wanted = TrainSettings.model_validate(
        {"student": {"model": "-"}, "items": {"text": TEMPLATE, "id": "name"}, "kind": "generate"}
        | {"combine": {"type": "answer_vote"}}
    )
    with pytest.raises(DataError, match=r"`label` has no text; name the column of gold texts by `items.gold"):
        read_test(tmp_path / "t.csv", wanted, None, None)
    of_key = wanted.model_copy(update={"items": wanted.items.model_copy(update={"gold": "key"})})
    with pytest.raises(DataError, match=r"there is no column `key` with gold"):
        read_test(tmp_path / "t.csv", of_key, None, None)


# ---- slots, the command, tables --------------------------------------------------------------------------


def test_slots_on_the_command_line_from_a_wide_table(tmp_path: Path) -> None:
    _, table = next(make_errands())
    rows = table.rows[:30]
    save_writer(tmp_path / "base", "llama", [row[key] for row in rows for key in ("text", "slots")], 300)
    frame = pd.DataFrame({"item": range(30), "text": [row["text"] for row in rows]})
    frame["label"] = [row["slots"] for row in rows]
    frame.drop(columns="label").head(24).to_csv(tmp_path / "items.csv", index=False)
    frame.tail(6).to_csv(tmp_path / "test.csv", index=False)
    wide = pd.DataFrame({"item": range(24), "a": frame["label"][:24], "b": frame["label"][:24], "c": "{}"})
    wide.to_csv(tmp_path / "slots.csv", index=False)

    combined = said(tmp_path, "combine", "slots.csv", "--method", "slot_vote", "-o", "made.csv")
    assert "agreement with the combined texts (SLU-F1)" in combined
    assert pd.read_csv(tmp_path / "made.csv")["label"].map(json.loads).tolist() == [
        json.loads(slots) for slots in frame["label"][:24]
    ]
    words = ["--items", "items.csv", "--labels", "slots.csv", "--method", "slot_vote", "--model", "./base"]
    quick = ["student.max_length=120", "student.training.epochs=1", "answering.max_new_tokens=8"]
    told = said(tmp_path, "train", *words, "--test", "test.csv", *quick, "-q")
    assert "SLU-F1 0.0" in told
    card = json.loads((tmp_path / "student" / "card.json").read_text())
    assert card["answers"]["test"]["n"] == 6
    assert [one["agreement"] for one in card["votes"]["sources"]][:2] == [1.0, 1.0]
    refused = subprocess.run(
        [sys.executable, "-m", "outgrow", "combine", "slots.csv", "--method", "slot_vote", "--renormalise"],
        cwd=tmp_path, env={**os.environ, "COLUMNS": "300"}, capture_output=True, text=True,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "--renormalise: is not for votes of kind `texts`" in refused.stderr


def said(folder: Path, *words: str) -> str:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "300"}
    done = subprocess.run(
        [sys.executable, "-m", "outgrow", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_texts_in_memory_become_a_file_that_is_read_again(tmp_path: Path) -> None:
    one, other = (Candidate(text, certain(text)) for text in ("first\nof two", "7"))
    texts = WeakTexts(["a", "b", "c"], ("x", "y"), [[[one, other], []], [[], [other]], [[], []]])
    again = outgrow.read_answers(file_of_table(texts, tmp_path, "labels"))
    assert (again.items, again.sources) == (texts.items, texts.sources)
    assert [[[one.text for one in cell] for cell in row] for row in again.candidates] == [
        [[one.text for one in cell] for cell in row] for row in texts.candidates
    ]


def test_a_table_of_texts_says_how_many_are_behind_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item": [1, 1, 1, 2], "model": ["a", "b", "c", "a"], "answer": ["7", " 7", "8", "=1+1"]})
    combined = outgrow.combine_answers(frame, "answer_vote")
    assert combined.to_pandas().to_dict("list") == {
        "item": ["1", "2"], "label": ["7", "=1+1"], "share": [2 / 3, 1.0], "votes": [3, 1],
    }  # fmt: skip
    combined.save(tmp_path / "t.csv")
    assert "'=1+1" in (tmp_path / "t.csv").read_text(), "a spreadsheet runs no text"
    assert outgrow.combine_answers(frame, {"type": "answer_vote", "weight": "one"}).targets.weight.tolist() == [1, 1]
    with pytest.raises(ConfigError, match="combine: `vote` is not for texts"):
        outgrow.combine_answers(frame, "vote")
    by_method, by_kind = api_votes.combine(frame, "answer_vote"), api_votes.combine(frame, "answer_vote", kind="texts")
    assert by_method.to_arrow() == by_kind.to_arrow() == combined.to_arrow()
    with pytest.raises(ConfigError, match="`answer_vote` is for texts, and these are votes on classes"):
        api_votes.combine(frame, "answer_vote", kind="classes")
    with pytest.raises(DataError, match="no item has a text"):
        outgrow.combine_answers(frame.assign(answer="none"), METHOD)
