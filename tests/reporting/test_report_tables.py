"""The tables' layout, and that no name can break out of any format."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from outgrow.metrics.estimate import Estimate, undefined
from outgrow.render.table import Column, Line, Table
from outgrow.render.table_html import table_html
from outgrow.reporting.collect import collect
from outgrow.reporting.results import Results
from outgrow.reporting.topics import make_tables

HOSTILE = [
    "<script>alert(1)</script>",
    '" onload="alert(1)',
    "a | b | c",
    "two\nlines",
    "`code` *star* [link](http://x) _under_ #5 $x$ ~s~",
    r"\input{/etc/passwd} 100% & #1_2 {x} ^~ \end{tabular}",
    "=HYPERLINK(0)",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
]


def hostile() -> Table:
    lines = [Line((text, text, Estimate(0.5, 0.4, 0.6, 10, 1, text)), section=text, ranked=True) for text in HOSTILE]
    columns = (Column("name", HOSTILE[0]), Column("text", HOSTILE[5], HOSTILE[2]), Column("number", "n", best="high"))
    return Table("hostile", HOSTILE[0], HOSTILE[5], columns, tuple(lines), 1)


class Seen(HTMLParser):
    """Tags and attribute names of a markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_holds_no_tag_of_a_name() -> None:
    seen = Seen(table_html(hostile()))
    assert "script" not in seen.tags
    assert seen.attributes <= {
        "class",
        "data-title",
        "tabindex",
        "role",
        "aria-label",
        "id",
        "scope",
        "colspan",
        "title",
    }
    assert all(text.strip() in seen.text for text in HOSTILE)


def test_markdown_rows_keep_their_columns() -> None:
    rows = [line for line in hostile().to_markdown().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4}
    text = hostile().to_markdown()
    assert "<script>" not in text
    assert r"\`code\` \*star\*" in text


