"""Rules as sources: what they say, whatever they do wrong, and however many processes they run in."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, DataError
from outgrow.supervise.rules_step import apply_rules
from outgrow.vote_table import VoteTable

CLASSES = ["ham", "spam", "eggs"]
LETTERS = list("ab /:.")
FUNCTIONS = """
import os, sys, time
import numpy as np

def by_name(row): return {"0": "ham", "1": "spam"}.get(row["item"])
def by_number(row): return int(row["item"]) % 3
def by_numpy(row): return np.int64(int(row["item"]) % 3)
def soft(row): return {"spam": 0.25, "eggs": 0.75} if row["item"] < "5" else None
def whole_row(row): return row["extra"]
def loud(row):
    print("to standard output"); sys.stdin.read(); return "ham"
def typo(row): return "spm" if row["item"] in "37" else "ham"
def truth(row): return row["item"] == "3"
def beyond(row): return 3
def fraction(row): return 1.0
def lopsided(row): return {"ham": 0.6, "spam": 0.6}
def nan(row): return {"ham": float("nan")}
def divides(row): return 1 // (int(row["item"]) % 4)
def leaves(row): raise SystemExit("bye")
def crashes(row): os._exit(7) if row["item"] == "4" else None
def endless(row):
    while row["item"] == "2":
        try: pass
        except BaseException: pass
    return "ham"
def sleeps(row):
    if row["item"] == "2": time.sleep(60)
def always_crashes(row): os._exit(7)
not_callable = 3
"""


@pytest.fixture
def functions(tmp_path: Path) -> str:
    (tmp_path / "my_rules.py").write_text(FUNCTIONS)
    return str(tmp_path / "my_rules.py")


def rules(**each: dict[str, Any]) -> dict[str, Any]:
    return {"classes": CLASSES, "rules": each}


def rows(n: int = 8) -> list[dict[str, Any]]:
    return [{"item": str(number), "text": f"text {number}", "extra": CLASSES[number % 3]} for number in range(n)]


def votes_of(table: VoteTable, source: str) -> list[int]:
    """Each item's vote of one source, -1 = none."""
    found = np.full(len(table.items), -1)
    mine = table.source == table.sources.index(source)
    found[table.item[mine]] = table.label[mine]
    return found.tolist()


# ---- what they say ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_patterns_vote_where_they_are_found(seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(LETTERS, rng.integers(0, 12))).replace("b", "B") for _ in range(60)]
    items = [{"item": f"i{number}", "text": text} for number, text in enumerate(texts)]
    patterns = {"one": r"a+B", "two": r"^[ab]", "three": r"[:/]{2}"}
    file = rules(**{
        name: {"regex": pattern, "says": CLASSES[number], "ignore_case": number == 1}
        for number, (name, pattern) in enumerate(patterns.items())
    })  # fmt: skip
    table, errors = apply_rules(file, items)
    assert not errors
    assert (table.items, table.sources, table.classes) == (
        [one["item"] for one in items],
        tuple(patterns),
        (*CLASSES,),
    )
    for number, (name, pattern) in enumerate(patterns.items()):
        found = [re.search(pattern, text, re.IGNORECASE if number == 1 else 0) for text in texts]
        assert votes_of(table, name) == [-1 if one is None else number for one in found]
    assert np.all(np.diff(table.item * 3 + table.source) > 0), "by item, then by rule"


def test_functions_may_return_names_numbers_or_nothing(functions: str) -> None:
    names = ["by_name", "by_number", "by_numpy", "whole_row"]
    table, errors = apply_rules(rules(**{name: {"function": f"{functions}:{name}"} for name in names}), rows())
    assert not errors
    assert table.probs is None
    assert votes_of(table, "by_name") == [0, 1, *[-1] * 6]
    for name in names[1:]:
        assert votes_of(table, name) == [number % 3 for number in range(8)]


def test_functions_may_return_probabilities(functions: str) -> None:
    file = rules(soft={"function": f"{functions}:soft"}, hard={"regex": "7", "says": "ham"})
    table, _ = apply_rules(file, rows())
    assert table.probs is not None
    assert table.probs.tolist() == [[0.0, 0.25, 0.75]] * 5 + [[1.0, 0.0, 0.0]]
    assert table.label.tolist() == [2] * 5 + [0]


def test_what_functions_print_and_read_is_theirs(functions: str) -> None:
    table, errors = apply_rules(rules(loud={"function": f"{functions}:loud"}), rows())
    assert not errors
    assert votes_of(table, "loud") == [0] * 8


