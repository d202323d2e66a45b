"""The folder of a report: read again as it was, made again only when something is new, and no good one lost."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from simulated_mixture import simulate_mixture
from simulated_selections import simulate_selections

from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, DataError
from outgrow.graph.event import StepOutcome
from outgrow.reporting.collect import read_results, write_report
from outgrow.reporting.publish import made_of, publish
from outgrow.reporting.report_folder import (
    MANIFEST,
    beside,
    holds_finished,
    is_current,
    read_manifest,
    refuse_place,
    refuse_to_replace,
    settings_that_differ,
    write_folder,
)
from outgrow.reporting.results import Results

Small = Callable[..., Any]


def test_results_of_votes_and_texts_are_read_again_as_they_were(
    results: Results, report_folder: Path, text_results: Results, text_report_folder: Path
) -> None:
    assert read_results(report_folder) == results
    assert read_results(text_report_folder) == text_results


@pytest.mark.parametrize("make", [simulate_mixture, simulate_selections])
def test_results_of_capabilities_and_selections_are_read_again_as_they_were(
    make: Callable[[Path, int], Any], tmp_path: Path
) -> None:
    world = make(tmp_path / "store", SEEDS[0] % 1000)
    found = write_report(world.study, world.store, world.outcomes, tmp_path / "out")
    again = read_results(tmp_path / "out")
    assert again == found
    assert repr(again) == repr(found), "also the types of numbers and containers"


# ---- nothing new, nothing written ---------------------------------------------------------------------------


def stamps(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def finished(world: Any) -> dict[str, StepOutcome]:
    return {step.identity: StepOutcome("done") for step in world.study.steps}


def test_a_report_with_nothing_new_is_not_written_again(simulate_small: Small, tmp_path: Path) -> None:
    world, out = simulate_small(tmp_path / "store"), tmp_path / "out"
    first = publish(world.study, world.store, finished(world), out)
    before = stamps(out)
    cached = {identity: StepOutcome("cached", seconds=7.0) for identity in finished(world)}
    again = publish(world.study, world.store, cached, out)
    assert stamps(out) == before
    assert again.results() == first.results()
    assert (again.folder, again.notes) == (out, ())


def alter(path: Path) -> None:
    path.write_text(path.read_text() + "x")


@pytest.mark.parametrize("name", ["tables/main.md", "report.html", "results.json", MANIFEST])
@pytest.mark.parametrize("damage", [alter, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_file_that_is_not_as_it_was_written_is_written_again(
    simulate_small: Small, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    world, out = simulate_small(tmp_path / "store"), tmp_path / "out"
    publish(world.study, world.store, finished(world), out)
    before = (out / name).read_bytes()
    damage(out / name)
    publish(world.study, world.store, finished(world), out)
    assert (out / name).read_bytes() == before


def test_a_report_is_made_of_settings_results_and_reasons(simulate_small: Small, tmp_path: Path) -> None:
    world, outcomes = simulate_small(tmp_path / "store"), {}
    of = made_of(world.study, world.store, outcomes)
    assert of == made_of(world.study, world.store, finished(world)), "whether it was run now does not matter"
    last = world.study.rows[-1].steps[0]
    record = world.store.path(last) / "done.json"
    told = json.loads(record.read_text())
    record.write_text(json.dumps({**told, "seconds": told["seconds"] + 1}))
    other = made_of(world.study, world.store, outcomes)
    record.unlink()
    gone = made_of(world.study, world.store, outcomes)
    why = made_of(world.study, world.store, {last.identity: StepOutcome("failed", error="no memory")})
    study = replace(world.study, experiment=world.study.experiment.model_copy(update={"bootstrap": 101}))
    changed = made_of(study, world.store, outcomes)
    assert len({of, other, gone, why, changed}) == 5


# ---- nothing good is lost -----------------------------------------------------------------------------------


def test_a_report_that_lacks_results_goes_beside_a_finished_one_and_goes_away(
    simulate_small: Small, tmp_path: Path
) -> None:
    world, out = simulate_small(tmp_path / "store"), tmp_path / "out"
    publish(world.study, world.store, finished(world), out)
    before = stamps(out)
    lost = world.study.rows[-1].steps[0]
    shutil.move(world.store.path(lost), tmp_path / "aside")
    outcomes = {**finished(world), lost.identity: StepOutcome("failed", error="no memory")}
    made = publish(world.study, world.store, outcomes, out)
    assert stamps(out) == before
    assert made.folder == beside(out) == tmp_path / "out.incomplete"
    assert "keeps its finished report" in made.notes[0]
    assert [one.reason for one in read_results(made.folder).missing] == ["no memory"]
    assert not holds_finished(made.folder)

    shutil.move(tmp_path / "aside", world.store.path(lost))
    (made.folder / "tables" / "main.md").write_text("changed")
    assert publish(world.study, world.store, finished(world), out).folder == out
    assert stamps(out) == before, "it was the same report all the time"


def test_what_others_put_into_a_folder_is_never_removed(simulate_small: Small, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one = simulate_small(tmp_path / "one", skip_row="naive")
    publish(one.study, one.store, one.outcomes, out)
    assert not holds_finished(out)
    assert (out / "tables" / "missing.md").exists()
    (out / "tables" / "mine.md").write_text("somebody's own")
    two = simulate_small(tmp_path / "two")
    publish(two.study, two.store, finished(two), out)
    assert holds_finished(out)
    assert not (out / "tables" / "missing.md").exists()
    assert (out / "tables" / "mine.md").read_text() == "somebody's own"


def test_a_manifest_that_names_files_elsewhere_removes_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    write_folder(out := tmp_path / "out", {"a": "1"}, {"x": 1})
    told = json.loads((out / MANIFEST).read_text())
    names = {"../mine": "", str(tmp_path / "mine"): "", "\0": "", **told["files"]}
    (out / MANIFEST).write_text(json.dumps({**told, "files": names}))
    write_folder(out, {"b": "2"}, {"x": 1})
    assert (tmp_path / "mine").read_text() == "mine"
    assert sorted(path.name for path in out.iterdir()) == ["b", MANIFEST]


def test_who_would_replace_a_finished_report_is_told_what_differs(tmp_path: Path) -> None:
    refuse_to_replace(tmp_path, {"seeds": [0]})
    write_folder(tmp_path, {"report.html": ""}, {"seeds": [0], "threads": 1, "older": 1}, complete=False)
    refuse_to_replace(tmp_path, {"seeds": [1]})
    write_folder(tmp_path, {"report.html": ""}, {"seeds": [0], "threads": 1, "older": 1})
    refuse_to_replace(tmp_path, {"seeds": [0], "threads": 2, "newer": 3})
    with pytest.raises(
        ConfigError, match=r"the finished report of other settings \(`seeds`\): keep both with another"
    ):
        refuse_to_replace(tmp_path, {"seeds": [1]})
    assert settings_that_differ(tmp_path, {"simulation": "x"}) == ["simulation"]


def test_a_page_that_is_nobodys_report_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(ConfigError, match=r"report\.html without settings"):
        refuse_to_replace(tmp_path, {"seeds": [1]})


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", '{"made_of": 1}', "[" * 100_000, '{"files": {}, "settings": [], "made_of": ""}']
)
def test_a_damaged_manifest_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    assert read_manifest(tmp_path) is None
    assert not is_current(tmp_path, "")


@pytest.mark.parametrize("name", ["x" * 256, "x" * 250, "a\0b", "/dev/null/x", "d/" * 2040])
def test_a_place_where_nothing_can_be_written_is_told_before(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="output: "):
        refuse_place(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_beside_the_folder_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert beside(Path("runs/x")) == Path("runs/x.incomplete")
    assert beside(Path()) == tmp_path / "inner.incomplete"
    assert beside(Path("..")) == tmp_path.with_name(f"{tmp_path.name}.incomplete")
