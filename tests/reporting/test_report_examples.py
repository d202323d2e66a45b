"""The examples: every group holds what its heading says, whatever the texts contain."""

import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from simulated_texts import SimulatedTexts, commit, simulate_small_texts

from outgrow.metrics.slu_f1 import parse_slots
from outgrow.reporting.collect import write_report
from outgrow.reporting.examples import (
    RANDOM,
    SHOWN,
    ExampleGroup,
    ExampleText,
    ItemExample,
    ItemExamples,
    find_examples,
    make_examples_page,
)
from outgrow.reporting.results import Results
from outgrow.texts import TextTargets, WeakTexts, certain


@pytest.fixture(scope="module")
def examples(simulated_texts: SimulatedTexts, text_results: Results) -> ItemExamples:
    found = find_examples(simulated_texts.study, simulated_texts.store, text_results)
    assert found is not None
    return found


def text_of(said: ExampleText) -> str | None:
    return None if said.shades is None else "".join(one.text for one in said.shades.stretches)


def right(said: ExampleText, gold: str) -> bool:
    """The same slots up to their order and case."""
    slots = [sorted(map(str, parse_slots(text.lower()) or [])) for text in (text_of(said) or "", gold)]
    return slots[0] == slots[1]


def of_kind(example: ItemExample, kind: str) -> list[ExampleText]:
    return [one for one in example.texts if one.kind == kind]


def named(groups: tuple[ExampleGroup, ...], word: str) -> ExampleGroup:
    return next(group for group in groups if word in group.title)


def test_every_text_is_the_stored_one(
    simulated_texts: SimulatedTexts, text_results: Results, examples: ItemExamples
) -> None:
    study, store = simulated_texts.study, simulated_texts.store
    rows = {row.name: row for row in study.rows}
    task = simulated_texts.task.items
    assert examples.seed == 0
    for example in named(examples.test, RANDOM).examples:
        assert [one.source for one in example.texts] == ["gpt", "opt", "pythia", examples.student, "ceiling"]
        assert example.prompt == task.prompts[task.ids.index(example.item)]
        for said in example.texts:
            table = WeakTexts.load(store.path(rows[said.source].steps[0]) / "test.parquet")
            assert text_of(said) == table.texts[table.items.index(example.item)][0]
            assert said.right == right(said, example.gold)
    for example in named(examples.labels, RANDOM).examples:
        table = WeakTexts.load(store.path(study.labels[0]) / "half_b.parquet")
        labels = [text_of(said) for said in of_kind(example, "supervisor")]
        assert labels == table.texts[table.items.index(example.item)]


def test_only_a_method_that_makes_one_text_has_a_target(
    simulated_texts: SimulatedTexts, examples: ItemExamples
) -> None:
    joint = next(row for row in simulated_texts.study.rows if row.name == "joint_decoding").steps[0]
    step = joint.inputs["model"].inputs["targets"]
    made = TextTargets.load(simulated_texts.store.path(step) / "targets.parquet")
    for group in examples.labels:
        for example in group.examples:
            (target,) = of_kind(example, "target")
            assert target.source == "target of joint_decoding"
            texts = dict(zip(made.items, made.texts, strict=True))
            assert text_of(target) == texts.get(example.item)


def test_groups_hold_what_they_say(examples: ItemExamples) -> None:
    assert len(examples.test) == 4
    assert len(examples.labels) == 3
    for example in named(examples.test, "student is right").examples:
        assert all(right(one, example.gold) for one in of_kind(example, "student"))
        assert not any(right(one, example.gold) for one in of_kind(example, "supervisor"))
    for example in named(examples.test, "student is wrong").examples:
        assert not any(right(one, example.gold) for one in of_kind(example, "student"))
        assert any(right(one, example.gold) for one in of_kind(example, "supervisor"))
    for example in named(examples.test, "repeats").examples:
        (student,) = of_kind(example, "student")
        assert not right(student, example.gold)
        assert text_of(student) in [text_of(one) for one in of_kind(example, "supervisor")]
    for example in named(examples.labels, "Some supervisors").examples:
        assert len({right(one, example.gold) for one in of_kind(example, "supervisor")}) == 2
    for example in named(examples.labels, "Every supervisor").examples:
        assert not any(right(one, example.gold) for one in of_kind(example, "supervisor"))
    assert len(named(examples.test, "student is right").examples) > 0


def test_a_row_that_learned_rewritten_labels_is_shown_beside_one_that_did_not(tmp_path: Path) -> None:
    methods = ["naive", "icl", "bayesian", "self_bootstrap"]
    world = simulate_small_texts(tmp_path / "store", methods=methods)
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    scores = {row.name: row.score.value or 0.0 for row in results.of("method")}
    best = results.about.headline  # fixed beforehand, not the highest
    others = ("icl", "self_bootstrap") if best in ("naive", "bayesian") else ("naive", "bayesian")
    found = find_examples(world.study, world.store, results)
    assert found is not None
    assert (found.student, found.beside) == (best, max(others, key=lambda name: scores[name]))
    for example in named(found.test, RANDOM).examples:
        assert [one.source for one in example.texts] == [
            "gpt",
            "opt",
            "pythia",
            found.student,
            found.beside,
            "ceiling",
        ]
    for example in named(found.test, "student is right").examples:
        assert all(right(one, example.gold) for one in of_kind(example, "student"))
    assert f"and beside it {found.beside}" in (tmp_path / "out" / "examples.html").read_text()