def test_files_tables_and_lists_are_read_alike(tmp_path: Path, functions: str) -> None:
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    pq.write_table(pa.Table.from_pylist(rows()), tmp_path / "items.parquet")
    tree = rules(a={"regex": "3|5", "says": "spam"}, b={"function": "my_rules.py:by_number"})
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(tree))
    sources = [tmp_path / "items.jsonl", str(tmp_path / "items.parquet"), pa.Table.from_pylist(rows()), rows()]
    tables = [apply_rules(tmp_path / "rules.yaml", source)[0] for source in sources]
    assert votes_of(tables[0], "a") == [1 if number in (3, 5) else -1 for number in range(8)]
    for table in tables[1:]:
        assert table.items == tables[0].items
        np.testing.assert_array_equal(table.dense(), tables[0].dense())


def test_items_without_a_name_are_counted_from_zero() -> None:
    file = rules(a={"regex": "2", "says": "ham"}) | {"text": "body"}
    table, _ = apply_rules(file, [{"body": "1"}, {"body": "2"}])
    assert table.items == ["0", "1"]
    assert table.item.tolist() == [1]
    assert any("row number" in note for note in table.notes)
    named, _ = apply_rules(file | {"item": "who"}, [{"body": "1", "who": 7.0}, {"body": "2", "who": "x"}])
    assert named.items == ["7", "x"]


def test_a_rule_that_never_fires_is_told() -> None:
    table, errors = apply_rules(rules(never={"regex": "zzz", "says": "ham"}), rows())
    assert not errors
    assert table.notes[-1] == "Rule `never` says nothing of any item."


# ---- what must not matter --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_neither_the_order_of_items_nor_the_number_of_processes_matters(seed: int, functions: str) -> None:
    names = ["by_number", "divides", "crashes", "typo"]
    file = rules(**{name: {"function": f"{functions}:{name}"} for name in names})
    order = np.random.default_rng(seed).permutation(40).tolist()
    first, told = apply_rules(file, rows(40))
    again, told_again = apply_rules(file, [rows(40)[number] for number in order], jobs=3)
    back = np.argsort(order)
    np.testing.assert_array_equal(again.dense()[back], first.dense())
    assert sorted((one.rule, one.error, one.n_items) for one in told) == sorted(
        (one.rule, one.error, one.n_items) for one in told_again
    )
    assert first.notes == apply_rules(file, rows(40), jobs=2)[0].notes


# ---- what goes wrong on an item --------------------------------------------------------------------------


def test_errors_are_told_by_rule_and_kind_and_end_nothing(functions: str) -> None:
    names = ["typo", "divides", "crashes", "by_number"]
    table, errors = apply_rules(rules(**{name: {"function": f"{functions}:{name}"} for name in names}), rows(30))
    assert [(one.rule, one.error, one.n_items, one.items) for one in errors] == [
        ("typo", "bad answer", 2, ("3", "7")),
        ("divides", "ZeroDivisionError", 8, ("0", "4", "8", "12", "16")),
        ("crashes", "died", 1, ("4",)),
    ]
    assert errors[0].message == "returned 'spm', which is no class; known: ham, spam, eggs"
    assert "with code 7" in errors[2].message
    assert "Rule `divides` fails on 8 items (0, 4, 8, 12, 16, …): ZeroDivisionError: " in table.notes[2]
    assert votes_of(table, "typo") == [-1 if number in (3, 7) else 0 for number in range(30)]
    assert votes_of(table, "by_number") == [number % 3 for number in range(30)]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("truth", "bad answer: returned False; return a class, its number from 0 to 2, or None"),
        ("beyond", "returned 3; return"),
        ("fraction", "returned 1.0; return"),
        ("lopsided", "probabilities are at least 0 and sum to 1"),
        ("nan", "probabilities are at least 0"),
        ("leaves", "SystemExit: bye"),
    ],
)
def test_a_rule_that_fails_on_every_item_is_an_error(functions: str, name: str, told: str) -> None:
    with pytest.raises(DataError, match=f"rule `it` fails on all 8 items, on `0` with .*{re.escape(told)}"):
        apply_rules(rules(it={"function": f"{functions}:{name}"}), rows())


def test_no_pattern_and_no_function_can_hold_the_others_up(functions: str) -> None:
    items = rows()
    items[1]["text"] = "a" * 60 + "b"
    file = rules(
        pattern={"regex": "^(a+)+$|3", "says": "ham", "limit": 0.2},
        endless={"function": f"{functions}:endless", "limit": 0.2},
        sleeps={"function": f"{functions}:sleeps", "limit": 0.2},
        other={"regex": "text", "says": "spam"},
    )
    table, errors = apply_rules(file, items)
    assert [(one.rule, one.error, one.items) for one in errors] == [
        ("pattern", "too slow", ("1",)), ("endless", "too slow", ("2",)), ("sleeps", "too slow", ("2",)),
    ]  # fmt: skip
    assert errors[0].message == "took more than 0.2 s"
    assert votes_of(table, "pattern") == [-1, -1, -1, 0, *[-1] * 4]
    assert votes_of(table, "endless") == [0, 0, -1, *[0] * 5]
    assert votes_of(table, "other") == [1, -1, *[1] * 6]


