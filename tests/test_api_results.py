"""Results as objects: read back in a fresh process, rows, predictions, students, comparisons."""

import subprocess
import sys
from pathlib import Path

import pytest

import outgrow
import small_study
from outgrow.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def result() -> outgrow.Result:
    folder, ended = small_study.finished()
    assert ended.returncode == 0, ended.stderr
    return outgrow.load(folder / "runs" / "small")


def test_the_folder_and_the_file_give_what_the_run_found(result: outgrow.Result) -> None:
    folder, _ = small_study.finished()
    assert result.complete
    assert result.results == outgrow.load(folder / small_study.FILE).results
    written = (folder / "runs/small/tables/main.tex").read_text()
    assert result.to_latex() == result.table("main").to_latex() == written


def test_loading_writes_nothing(tmp_path: Path) -> None:
    folder = small_study.copy(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert outgrow.load(folder / "runs/small").results.about.name == "small"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


def test_commands_take_the_folder_of_a_report(tmp_path: Path) -> None:
    folder = small_study.copy(tmp_path)
    by_file, by_folder = (small_study.outgrow(folder, "show", name) for name in (small_study.FILE, "runs/small"))
    assert by_folder.stdout == by_file.stdout != ""
    planned = small_study.outgrow(folder, "plan", "runs/small")
    assert ", 0 new" in planned.stdout, planned.stderr


def test_an_empty_folder_and_an_empty_store_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"resolved\.yaml"):
        outgrow.load(tmp_path)
    small_study.write(tmp_path)
    with pytest.raises(DataError, match="runs/steps"):
        outgrow.load(tmp_path / small_study.FILE)


def test_a_fresh_process_loads_by_one_line() -> None:
    folder, _ = small_study.finished()
    code = "import outgrow, sys; print(outgrow.load(sys.argv[1])['naive'])"
    shown = subprocess.run(
        [sys.executable, "-c", code, str(folder / "runs/small")], capture_output=True, text=True, timeout=120
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("ResultRow(naive of small: accuracy 0.")
    assert len(shown.stdout) < 200


def test_a_row_has_its_score_and_its_pgr(result: outgrow.Result) -> None:
    row = result.results.named("vote")
    assert result["vote"].score == row.score
    assert result["vote"].pgr == row.pgr
    assert result["ceiling"].pgr is None
    assert result["mean vote"].score.defined
    with pytest.raises(ConfigError, match="did you mean `naive`"):
        result["niave"]


def test_predictions_give_the_score_of_the_row(result: outgrow.Result) -> None:
    table = result.predictions("naive", seed=0)
    assert list(table.part.value_counts()[["half_b", "test"]]) == [80, 120]
    test = table[table.part == "test"]
    assert (test.answer == test.gold).mean() == pytest.approx(result["naive"].score.value, abs=1e-6)
    assert test.target.isna().all()
    learned = table[table.part == "half_b"]
    votes = learned.filter(like="vote.")
    assert set(votes) == {"vote.words", "vote.a", "vote.b"}
    unanimous = votes.nunique(axis=1) == 1
    assert (learned.target[unanimous] == votes.iloc[:, 0][unanimous]).all()
    assert (result.predictions("ceiling", part="half_b").target == learned.gold.to_numpy()).all()
    with pytest.raises(ConfigError, match="seed 7"):
        result.predictions("naive", seed=7)


def test_a_student_answers_new_items_as_in_the_study(result: outgrow.Result, tmp_path: Path) -> None:
    # Its steps go to the store, and the finished study is shared by tests.
    own = outgrow.load(small_study.copy(tmp_path) / "runs/small")
    student, known = own.student("naive"), result.predictions("naive", part="test").head(20)
    assert (student.folder / "head.json").is_file()
    made = student.predict(list(known.text))
    assert list(made.label) == list(known.answer)
    assert made.confidence.to_numpy() == pytest.approx(known.confidence.to_numpy(), abs=1e-5)
    assert made.filter(like="p.").sum(axis=1).to_numpy() == pytest.approx(1)
    assert list(own.student("a").predict([{"text": known.text.iloc[0]}]).label) == [known["vote.a"].iloc[0]]


def test_what_was_not_trained_is_no_student(result: outgrow.Result) -> None:
    with pytest.raises(DataError, match="`words`"):
        result.student("words")


def test_curves_have_the_loss_of_every_update(result: outgrow.Result) -> None:
    losses = result.curves("naive", "a")
    assert set(losses.row) == {"naive", "a"}
    naive = losses[losses.row == "naive"]
    assert list(naive.step) == list(range(20))
    assert naive.loss.iloc[-1] < naive.loss.iloc[0]
    assert {"ceiling", "naive"} < set(result.curves().row)


def test_two_studies_are_compared_on_their_common_items(result: outgrow.Result, tmp_path: Path) -> None:
    folder = small_study.copy(tmp_path)
    other = outgrow.run(folder / small_study.FILE, "name=other", "task.sizes.test=60", "methods=[naive]")
    change = outgrow.compare(result["vote"], other["naive"])
    assert change.n == 60
    same = outgrow.compare(result["naive"], other["naive"])
    assert same.value == pytest.approx(0, abs=0.06)  # the same training, but for the rounding of other batches
    assert outgrow.compare(result["naive"], result["vote"]) == result.results.named("naive").versus_plain_naive or (
        outgrow.compare(result["vote"], result["naive"]) == result.results.named("vote").versus_plain_naive
    )


def test_other_seeds_cannot_be_paired(result: outgrow.Result, tmp_path: Path) -> None:
    folder = small_study.copy(tmp_path)
    other = outgrow.run(folder / small_study.FILE, "name=other", "seeds=[5]", "methods=[naive]")
    with pytest.raises(DataError, match="seed"):
        outgrow.compare(result["naive"], other["naive"])
