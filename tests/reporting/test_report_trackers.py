"""A finished study in TensorBoard and trackio, read back by the packages themselves."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest

import outgrow
import small_study
from outgrow.config.trackers import TRACKED_AT_THE_END, TRACKERS, Tracker
from outgrow.reporting.trackers import WRITERS, track

STUDY: dict[str, Any] = {
    **small_study.STUDY,
    "supervisors": {"a": {"model": "bundled:wordllama", "dims": 32}},
    "methods": ["naive", {"preset": "early_stopping", "evaluations": {"number": 4}}],
    "variants": ["plain"],
    "gold_controls": False,
    "untouched": False,
}


def prepare(folder: Path) -> Path:
    return small_study.write(folder, STUDY)


@pytest.fixture
def result(tmp_path: Path) -> outgrow.Result:
    small_study.copy(tmp_path, prepare)
    return outgrow.load(tmp_path / "runs" / "small")


def write(result: outgrow.Result, name: Tracker) -> list[str]:
    return track(result.study, result.store, result.results, [name])


def test_every_tracker_has_its_packages_and_those_of_the_end_a_writer() -> None:
    assert set(TRACKERS) == set(get_args(Tracker))
    assert set(WRITERS) == set(TRACKED_AT_THE_END)


@pytest.mark.skipif(find_spec("trackio") is not None, reason="trackio is installed")
def test_a_tracker_that_is_not_installed_is_named_after_the_report_is_written(result: outgrow.Result) -> None:
    assert "outgrow[trackers]" in write(result, "trackio")[0]


def test_trackers_that_follow_a_training_get_no_finished_steps(result: outgrow.Result) -> None:
    assert write(result, "wandb") == []


def test_tensorboard_has_curves_scores_and_the_main_table(result: outgrow.Result) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for _ in range(2):  # a second time replaces the first
        assert "tensorboard --logdir" in write(result, "tensorboard")[0]
    folder = result.folder.parent / "tensorboard" / "small"
    assert {path.name for path in folder.iterdir()} == {"tables", "a", "ceiling", "naive", "early_stopping"}
    read = accumulators.EventAccumulator(str(folder / "early_stopping" / "seed 0")).Reload()
    curve = result.curves("early_stopping")
    losses = curve.dropna(subset="loss")
    assert [one.step for one in read.Scalars("loss")] == losses.step.tolist()
    assert [one.value for one in read.Scalars("loss")] == pytest.approx(losses.loss.tolist())
    evaluated = curve.dropna(subset="gold_test")
    assert [one.value for one in read.Scalars("gold_test")] == pytest.approx(evaluated.gold_test.tolist())
    assert read.Scalars("test/accuracy")[0].value == pytest.approx(result["early_stopping"].score.value)
    text = accumulators.EventAccumulator(str(folder / "tables")).Reload().Tensors("main")[0].tensor_proto.string_val[0]
    assert "early_stopping" in text.decode()


def test_trackio_has_a_run_for_every_row_and_seed(result: outgrow.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackio")
    import trackio

    for module in ("trackio.utils", "trackio.sqlite_storage"):
        monkeypatch.setattr(f"{module}.TRACKIO_DIR", result.folder / "trackio")
    for _ in range(2):
        assert "trackio show" in write(result, "trackio")[0]
    names = sorted(run.name for run in trackio.Api().runs("small"))
    assert names == ["a, seed 0", "ceiling, seed 0", "early_stopping, seed 0", "naive, seed 0", "tables"]
    logs = trackio.SQLiteStorage.get_logs("small", "naive, seed 0")
    losses = [one["loss"] for one in logs if "loss" in one]
    assert losses == pytest.approx(result.curves("naive").loss.tolist())
    assert logs[-1]["test/accuracy"] == pytest.approx(result["naive"].score.value)