def test_a_rule_that_does_nothing_but_crash_is_given_up(functions: str) -> None:
    with pytest.raises(DataError, match=r"rule `it` had to be stopped on 50 items \(ended its process with code 7\)"):
        apply_rules(rules(it={"function": f"{functions}:always_crashes"}), rows(200))


def test_an_interrupt_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        f"import os, pathlib, time\npathlib.Path({str(tmp_path)!r}, f'pid{{os.getpid()}}').touch()\n"
        "def wait(row): time.sleep(50)\n"
    )
    script = (
        "from outgrow.supervise.rules_step import apply_rules\n"
        "items = [{'item': str(n)} for n in range(100)]\n"
        "rule = {'function': 'slow.py:wait', 'limit': 60}\n"
        "apply_rules({'classes': ['a', 'b'], 'rules': {'slow': rule}}, items, jobs=2)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while len(found := list(tmp_path.glob("pid*"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in said
    for path in found:
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name[3:]), 0)


# ---- what cannot be read ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rules": {"a": {"regex": "x", "says": "spm"}}}, r"rules\.a\.says: no class `spm`; did you mean `spam`"),
        ({"rules": {"a": {"regex": "(x", "says": "spam"}}}, r"rules\.a\.regex: `\(x` is not a regular expression"),
        ({"rules": {"a": {"regex": "x", "says": "spam", "cases": 1}}}, r"rules\.a\.cases: unknown key"),
        ({"rules": {"a": {"regex": "x"}}}, r"rules\.a\.says: is required"),
        ({"rules": {"a": {"says": "spam"}}}, r"rules\.a: needs a `type`; known: `regex`, `function`"),
        (
            {"rules": {"a": {"function": "my_rules.is_short"}}},
            r"is not a function's name; write FILE\.py:FUNCTION",
        ),
        ({"rules": {}}, "rules: has 0 entries; give at least 1"),
        ({"classes": ["ham"]}, "classes: has 1 entry; give at least 2"),
        ({"classes": ["ham", "ham"]}, "classes: `ham` is given twice"),
        (
            {"rules": {"a": {"regex": "x", "says": "spam", "limit": 0}}},
            r"rules\.a\.limit: write a number greater than 0 and at most 3600",
        ),
    ],
)
def test_a_file_of_rules_is_complained_about_by_key(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({**rules(a={"regex": "x", "says": "spam"}), **change}))
    with pytest.raises(ConfigError, match=rf"rules\.yaml:\d+: .*{told}|{told}"):
        apply_rules(path, rows())


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([], "there is no item"),
        ([{"item": "1", "body": "x"}], "no column `text` .*known: `item`, `body`"),
        ([{"item": "1", "text": "x"}, {"item": "2", "text": None}], "items, row 2: `text` must be a text, found None"),
        ([{"item": "1", "text": 3}], "row 1: `text` must be a text, found 3"),
        ([{"item": "1", "text": "x"}, {"item": 1, "text": "y"}], "row 2: the item `1` stands already in items, row 1"),
        ([{"item": None, "text": "x"}], "row 1: `item` must name the item, found None"),
    ],
)
def test_items_are_complained_about_by_row(items: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(DataError, match=told):
        apply_rules(rules(a={"regex": "x", "says": "spam"}), items)


@pytest.mark.parametrize(
    ("file", "name", "told"),
    [
        ("import nothing_like_that", "f", "cannot be used: ModuleNotFoundError: No module named"),
        ("def g(row): pass", "f", "cannot be used: LookupError: there is no function `f` in it"),
        ("f = 3", "f", "there is no function `f`"),
        ("def f(row:", "f", "cannot be used: SyntaxError"),
        ("import os; os._exit(4)", "f", "to load .* ends with code 4"),
    ],
)
def test_a_function_that_cannot_be_loaded_is_an_error(tmp_path: Path, file: str, name: str, told: str) -> None:
    (tmp_path / "mine.py").write_text(file)
    with pytest.raises(DataError, match=f"rule `it`: .*{told}"):
        apply_rules(rules(it={"function": f"{tmp_path}/mine.py:{name}"}), rows())


def test_a_missing_file_of_functions_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mine\.py: there is no such file"):
        apply_rules(rules(it={"function": f"{tmp_path}/mine.py:f"}), rows())
    with pytest.raises(ConfigError, match="jobs is 0"):
        apply_rules(rules(it={"regex": "x", "says": "ham"}), rows(), jobs=0)
