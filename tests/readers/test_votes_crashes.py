"""What used to end the process, hang it or raise a traceback: one sentence each, in little time."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.task import TaskSection
from outgrow.config.votes import VoteColumns
from outgrow.data.data_identity import data_identity
from outgrow.data.load_task import load_task
from outgrow.errors import ConfigError, DataError
from outgrow.readers.json_files import DEEPEST, depth_of
from outgrow.readers.open_table import read_columns, read_table
from outgrow.readers.read_texts import read_texts
from outgrow.readers.read_votes import read_votes

ROW = '{"item": 1, "worker": "a", "label": "x"}\n'


def depth_by_hand(value):
    """The definition."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inside is None else 1 + max(map(depth_by_hand, inside), default=0)


@pytest.mark.parametrize("seed", SEEDS)
def test_depth_is_that_of_the_parsed_value(seed):
    draw = np.random.default_rng(seed)
    texts = ['"', "\\", '\\"', "[[{", "]}", "ü", 'a\\\\"[']

    def value(depth):
        kind = draw.integers(4) if depth < 12 else 3
        if kind < 2:
            return [value(depth + 1) for _ in range(draw.integers(3))]
        if kind == 2:
            return {texts[draw.integers(7)] * n: value(depth + 1) for n in range(draw.integers(3))}
        return "".join(texts[at] for at in draw.integers(7, size=4))

    for _ in range(100):
        made = [value(0)]
        assert depth_of(json.dumps(made).encode()) == depth_by_hand(made)


def nested(depth, opening="[", closing="]"):
    return opening * depth + "1" * (opening != "[") + closing * depth


DEEP = {
    "v.jsonl": lambda cell: ROW + ROW.replace('"x"', cell),
    "v.json": lambda cell: f"[{ROW}, {ROW.replace(json.dumps('x'), cell)}]",
    "v.csv": lambda cell: 'item,worker,probs\n1,a,"[0.5,0.5]"\n2,a,"' + cell.replace('"', '""') + '"\n',
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 20_000])
@pytest.mark.parametrize("marks", [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_with_its_place(tmp_path, kind, depth, marks):
    path = tmp_path / kind
    path.write_text(DEEP[kind](nested(depth, *marks)))
    where = "" if kind == "v.json" else ", line 2" if kind == "v.jsonl" else ", line 3"
    with pytest.raises(DataError, match=rf"{kind}{where}: cannot be read: lists and objects are nested"):
        read_votes(path)
    if kind != "v.csv":
        with pytest.raises(DataError, match="nested more than 100 deep"):
            read_table(path)


@pytest.mark.parametrize("content", ["null", "null\n" + ROW, ROW + "null\n", "[null]", "true", '"x"', "[[1]]", "NaN"])
@pytest.mark.parametrize("name", ["v.jsonl", "v.json"])
def test_null_and_the_like_are_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    for read in (read_votes, read_texts, read_table):
        with pytest.raises(DataError, match=name):
            read(path)


@pytest.mark.parametrize("part", ["item", "worker", "label"])
@pytest.mark.parametrize("name", ["v.jsonl", "v.json"])
def test_half_a_character_is_refused_where_it_is_used(tmp_path, name, part):
    rows = [{"item": i, "worker": f"w{i % 2}", "label": "xy"[i % 3 > 0], "note": "\ud800"} for i in range(6)]
    path = tmp_path / name
    path.write_text(json.dumps(rows) if name == "v.json" else "\n".join(map(json.dumps, rows)))
    assert read_votes(path).n_votes == 6
    rows[3][part] = "a\ud800"
    path.write_text(json.dumps(rows) if name == "v.json" else "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=rf"{name}, (line|row) 4: `{part}` contains half a character"):
        read_votes(path)
    rows[3] = {"\ud800": 1}
    path.write_text(json.dumps(rows) if name == "v.json" else "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match=rf"{name}, (line|row) 4: the key .* contains half a character"):
        read_votes(path)


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_blank_ids_of_exports_are_told(tmp_path, blank):
    def task(name, who, label):
        chosen = {"from_name": "q", "type": "choices", "value": {"choices": [label]}}
        return {"id": name, "annotations": [{"completed_by": who, "result": [chosen]}]}

    tasks = [task("t", "u", "a"), task(blank, "u", "b")]
    records = [
        {"id": name, "fields": {}, "responses": {"q": [{"value": "a", "user_id": "u"}]}} for name in ("t", blank)
    ]
    for name, content in (("tasks.json", tasks), ("records.json", records)):
        (tmp_path / name).write_text(json.dumps(content))
        with pytest.raises(DataError, match=rf"{name}, .*: the item is empty"):
            read_votes(tmp_path / name)
    tasks[1] = task("s", blank, "b")
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(DataError, match=r"a vote without a source|has no annotator"):
        read_votes(tmp_path / "tasks.json")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes in folders")
def test_pipes_and_devices_are_no_files(tmp_path):
    pipe = tmp_path / "v.csv"
    os.mkfifo(pipe)
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "good.csv").write_text("item,worker,label\n1,a,x\n1,b,y\n")
    for path in (pipe, tmp_path / "zero.csv"):
        section = TaskSection(name="mine", path=path)
        ways = (
            lambda path=path: read_votes(path),
            lambda path=path: read_votes(tmp_path / "good.csv", gold=path),
            lambda path=path: read_texts(path),
            lambda path=path: read_table(path),
            lambda path=path: read_columns(path),
            lambda section=section: data_identity(section),
            lambda section=section: load_task(section),
        )
        for way in ways:
            with pytest.raises(DataError, match=r"is a pipe or a device"):
                way()


@pytest.mark.parametrize("name", ["a" * 256 + ".csv", "a\0b.csv", "a\ud800.csv", "x/" * 3000 + "v.csv"])
def test_names_that_no_file_can_have_are_told(tmp_path, name):
    for read in (read_votes, read_texts, read_table, read_columns):
        with pytest.raises(DataError, match=r"cannot be read|there is no"):
            read(tmp_path / name)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_file_names_need_not_be_text(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.csv"))
    path.write_text("item,worker,label\n1,a,x\n1,b,y\n")
    table = read_votes(path)
    assert "\N{REPLACEMENT CHARACTER}.csv was read as" in table.notes[0]
    "".join(table.notes).encode()
    path.write_text("item,worker,label\n1,a,x\n1,a,y\n")
    with pytest.raises(DataError, match="\N{REPLACEMENT CHARACTER}\\.csv, line 3"):
        read_votes(path)


WIDE = {"id": "columns would be sources", "text,label": "no column is known to be the source", "item,source,label": ""}


@pytest.mark.parametrize("head", WIDE)
def test_a_hundred_thousand_columns_take_seconds(tmp_path, head):
    n, path = 100_000, tmp_path / "v.csv"
    rows = [[f"{head},{','.join(f'c{at}' for at in range(n))}"]]
    rows += [[letter for _ in head.split(",")] + ["x", "y"] * (n // 2) for letter in "ab"]
    path.write_text("\n".join(map(",".join, rows)))
    if WIDE[head]:
        with pytest.raises(ConfigError, match=WIDE[head]):
            read_votes(path)
    else:
        assert read_votes(path).n_votes == 2
    with pytest.raises(ConfigError, match="there is no column `nonsense`"):
        read_votes(path, columns=VoteColumns(item="nonsense"))