def test_csv_starts_no_formula_and_keeps_the_text() -> None:
    rows = list(csv.DictReader(io.StringIO(hostile().to_csv())))
    assert [row["name"].removeprefix("'") for row in rows] == HOSTILE
    assert not any(cell.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t") for row in rows for cell in row.values())
    assert rows[0]["number"] == "0.5"
    assert rows[0]["number_low"] == "0.4"


def test_latex_escapes_every_command() -> None:
    text = hostile().to_latex()
    assert r"\textbackslash{}input\{/etc/passwd\} 100\% \& \#1\_2 \{x\} \textasciicircum{}\textasciitilde{}" in text
    assert text.count(r"\end{tabular}") == 1
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    body = text.split(r"\midrule", 1)[1]
    rows = [row for row in body.splitlines() if row.endswith(r"\\") and "multicol" not in row]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {2}


def test_json_and_pandas_hold_the_numbers() -> None:
    table = hostile()
    record = json.loads(table.to_json())["rows"][0]
    assert record["name"] == HOSTILE[0]
    assert (record["number"], record["number_low"], record["number_n"]) == (0.5, 0.4, 10)
    assert list(table.to_pandas()["text"]) == HOSTILE


def test_undefined_is_a_word_with_a_numbered_reason() -> None:
    lines = (Line(("a", undefined("no gap"))), Line(("b", Estimate(-0.1, -0.2, 0.1, 5, 2))))
    table = Table("t", "T", "", (Column("name", ""), Column("x", "x", signed=True)), lines, seeds=3)
    assert table.notes == ("no gap", "2 of 3 seeds")
    assert "undefined (1)" in table.to_markdown()
    assert "1. no gap" in table.to_markdown()
    assert "undefined<sup>1</sup>" in table_html(table)
    assert r"undefined$^{1}$" in table.to_latex()
    assert r"$-$0.100$^{2}$" in table.to_latex()
    assert table.records()[0] == {
        "name": "a", "x": None, "x_low": None, "x_high": None, "x_n": 0, "x_seeds": 0, "x_note": "no gap"
    }  # fmt: skip


def test_best_of_the_ranked_lines_is_bold() -> None:
    values = [("reference", 0.9, False), ("a", 0.5, True), ("b", 0.7, True)]
    lines = tuple(Line((name, Estimate(value, None, None, 5, 1)), ranked=ranked) for name, value, ranked in values)
    text = Table("t", "T", "", (Column("name", ""), Column("x", "x", best="high")), lines).to_markdown()
    assert "**0.700**" in text
    assert text.count("**") == 2


def test_a_text_in_a_column_of_numbers_is_a_note_beside_them() -> None:
    lines = (Line(("a", "not told")), Line(("b", Estimate(0.5, None, None, 5, 1))))
    table = Table("t", "T", "", (Column("name", ""), Column("x", "x")), lines)
    assert [(one["x"], one["x_note"]) for one in table.records()] == [(None, "not told"), (0.5, "")]
    assert "| a | not told |" in table.to_markdown()
    assert '<td data-title="x">not told</td>' in table_html(table)


def test_a_table_of_one_seed_says_in_every_format_what_intervals_cover() -> None:
    lines = (Line(("a", Estimate(0.5, 0.4, 0.6, 10, 1))), Line(("b", Estimate(0.7, None, None, 10, 1, "few"))))
    table = Table("t", "T", "About.", (Column("name", ""), Column("x", "x")), lines, seeds=1)
    said = "one seed: the interval covers items only"
    texts = [*table.files().values(), table_html(table)]
    assert all(said in text.lower() for text in texts)
    assert [one["x_note"] for one in table.records()] == [said, "few"]
    assert table.notes == ("few",)
    several = replace(table, seeds=3)
    assert several.about_seeds == ""
    assert several.notes == (f"1 of 3 seeds; {said}", "few; 1 of 3 seeds")
    plain = replace(table, seeds=0)
    assert not any(said in text.lower() for text in [*plain.files().values(), table_html(plain)])


def test_the_main_table_of_one_seed_says_so(simulate_small: Callable[..., Any], tmp_path: Path) -> None:
    world = simulate_small(tmp_path, seeds=[0])
    tables = make_tables(collect(world.study, world.store, world.outcomes))
    assert next(table for table in tables if table.name == "main").about_seeds


def test_gold_is_the_yardstick_of_those_that_learn_it(results: Results) -> None:
    table = next(table for table in make_tables(results) if table.name == "chosen")
    by = {line.cells[0]: line.cells[-1] for line in table.lines}
    assert by["words"] == by["ceiling"] == by["ceiling, two views"] == "accuracy by gold"
    assert by["naive"] == by["single: words"] == "accuracy by weak labels"
    oracle = tuple(
        replace(one, select_by="gold_accuracy", oracle=one.row == "vote") for one in results.topics["chosen"].settings
    )
    choices = replace(results.topics["chosen"], settings=oracle)
    changed = replace(results, topics={**results.topics, "chosen": choices})
    table = next(table for table in make_tables(changed) if table.name == "chosen")
    assert {line.cells[0]: line.cells[-1] for line in table.lines}["vote"] == "accuracy by gold (oracle selection)"


def test_differences_say_to_which_naive(results: Results) -> None:
    table = next(table for table in make_tables(results) if table.name == "differences")
    assert "in the row's own variant and in the plain one" in table.caption


def test_a_failed_row_says_why(simulate_small: Callable[..., Any], tmp_path: Path) -> None:
    world = simulate_small(tmp_path, skip_row="bayesian", seeds=[0])
    tables = {table.name: table for table in make_tables(collect(world.study, world.store, world.outcomes))}
    reason = "no result: out of memory <&> on the first batch"
    line = next(line for line in tables["main"].lines if line.cells[0] == "bayesian")
    assert [cell.note for cell in line.cells if isinstance(cell, Estimate)] == [reason, reason]
    assert next(line for line in tables["per_seed"].lines if line.cells[0] == "bayesian").cells[1].note == reason
    assert reason in tables["main"].notes


def test_a_failed_seed_has_its_own_reason(results: Results) -> None:
    row = results.named("vote")
    assert [one.note for one in row.per_seed] == ["", "", "no result: out of memory <&> on the first batch"]
    assert row.score.note == ""


def test_main_table_is_laid_out_like_paper_one(results: Results) -> None:
    table = make_tables(results)[0]
    assert table.name == "main"
    assert [title for title, _ in table.groups()] == [
        "", "without self-training", "with self-training", "+ marginal matching", "two views"
    ]  # fmt: skip
    assert [section for section, _ in table.sections()] == [
        "Student trained on gold (ceiling)",
        "Supervisors (floor)",
        "All supervisors (weaks-to-strong)",
        "Controls: the student learns half A's gold itself",
        "One supervisor (weak-to-strong)",
    ]
    naive = next(line for line in table.lines if line.cells[0] == "naive")
    assert naive.cells[1:3] == ("none", results.named("naive").score)
    assert naive.cells[5] == results.named("naive + self-training").pgr
    gold = {line.cells[0]: line.cells[1] for line in table.lines}
    assert (gold["ceiling"], gold["gold_a"], gold["words"]) == ("B", "A", "A")


def test_every_table_goes_into_every_format(results: Results) -> None:
    tables = make_tables(results)
    assert len({table.name for table in tables}) == len(tables)
    for table in tables:
        assert all(len(line.cells) == len(table.columns) for line in table.lines)
        assert table.to_markdown().count("\n|") >= len(table.lines) + 1
        assert len(list(csv.DictReader(io.StringIO(table.to_csv())))) == len(table.lines)
        assert len(json.loads(table.to_json())["rows"]) == len(table.lines)
        assert r"\end{table}" in table.to_latex()
        assert len(table.to_pandas()) == len(table.lines)


@pytest.mark.parametrize("name", ["differences", "supervisors", "calibration", "error_copying"])
def test_every_number_has_an_interval_n_and_seeds(results: Results, name: str) -> None:
    table = next(table for table in make_tables(results) if table.name == name)
    estimates = [cell for line in table.lines for cell in line.cells if isinstance(cell, Estimate)]
    assert estimates
    assert all(one.low is not None and one.n > 0 and one.seeds > 0 for one in estimates if one.defined)
