"""Tasks whose answers are texts: the user's own, the published ones, the template around them, what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.task import Columns, Sizes, TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut
from outgrow.data.preview import show_items
from outgrow.data.split import draw_split
from outgrow.data.task import Task
from outgrow.data.task_kind import kind_of, metric_of
from outgrow.data.tasks import TASKS
from outgrow.data.template import slot_types
from outgrow.errors import ConfigError, DataError
from outgrow.metrics.slu_f1 import parse_slots

SHARED = Path(__file__).parents[3] / "shared" / "data"
TOKENS = ["wake", "mom", "'s", "cat", "and", "dad", "at", "ten"]


def shared(folder):
    path = SHARED / folder
    if not path.exists():
        pytest.skip(f"no development data at {path}")
    return path


def own(path, rows, columns=None, **section):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return load_task(
        TaskSection(name="mine", path=path, kind="generate", columns=Columns(**(columns or {})), **section)
    )


def sums(n=6):
    return [{"prompt": f"What is {i} + {i}?", "completion": f" It is {2 * i}.\n"} for i in range(n)]


def slots(n=6):
    return [{"prompt": f"call ann at {i}", "completion": f'{{"person": "ann", "time": "{i}"}}'} for i in range(n)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.jsonl"


def test_own_texts_have_default_columns_and_metric(path):
    task = own(path, sums())
    assert (task.kind, task.classes, task.metric) == ("generate", (), "exact_match")
    assert task.items.prompts[3] == "What is 3 + 3?"
    assert task.items.answers == [f"It is {2 * i}." for i in range(6)]
    assert task.items.gold.tolist() == [0] * 6
    assert task.items.options is None


def test_columns_and_metric_of_your_choice_in_every_format(tmp_path):
    (tmp_path / "train.csv").write_text('q,hint,a,n\none?,h,"1, or so",x\ntwo?,h,,y\nthree?,h,"a\nb",z\n')
    columns = Columns(text="{q} ({hint})", label="a", id="n")
    section = TaskSection(name="mine", path=tmp_path, kind="generate", columns=columns, metric="rouge_l")
    task = load_task(section)
    assert task.items.prompts == ["one? (h)", "two? (h)", "three? (h)"]
    assert task.items.answers == ["1, or so", "", "a\nb"]
    assert task.items.gold.tolist() == [0, -1, 0]
    assert task.items.ids == ["train.csv-x", "train.csv-y", "train.csv-z"]
    assert (task.metric, metric_of(section)) == ("rouge_l", "rouge_l")
    assert [item["gold"] for item in sorted(show_items(task, 9, 0), key=lambda item: item["id"])] == [
        "1, or so",
        None,
        "a\nb",
    ]


def test_texts_without_gold_are_left_out_and_counted(path):
    rows = sums(8)
    rows[2]["completion"], rows[5]["completion"] = "  ", None
    pool = cut(own(path, rows, metric="token_f1"), Sizes(half_a=2, half_b=2, test=1), 0)
    assert len(pool.items) == 6
    assert "" not in pool.items.answers
    assert (pool.kind, pool.metric) == ("generate", "token_f1")
    assert any(note.endswith("compared with gold: 2.") for note in pool.notes)


def test_one_answer_for_all_is_no_fault_of_a_text_task(path):
    rows = [{**row, "completion": "yes"} for row in sums()]
    assert len(cut(own(path, rows), Sizes(half_a=2, half_b=2, test=2), 0).items) == 6


@pytest.mark.parametrize("seed", SEEDS)
def test_saving_cutting_and_splitting_keep_prompt_and_answer_together(path, tmp_path, seed):
    rows = [{"prompt": f"p {i}", "completion": f"c {i}"} for i in range(40)]
    sizes = Sizes(half_a=10, half_b=10, test=10)
    pool = cut(own(path, rows, template="Say it: {text}"), sizes, seed)
    pool.save(tmp_path)
    again = Task.load(tmp_path)
    assert (again.items.answers, again.metric) == (pool.items.answers, pool.metric)
    split = draw_split(again.items, sizes, seed)
    for rows_of in (split.half_a, split.half_b, split.test):
        part = again.take(rows_of).items
        numbers = [re.fullmatch(r"Say it: p (\d+)", prompt)[1] for prompt in part.prompts]
        assert part.answers == [f"c {number}" for number in numbers]


def test_copies_are_found_in_the_bare_texts_and_conflict_by_their_answers(path):
    rows = [*sums(), {"prompt": "what is 3 + 3", "completion": "It is 6."}, {**sums()[4], "completion": "9"}]
    task = own(path, rows, template="A question of sums, as always: {text}")
    assert len(task.items) == 6
    assert task.notes[0] == "Duplicates left out: 2 (1 of them with another label than the first copy)."
    # A long instruction must not make different items alike, nor hide that a training item says a test item.
    parts = [{**row, "part": ["train", "test"][i % 2]} for i, row in enumerate(sums())]
    leaked = own(path, [*parts, {**parts[1], "part": "train"}], {"part": "part"}, template="{text} Answer:")
    assert any("share their text" in note for note in leaked.notes)
    assert all(prompt.endswith("Answer:") for prompt in leaked.items.prompts)


def test_slot_types_come_from_the_training_part(path):
    rows = [{**row, "part": "train"} for row in slots()]
    rows += [{"prompt": f"go to {i}", "completion": f'{{"place": "{i}"}}', "part": "test"} for i in range(3)]
    task = own(path, rows, {"part": "part"}, metric="slu_f1", template="Slots: {types}; JSON like {{}}.\n{text}")
    assert slot_types(task) == ["person", "time"]
    assert task.items.prompts[0] == "Slots: person, time; JSON like {}.\ncall ann at 0"
    everywhere = own(path, rows, metric="slu_f1", template="{types}|{text}")
    assert everywhere.items.prompts[0].startswith("person, place, time|")


def test_braces_in_items_stay_as_they_are(path):
    rows = [{"prompt": f"{{text}} {{{i}}} {{types}}", "completion": "x"} for i in range(3)]
    assert own(path, rows, template="<{text}>").items.prompts[1] == "<{text} {1} {types}>"


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([{"prompt": "p"}], {}, r"there is no column `completion` \(task.columns.label\)"),
        ([{"text": "p", "completion": "c"}], {}, r"there is no column `prompt` \(task.columns.text\)"),
        ([{"promt": "p", "completion": "c"}], {}, "did you mean `promt`"),
        (
            [*sums(1), {"prompt": "p", "completion": {"time": "ten"}}],
            {},
            "line 2: `completion` must be a text.*string",
        ),
        ([*sums(1), {"prompt": "p", "completion": ["ten"]}], {}, "line 2: `completion` must be a text"),
        ([*sums(1), {"prompt": "p", "completion": True}], {}, "line 2: `completion` must be a text"),
        ([*sums(1), {"prompt": "p", "completion": "\ud800"}], {}, "line 2: `completion` holds half a character"),
        ([*sums(1), {"prompt": " ", "completion": "c"}], {}, "line 2: `prompt` is empty"),
        ([*sums(1), {"prompt": 3.5, "completion": None}, {"prompt": None}], {}, "line 3: `prompt` is empty"),
        ([{**row, "completion": ""} for row in sums()], {}, "line 1 and the rows after it: none of them has a text"),
        ([{**row, "n": 1} for row in sums()], {"id": "n"}, "line 2: the id `1` is already taken"),
    ],
)
def test_bad_rows_are_named(path, rows, columns, message):
    with pytest.raises(DataError, match=message) as caught:
        own(path, rows, columns)
    assert str(path) in str(caught.value)


def test_numbers_are_texts_too(path):
    rows = [{"prompt": i, "completion": 2 * i} for i in range(4)]
    task = own(path, rows, metric="answer_match")
    assert (task.items.prompts, task.items.answers) == (["0", "1", "2", "3"], ["0", "2", "4", "6"])


def test_broken_json_is_named_with_its_line(path):
    path.write_text('{"prompt": "p", "completion": "c"}\n{"prompt": "p" "completion"}\n')
    with pytest.raises(DataError, match=r"mine.jsonl, line 2: not valid JSON"):
        load_task(TaskSection(name="mine", path=path, kind="generate"))


def test_gold_that_slu_f1_cannot_read_is_named_with_its_item(path):
    rows = [{**row, "n": f"item {i}"} for i, row in enumerate([*slots(), *sums(1)])]
    with pytest.raises(DataError, match=r"item `item 6`: slu_f1 needs gold such as .* found 'It is 0.'"):
        own(path, rows, {"id": "n"}, metric="slu_f1")
    rows[6]["completion"] = ""
    assert len(own(path, rows, {"id": "n"}, metric="slu_f1").items) == 7


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"template": "Say it"}, r"task\.template: `Say it` .*`{text}`"),
        ({"template": "{text"}, "task.template: .* is no template"),
        ({"template": "{text} {slots}"}, r"`{slots}` cannot be filled; use `{text}`, and `{{` for a brace"),
        ({"template": "{text} {types}"}, r"`{types}` is for tasks measured by slu_f1"),
        ({"template": "{text!r}"}, "only plain names"),
        ({"template": "{text} {}"}, "only plain names"),
        ({"form": "binary"}, "task.form `binary` needs a multiple-choice task"),
        ({"classes": ["a", "b"]}, "texts have none"),
        ({"columns": Columns(options="o")}, "remove one of them"),
    ],
)
def test_bad_settings_are_named_without_reading_anything(tmp_path, section, message):
    with pytest.raises(ConfigError, match=message):
        kind_of(TaskSection(name="mine", path=tmp_path / "absent.jsonl", kind="generate", **section))


def test_keys_of_texts_are_refused_elsewhere(tmp_path):
    for section in ({"metric": "token_f1"}, {"template": "{text}"}):
        with pytest.raises(ConfigError, match=r"is for tasks of kind `generate`; `sciq` is choose"):
            kind_of(TaskSection(name="sciq", **section))
        with pytest.raises(ConfigError, match=r"`mine` is classify"):
            load_task(TaskSection(name="mine", path=tmp_path / "x.csv", **section))
    with pytest.raises(ConfigError, match=r"task\.form `binary` needs"):
        kind_of(TaskSection(name="gsm8k", form="binary"))
    with pytest.raises(ConfigError, match=r"task\.kind is for your own data"):
        load_task(TaskSection(name="gsm8k", kind="generate"))


def test_kinds():
    assert {name: kind_of(TaskSection(name=name)) for name in TASKS} == {n: known.kind for n, known in TASKS.items()}
    assert kind_of(TaskSection(name="sciq", form="binary")) == "classify"
    assert kind_of(TaskSection(name="mine", path="x", columns=Columns(options="o"))) == "choose"
    assert kind_of(TaskSection(name="mine", path="x")) == "classify"
    assert metric_of(TaskSection(name="sciq")) == "accuracy"
    assert metric_of(TaskSection(name="slurp_slots", metric="exact_match")) == "exact_match"


def utterance(entities, **more):
    tokens = [{"id": i, "surface": word} for i, word in enumerate(TOKENS)]
    return {"sentence": "wake mom's cat and dad at ten", "tokens": tokens, "entities": entities, **more}


def slurp(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return load_task(TaskSection(name="slurp_slots", path=path, template="{text}")).items.answers


def test_slurp_entities_become_json_in_the_order_of_the_utterance(path):
    spans = {"time": [7], "person": [5], "pet": [1, 2, 3]}
    entities = [{"type": name, "span": span} for name, span in spans.items()]
    rows = [utterance(entities), utterance([{"type": "person", "span": [5]}, {"type": "person", "span": [1]}])]
    rows[1]["sentence"] = "another"
    rows.append({"sentence": "none", "tokens": [], "entities": []})
    assert slurp(path, rows) == [
        '{"pet": "mom \'s cat", "person": "dad", "time": "ten"}',
        '{"person": "mom & dad"}',
        "{}",
    ]


def test_slurp_brackets_say_the_same_as_its_entities(tmp_path):
    folder = shared("slurp")
    published = load_task(TaskSection(name="slurp_slots", path=folder))
    for name in ("devel", "test"):
        rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        mirrored = [{"sentence": row["sentence"], "annotation": row["sentence_annotation"]} for row in rows]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, mirrored)))
    mirror = load_task(TaskSection(name="slurp_slots", path=tmp_path))
    assert mirror.items.ids == published.items.ids
    assert mirror.items.prompts == published.items.prompts
    pairs = zip(mirror.items.answers, published.items.answers, strict=True)
    assert sum(one.lower() != other.lower() for one, other in pairs) == 2


def test_slurp_slots_of_the_published_files():
    task = load_task(TaskSection(name="slurp_slots", path=shared("slurp")))
    items = task.items
    with_slots = [text for text in items.answers if text != "{}"]
    assert 3300 < len(with_slots) < 3400
    types = slot_types(task)
    assert len(types) == 53
    assert ", ".join(types) in items.prompts[0]
    assert 'such as {"type": ' in items.prompts[0]
    # Every filler stands in its utterance, but for where tokens are cut.
    for prompt, answer in zip(items.prompts[:500], items.answers[:500], strict=True):
        said = prompt.rpartition("\n")[2].replace(" ", "").lower()
        assert all(slot.filler.replace(" ", "").lower() in said for slot in parse_slots(answer))
    short = load_task(TaskSection(name="slurp_slots", path=shared("slurp"), template="{text}")).items
    assert short.answers == items.answers
    assert max(map(len, short.prompts)) < 400


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        ([{"type": "t", "span": [8]}], "8"),
        ([{"type": "t", "span": []}], "range"),
        ([{"type": "t"}], "span"),
        ("none", "not a row of `slurp_slots`"),
        (None, "`entities` is empty"),
    ],
)
def test_damaged_slurp_rows_are_named(path, entities, message):
    with pytest.raises(DataError, match=f"line 2: not a row of `slurp_slots` .*{message}|{message}") as caught:
        slurp(path, [utterance([]), utterance(entities)])
    assert f"{path}, line 2" in str(caught.value)


def test_gsm8k_solutions_end_with_their_answer(path):
    task = load_task(TaskSection(name="gsm8k", path=shared("gsm8k")))
    assert task.metric == "answer_match"
    assert all(re.search(r"\n#### -?[\d,.]+$", text) for text in task.items.answers)
    assert all("####" in prompt and "step by step" in prompt for prompt in task.items.prompts)
    path.write_text('{"question": "q", "answer": "4"}\n')
    with pytest.raises(DataError, match=r"line 1: not a row of `gsm8k` \(no final answer after `####`"):
        load_task(TaskSection(name="gsm8k", path=path))


def test_scan_reads_the_simple_split_of_the_published_folder(tmp_path):
    sound = "IN: jump twice OUT: I_JUMP I_JUMP\n\nIN: walk OUT: I_WALK\n"
    (tmp_path / "simple_split" / "size_variations").mkdir(parents=True)
    (tmp_path / "length_split").mkdir()
    (tmp_path / "simple_split" / "tasks_train_simple.txt").write_text(sound)
    (tmp_path / "simple_split" / "tasks_test_simple.txt").write_text("IN: run OUT: I_RUN\n")
    for other in ("simple_split/size_variations/tasks_train_simple_p1.txt", "length_split/tasks_test_length.txt"):
        (tmp_path / other).write_text("IN: look OUT: I_LOOK\n")
    task = load_task(TaskSection(name="scan", path=tmp_path))
    assert task.items.prompts == [f"Command: {text}\nActions:" for text in ("run", "jump twice", "walk")]
    assert task.items.answers == ["I_RUN", "I_JUMP I_JUMP", "I_WALK"]
    assert task.items.parts == ["test", "train", "train"]
    file = tmp_path / "simple_split" / "tasks_train_simple.txt"
    file.write_text(f"{sound}IN: walk I_WALK\n")
    with pytest.raises(DataError, match=r"tasks_train_simple.txt, line 4: 'IN: walk I_WALK' is not of the form IN:"):
        load_task(TaskSection(name="scan", path=file))
    with pytest.raises(DataError, match="there is no such file"):
        load_task(TaskSection(name="scan", path=tmp_path / "absent.txt"))


def test_another_metric_and_template_for_a_known_task(path):
    path.write_text("\n".join(json.dumps({"question": f"q{i}", "answer": f"a\n#### {i}"}) for i in range(3)))
    task = load_task(TaskSection(name="gsm8k", path=path, metric="token_f1", template="Q: {text} A:"))
    assert (task.metric, task.items.prompts[0]) == ("token_f1", "Q: q0 A:")
    with pytest.raises(DataError, match="item `train-1`: slu_f1 needs gold such as"):
        load_task(TaskSection(name="gsm8k", path=path, metric="slu_f1"))


def test_the_order_of_rows_decides_nothing_but_the_order(path):
    rows = [{**row, "n": f"n{i}"} for i, row in enumerate(slots(20))]
    shuffled = [rows[i] for i in np.random.default_rng(SEEDS[0]).permutation(20)]
    tasks = [own(path, order, {"id": "n"}, metric="slu_f1", template="{types} {text}") for order in (rows, shuffled)]
    one, other = (
        dict(zip(task.items.ids, zip(task.items.prompts, task.items.answers, strict=True), strict=True))
        for task in tasks
    )
    assert one == other
