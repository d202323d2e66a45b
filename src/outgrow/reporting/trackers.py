"""A study in experiment trackers: a run per row and seed with its training curve and its score, and the main table.

`tensorboard` and `trackio` are local: nothing is sent to a server. They get finished steps, trained now or earlier,
when the report is written; the study's earlier runs there are replaced. To add a tracker: a function, a row in
`WRITERS`, and its name in `config/trackers.py`.
"""

import contextlib
import io
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from outgrow.config.trackers import TRACKERS, Tracker
from outgrow.graph.output import alone
from outgrow.graph.store import Store
from outgrow.reporting.results import Results
from outgrow.reporting.topics import make_tables
from outgrow.reporting.training_log import log_lines
from outgrow.study.build import Study

NOT_MEASURED = ("row", "seed", "step")


@dataclass(frozen=True)
class TrackedRun:
    """One row under one seed."""

    row: str
    seed: int
    lines: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    """Numbers by step of its training."""
    final: dict[str, float] = field(default_factory=dict)
    """Its score, and the performance gap recovered of a method."""

    @property
    def last_step(self) -> int:
        """Of its training."""
        return self.lines[-1][0] if self.lines else 0


@dataclass(frozen=True)
class TrackedStudy:
    """What a tracker gets of a study."""

    name: str
    runs: Sequence[TrackedRun]
    table: str
    """The main table in Markdown."""
    folder: Path
    """Where files of trackers go, beside the report."""


def track(study: Study, store: Store, results: Results, names: Iterable[Tracker]) -> list[str]:
    """Write the study to the trackers of these names that get finished steps; returns a sentence for each of them."""
    asked = [name for name in dict.fromkeys(names) if name in WRITERS]
    missing = [name for name in asked if not any(map(find_spec, TRACKERS[name]))]
    sentences = [f"report_to: `{name}` is not installed; `pip install 'outgrow[trackers]'`" for name in missing]
    wanted = [name for name in asked if name not in missing]
    if not wanted:
        return sentences
    main = next(table for table in make_tables(results) if table.name == "main")
    runs = list(tracked_runs(study, store, results))
    tracked = TrackedStudy(results.about.name, runs, main.to_markdown(), study.experiment.folder.parent)
    return [*sentences, *(WRITERS[name](tracked) for name in wanted)]


def tracked_runs(study: Study, store: Store, results: Results) -> Iterator[TrackedRun]:
    """Every row of the report under every seed."""
    runs = {(row.name, seed): TrackedRun(row.name, seed) for row in results.rows for seed in results.about.seeds}
    for line in log_lines(study, store, [row.name for row in results.rows]):
        numbers = {name: float(value) for name, value in line.items() if name not in NOT_MEASURED and _is_known(value)}
        runs[line["row"], line["seed"]].lines.append((int(line["step"]), numbers))
    for row in results.rows:
        for index, seed in enumerate(results.about.seeds):
            named = {results.about.metric_title: row.per_seed, "PGR": row.pgr_per_seed}
            values = {name: each[index].value for name, each in named.items() if index < len(each)}
            runs[row.name, seed].final.update({name: value for name, value in values.items() if value is not None})
    return (run for run in runs.values() if run.lines or run.final)


def _is_known(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


# ---- TensorBoard ----------------------------------------------------------------------------------------


def write_tensorboard(study: TrackedStudy) -> str:
    """Event files in `tensorboard/STUDY/ROW/seed N`, beside the report's folder."""
    folder = study.folder / "tensorboard" / study.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        shutil.rmtree(folder, ignore_errors=True)
        for run in study.runs:
            place = folder / run.row.replace("/", "_") / f"seed {run.seed}"
            final = {f"test/{name}": value for name, value in run.final.items()}
            write_events(place, [*run.lines, (run.last_step, final)])
        write_events(folder / "tables", [], {"main": study.table})
    return f"TensorBoard: tensorboard --logdir {folder.parent}"


def write_events(
    folder: Path, lines: Iterable[tuple[int, Mapping[str, float]]], texts: Mapping[str, str] | None = None
) -> None:
    """One event file with numbers by step, and texts in Markdown."""
    from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for step, numbers in lines:
        values = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in numbers.items()]
        event = event_pb2.Event(wall_time=time.time(), step=step, summary=summary_pb2.Summary(value=values))
        writer.add_event(event)
    for name, text in (texts or {}).items():
        kind = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text"))
        shape = tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)])
        tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=[text.encode()], tensor_shape=shape)
        value = summary_pb2.Summary.Value(tag=name, metadata=kind, tensor=tensor)
        writer.add_event(event_pb2.Event(wall_time=time.time(), summary=summary_pb2.Summary(value=[value])))
    writer.close()


# ---- trackio --------------------------------------------------------------------------------------------


def write_trackio(study: TrackedStudy) -> str:
    """A project of the study's name in trackio's own folder (`TRACKIO_DIR`), with a run per row and seed."""
    import trackio

    with contextlib.redirect_stdout(io.StringIO()):  # trackio prints advice at every run
        with contextlib.suppress(ValueError):  # there is no such project yet
            for run in list(trackio.Api().runs(study.name)):
                run.delete()
        for tracked in study.runs:
            _trackio_run(trackio, study.name, tracked)
        _trackio_open(trackio, study.name, "tables", {})
        trackio.log({"main": trackio.Markdown(study.table)})
        trackio.finish()
    return f'trackio: trackio show --project "{study.name}"'


def _trackio_run(trackio: Any, project: str, run: TrackedRun) -> None:
    _trackio_open(trackio, project, f"{run.row}, seed {run.seed}", {"row": run.row, "seed": run.seed})
    for step, numbers in run.lines:
        trackio.log(numbers, step=step)
    trackio.log({f"test/{name}": value for name, value in run.final.items()}, step=run.last_step)
    trackio.finish()


def _trackio_open(trackio: Any, project: str, name: str, config: dict[str, Any]) -> None:
    trackio.init(project=project, name=name, config=config, embed=False, auto_log_gpu=False, auto_log_cpu=False)


WRITERS: Mapping[Tracker, Callable[[TrackedStudy], str]] = {"tensorboard": write_tensorboard, "trackio": write_trackio}