def test_without_refiners_one_student_is_shown(examples: ItemExamples) -> None:
    assert examples.beside == ""


def test_probabilities_that_no_server_told_are_not_shown(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store")
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    step = next(row for row in world.study.rows if row.name == "opt").steps[0]
    texts = WeakTexts.load(world.store.path(step) / "test.parquet")
    untold = [[[one._replace(pieces=certain(one.text)) for one in cell] for cell in row] for row in texts.candidates]
    shutil.rmtree(world.store.path(step))
    for folder in commit(world.store, step):
        WeakTexts(texts.items, texts.sources, untold).save(folder / "test.parquet")
    found = find_examples(world.study, world.store, results)
    assert found is not None
    said = [one for group in found.test for example in group.examples for one in example.texts if one.shades]
    assert {one.source for one in said if one.per_piece is None} == {"opt"}
    assert all(0 < (one.per_piece or 0) < 1 for one in said if one.source in ("gpt", "pythia"))
    page = make_examples_page(results.about, found)
    assert "no probabilities" in page
    voice = re.search(r"<dt>opt<.*?</dd>", page, re.DOTALL)
    assert voice is not None
    assert "per piece" not in voice[0]
    assert not re.search(r'class="(end )?p\d', voice[0])


def test_the_first_group_that_has_examples_is_open(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store")
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    found = find_examples(world.study, world.store, results)
    assert found is not None
    empty = replace(found.test[0], examples=(), count=0)
    for groups in (found.test, (empty, *found.test[1:]), (empty,)):
        page = make_examples_page(results.about, replace(found, test=groups, labels=()))
        opened = re.findall(r"<details open>\s*<summary>([^<]*)<", page)
        assert list(map(unescape, opened)) == [group.title for group in groups if group.examples][:1]


def test_groups_are_counted_and_no_item_is_shown_twice(examples: ItemExamples) -> None:
    for groups in (examples.test, examples.labels):
        shown = [example.item for group in groups for example in group.examples]
        assert len(set(shown)) == len(shown)
        for group in groups:
            assert len(group.examples) <= min(SHOWN, group.count) <= group.among
        assert named(groups, RANDOM).count == groups[0].among


def test_page_escapes_every_text(text_report_folder: Path, examples: ItemExamples) -> None:
    page = (text_report_folder / "examples.html").read_text()
    assert "<script" not in page
    assert "<b>&" not in page
    assert "\x00" not in page
    assert "podcast &lt;b&gt;&amp; news" in re.sub("<[^>]*>", "", page)
    assert set(re.findall(r'href="([^"#]+)', page)) == {"data:,", "report.html"}
    assert not re.findall(r"(?:src|action)\s*=|@import|url\(", page)
    assert 'href="examples.html"' in (text_report_folder / "report.html").read_text()
    for example in examples.test[0].examples:
        for said in example.texts:
            spoken = text_of(said)
            printed = unescape(re.sub("<[^>]*>", "", page))
            assert spoken is None or spoken.replace("\x00", "␀") in printed


def test_hostile_prompts_and_ids(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store")
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    found = find_examples(world.study, world.store, results)
    assert found is not None
    hostile = '"><script>alert(1)</script>{{ 7 * 7 }}'
    example = replace(found.test[0].examples[0], item=hostile, prompt=hostile, gold=hostile)
    example = replace(example, texts=tuple(replace(one, source=hostile) for one in example.texts))
    changed = replace(found, test=(replace(found.test[0], examples=(example,)),), student=hostile)
    page = make_examples_page(replace(results.about, name=hostile, task=hostile), changed)
    assert "<script" not in page
    assert "{{ 7 * 7 }}" in page
    assert 'aria-label="Prompt of &#34;&gt;&lt;script' in page


def test_without_a_student_there_are_the_supervisors(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store", skip_row="naive", methods=["naive"])
    results = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    found = find_examples(world.study, world.store, results)
    assert found is not None
    assert found.student == ""
    assert [group.title for group in found.test] == [RANDOM]
    assert len(found.labels) == 3


def test_an_older_page_of_examples_does_not_stay(tmp_path: Path) -> None:
    world = simulate_small_texts(tmp_path / "store", skip_all=True)
    write_report(world.study, world.store, {}, tmp_path / "out")
    assert (tmp_path / "out" / "examples.html").exists()
    for step in world.study.labels:
        folder = world.store.path(step)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    write_report(world.study, world.store, {}, tmp_path / "out")
    assert not (tmp_path / "out" / "examples.html").exists()
    assert 'href="examples.html"' not in (tmp_path / "out" / "report.html").read_text()
