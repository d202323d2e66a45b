"""`form: text`: options and classes as texts, by hand and for every known set that is here."""

import json
import random

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.task import Columns, Sizes, TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut
from outgrow.data.preview import show_items
from outgrow.data.task import Task
from outgrow.data.task_kind import fields_of, kind_of, metric_of, template_of
from outgrow.data.tasks import TASKS
from outgrow.data.template import instruction_pieces
from outgrow.errors import ConfigError, DataError

WRITTEN = [name for name, known in TASKS.items() if known.kind != "generate"]


def own(path, rows, columns=None, **section):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return load_task(TaskSection(name="mine", path=path, columns=Columns(**(columns or {})), form="text", **section))


def quiz(n=8):
    # Every number occurs: otherwise it could not be told whether they are counted from 0 or from 1.
    label = [0, 1, 2, *random.Random(SEEDS[0]).choices(range(3), k=n - 3)]
    return [
        {"text": f"What is {i}?", "options": [f"right {i}", "left", f"up {i}"], "label": label[i]} for i in range(n)
    ]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.jsonl"


def test_options_stand_above_the_question_and_the_right_one_is_written(path):
    rows = quiz()
    task = own(path, rows, {"options": "options"})
    assert (task.kind, task.classes, task.metric, task.items.options) == ("generate", (), "exact_match", None)
    choice = task.items.allowed[3]
    assert sorted(choice) == sorted(rows[3]["options"])
    listed = "".join(f"- {option}\n" for option in choice)
    assert task.items.prompts[3] == f"Options:\n{listed}What is 3?\nAnswer:"
    right = [row["options"][row["label"]] for row in rows]
    assert task.items.answers == task.items.keys == right
    assert task.items.gold.tolist() == [0] * 8


def test_classes_stand_on_one_line_and_a_last_answer_is_said_once(path):
    rows = [{"text": f"film {i}\nAnswer:", "label": ["bad", "good"][i % 2]} for i in range(4)]
    task = own(path, rows)
    assert task.items.prompts[1] == "Options: bad, good\nfilm 1\nAnswer:"
    assert task.items.answers == ["bad", "good", "bad", "good"]
    assert task.items.allowed == [["bad", "good"]] * 4
    other = own(path, rows, template="Good or bad? {text}", metric="contains", answer="It is {text}.")
    assert other.items.prompts[1] == "Good or bad? film 1"
    assert other.items.answers[1] == "It is good."
    assert other.items.keys[1] == "good"
    assert other.items.allowed[1] == ["It is bad.", "It is good."]
    assert other.metric == "contains"


def test_braces_in_options_and_texts_stay_as_they_are(path):
    rows = [{"text": f"{{options}} {i}", "options": ["{text}", f"{{{i}}}"], "label": i % 2} for i in range(4)]
    task = own(path, rows, {"options": "options"}, template="{options}|{text}|{{")
    assert task.items.prompts[2] == "- {text}\n- {2}|{options} 2|{"


def test_items_without_gold_are_left_out_and_one_class_is_no_fault(path):
    rows = [{"text": f"film {i}", "label": "good" if i else "bad"} for i in range(9)]
    rows[4]["label"] = None
    task = own(path, rows)
    assert task.items.answers[4] == ""
    assert task.items.gold[4] == -1
    assert show_items(task, 9, 0)[0]["options"] is None
    assert len(cut(task, Sizes(half_a=3, half_b=3, test=2), 0).items) == 8


def test_what_is_saved_is_what_was_there(path, tmp_path):
    task = own(path, quiz(), {"options": "options"})
    task.save(tmp_path)
    again = Task.load(tmp_path)
    assert (again.items.allowed, again.items.capabilities, dict(again.metrics)) == (task.items.allowed, None, {})
    rows = np.random.default_rng(SEEDS[1]).permutation(8)[:3]
    assert again.items.take(rows).allowed == [task.items.allowed[row] for row in rows]


def test_a_task_of_texts_is_one_already():
    plain, same = (load_task(TaskSection(name="sums", form=form)) for form in ("native", "text"))
    assert (plain.items.prompts, plain.items.answers, plain.notes) == (
        same.items.prompts,
        same.items.answers,
        same.notes,
    )
    assert same.items.allowed is None


@pytest.mark.parametrize("name", WRITTEN)
def test_every_template_can_be_filled(name):
    section = TaskSection(name=name, form="text")
    assert (kind_of(section), metric_of(section)) == ("generate", "exact_match")
    pieces = instruction_pieces(template_of(section), fields_of(section))
    assert "".join(literal for literal, _ in pieces).rstrip().endswith(":")
    if TASKS[name].text_template is None:
        assert "options" in {field for _, field in pieces}


@pytest.mark.parametrize("name", ["sciq", "openbookqa", "commonsense_qa", "winogrande", "boolq", "mmlu_topic"])
def test_the_text_form_of_a_bundled_set_says_what_its_native_form_says(name):
    native, text = (load_task(TaskSection(name=name, form=form)) for form in ("native", "text"))
    assert text.items.ids == native.items.ids
    assert text.items.parts == native.items.parts
    assert text.items.groups == native.items.groups
    known = TASKS[name]
    for row in np.random.default_rng(SEEDS[2]).integers(len(native.items), size=200).tolist():
        choice = list(known.classes) if native.items.options is None else native.items.options[row]
        assert text.items.allowed[row] == choice
        assert text.items.answers[row] == choice[native.items.gold[row]]
        prompt = text.items.prompts[row]
        assert native.items.prompts[row].removesuffix("Answer:").strip() in prompt
        if known.text_template is None:
            places = [prompt.index(option) for option in choice]
            assert min(places) < prompt.index(native.items.prompts[row].removesuffix("Answer:").strip())
        assert not prompt.rstrip(":").endswith("Answer:\nAnswer")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"template": "{text} {types}"}, "`{types}` is for tasks measured by slu_f1; use `{text}` and `{options}`"),
        ({"template": "{options}"}, "task.template"),
        ({"template": "{text} {choices}"}, "`{choices}` cannot be filled"),
        ({"answer": "so"}, "task.answer"),
    ],
)
def test_bad_settings_are_named(section, message):
    with pytest.raises(ConfigError) as caught:
        kind_of(TaskSection(name="sciq", form="text", **section))
    assert message in str(caught.value)


def test_options_cannot_be_listed_where_there_are_none():
    for name in ("gsm8k", "sums"):
        with pytest.raises(ConfigError, match=r"`{options}` is for options or classes with `form: text`"):
            kind_of(TaskSection(name=name, template="{options} {text}"))
    with pytest.raises(ConfigError, match=r"remove it, or set task\.form to `text`"):
        kind_of(TaskSection(name="sciq", template="{text}"))


def test_classes_are_no_slots(path):
    rows = [{"text": f"film {i}", "label": ["bad", "good"][i % 2]} for i in range(4)]
    with pytest.raises(DataError, match="slu_f1 needs gold such as"):
        own(path, rows, metric="slu_f1")


def test_the_stand_in_for_explanations_says_that_it_is_one():
    assert any(
        "stands in for `ecqa`" in note for note in load_task(TaskSection(name="commonsense_qa", form="text")).notes
    )
    assert load_task(TaskSection(name="commonsense_qa")).notes == ()
