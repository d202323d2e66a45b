"""Studies from Python: the same functions as the command, with the same overrides.

result = outgrow.run("x.yaml", "seeds=0,1", "task.sizes.test=500")
result.to_pandas("main")
"""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow.api_results import Result, ResultRow
from outgrow.api_types import Plan, PlannedStep
from outgrow.config.experiment import Experiment
from outgrow.config.load import file_settings, read_experiment
from outgrow.config.model import local_model
from outgrow.config.override import Word, changes_of
from outgrow.config.suite import is_suite, read_studies, read_suite
from outgrow.config.user_code import code_of, refuse_code
from outgrow.errors import ConfigError, DataError, OutgrowError, suggest
from outgrow.graph.plan import StepPlan as PlanLine
from outgrow.graph.plan import plan as plan_steps
from outgrow.graph.resources import ResourceDemand
from outgrow.graph.runner import Event, StepOutcome, run_steps
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.models.model_names import parse_name
from outgrow.reporting.report_folder import (
    beside,
    is_current,
    refuse_place,
    refuse_to_replace,
    settings_of,
    words_that_differ,
)
from outgrow.study.build import Study, build_study
from outgrow.study.checks import require_ready
from outgrow.study.cost import cost_of, scale_of
from outgrow.study.launch import Launch, launched, pool_folder
from outgrow.study.model_cost import Cost
from outgrow.study.step_needs import devices_of, machine_notes, memory_of_device, needs_by_step
from outgrow.study.step_params import answers_file

if TYPE_CHECKING:
    from outgrow.metrics.estimate import Estimate
    from outgrow.reporting.results import Results

Source = str | Path | Mapping[str, Any]


def run(
    source: Source,
    *words: Word,
    jobs: int | None = None,
    code: bool = True,
    replace: bool = False,
    launcher: str = "local",
    devices: int | str | None = None,
    address: str = "auto",
    on_event: Callable[[Event], None] = lambda event: None,
) -> Result:
    """Run a study and write its report. Finished steps are reused.

    `source` is an experiment file or its content as a mapping; `words` are overrides: `key.sub=value`, or mappings
    that are merged in. `jobs` steps run at the same time, on the `devices` of this machine (a number of them, or their
    labels) or, with the `launcher` "ray", on the cluster at `address`. Without `code` a study that runs code of its
    own is refused (`config/user_code.py`). Only with `replace` the report replaces a finished one of other settings. A
    step that fails does not stop the others: see `Result.failed`. Raises `ConfigError` and `DataError` for bad input,
    and `KeyboardInterrupt` after Ctrl-C while there is nothing to report; later, see `Result.interrupted`.
    """
    experiment = read_experiment(source, words, code=code)
    if not code:
        refuse_code(experiment, experiment.name)
    launch = Launch(jobs, launcher, None if devices is None else str(devices), address)
    return run_experiment(experiment, launch=launch, replace=replace, on_event=on_event)


def run_experiment(
    experiment: Experiment,
    *,
    launch: Launch,
    replace: bool = False,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Result:
    """`run` for an experiment that was read before."""
    require_ready([experiment])
    require_place([experiment], replace)
    if _pin_revisions(experiment):
        require_ready([experiment])  # the hub's models are known now
    study = build_study(experiment)
    store = Store(experiment.store)
    steps, launcher = launched(study, store, launch)
    with store.in_use():
        outcomes = run_steps(steps, store, launcher=launcher, on_event=on_event)
        return _reported(study, store, outcomes, replace)


def _reported(study: Study, store: Store, outcomes: Mapping[str, StepOutcome], replace: bool) -> Result:
    """The report after a run."""
    items = outcomes[study.pool.identity]
    if items.state == "failed":
        raise DataError(items.error)
    answered = any(outcomes[step.identity].state in ("cached", "done") for row in study.rows for step in row.steps)
    if not answered and any(outcome.state == "interrupted" for outcome in outcomes.values()):
        raise KeyboardInterrupt
    return write(study, store, outcomes, replace)


def require_place(experiments: Sequence[Experiment], replace: bool) -> None:
    """Check the folders of reports before any step runs.

    Raises `DataError` where one cannot be written, and `ConfigError` where two studies have the same folder or,
    without `replace`, a report would be lost.
    """
    folders = [experiment.folder for experiment in experiments]
    for index, (folder, experiment) in enumerate(zip(folders, experiments, strict=True)):
        if folder in folders[:index]:
            raise ConfigError(f"output: the reports of two studies cannot both be in `{folder}`")
        refuse_place(folder)
        if not replace:
            refuse_to_replace(folder, file_settings(experiment))


def _pin_revisions(experiment: Experiment) -> bool:
    """Ask the hub for the commit of every model, so that the steps' identities are the same in later runs.

    Returns whether there is such a model.
    """
    asked = False
    for section in (experiment.student, experiment.second_view, *experiment.supervisors.values()):
        model = local_model(section)
        if model is not None and parse_name(model.model).place == "hub":
            from outgrow.models.fetch_model import pin_revision  # the hub's library takes its time to import

            pin_revision(model.model, model.revision)
            asked = True
    return asked


def plan(source: Source, *words: Word, code: bool = True) -> Plan:
    """List the steps of a study or a suite, cached or new, with their expected costs. No step runs.

    Without `code` a study that runs code of its own is refused. Raises `ConfigError` with all mistakes of the file;
    what this machine lacks is in the plan.
    """
    lines: dict[str, PlannedStep] = {}
    device_memory = 0
    notes: dict[str, None] = {}
    experiments = read_studies(source, words, code)
    for experiment in experiments if not code else ():
        refuse_code(experiment, experiment.name)
    lacking = require_ready(experiments, here=False)
    for experiment in experiments:
        study, store = build_study(experiment), Store(experiment.store)
        devices = devices_of(experiment)
        on_gpu = bool(devices) or experiment.device == "cuda"
        device_memory = memory_of_device(experiment, devices)
        scale = scale_of(experiment, pool_folder(study, store), on_gpu=on_gpu)
        needs = needs_by_step(study.steps, experiment, scale, device_memory, on_gpu)
        for line in plan_steps(study.steps, store):
            step = line.step
            lines[step.identity] = _planned(line, cost_of(step, scale), needs[step.identity])
        notes |= dict.fromkeys([*_notes(experiment, study), *machine_notes(study.steps, needs.values(), on_gpu)])
    own = dict.fromkeys(name for experiment in experiments for name in code_of(experiment))
    return Plan(tuple(lines.values()), tuple(own), tuple(lacking), tuple(notes), device_memory)


def _notes(experiment: Experiment, study: Study) -> Iterator[str]:
    if any("endpoint" in step.hints for step in study.steps):
        yield f"Responses of servers are in {answers_file(experiment.answers)}; keep that file, they were paid for."
    try:
        refuse_to_replace(experiment.folder, file_settings(experiment))
    except OutgrowError as error:
        yield f"`outgrow run` would be refused: {error}."


def _planned(line: PlanLine, cost: Cost, needs: ResourceDemand) -> PlannedStep:
    step = line.step
    server = step.params["model"]["url"] if "endpoint" in step.hints else ""
    key = step.hints["endpoint"]["key"] if server else None
    return PlannedStep(step.name, step.label, step.folder, line.state, cost, server, key, line.code_changed, *needs)


def report(source: Source, *words: Word, replace: bool = False) -> Result:
    """Write the report of the finished steps, and run none; `replace` as for `run`."""
    experiment = read_experiment(source, words)
    require_place([experiment], replace)
    return write(*stored(experiment), replace)


def load(source: Source, *words: Word) -> Result:
    """The results of a study that was run before, in any process; nothing is run or written.

    `source` is the experiment, as for `run`, or the folder of its report. Raises `ConfigError` and `DataError` as
    `report` does, where the store has no finished step of it.
    """
    return load_experiment(read_experiment(source, words))


def load_experiment(experiment: Experiment) -> Result:
    """`load` for an experiment that was read before."""
    study, store, outcomes = stored(experiment)
    return Result(experiment.folder, outcomes, _reader(study, store, outcomes), study, store)


def _reader(study: Study, store: Store, outcomes: Mapping[str, StepOutcome]) -> "Callable[[], Results]":
    """Reads the report if it is current, and measures the finished steps otherwise."""

    def results() -> "Results":
        from outgrow.reporting.collect import collect, read_results
        from outgrow.reporting.publish import made_of

        folder = study.experiment.folder
        current = is_current(folder, made_of(study, store, outcomes))
        return read_results(folder) if current else collect(study, store, outcomes)

    return results


def stored(experiment: Experiment) -> tuple[Study, Store, dict[str, StepOutcome]]:
    """The study's finished steps, as if it had just been run. Raises `DataError` if there is none."""
    study = build_study(experiment)
    store = Store(experiment.store)
    with store.in_use(make=False):
        return _finished(study, store)


def _finished(study: Study, store: Store) -> tuple[Study, Store, dict[str, StepOutcome]]:
    experiment, whole = study.experiment, store.whole(study.steps)
    damaged = [step for step in study.steps if step.identity not in whole and os.path.lexists(store.path(step))]
    outcomes = {step.identity: StepOutcome("skipped", error="not run yet") for step in study.steps}
    outcomes |= {step.identity: StepOutcome("failed", error=_damage(store, step)) for step in damaged}
    outcomes |= {identity: StepOutcome("cached", done.seconds) for identity, done in whole.items()}
    if not whole:
        raise DataError(f"{experiment.store}: holds no whole step of `{experiment.name}`; run it first")
    return study, store.without(damaged), outcomes


def compare(first: ResultRow, second: ResultRow) -> "Estimate":
    """Score of the first row minus that of the second, with the interval of the paired bootstrap over items and seeds.

    The rows are of one study or of two (`outgrow.compare(one["naive"], other["naive"])`); they are compared on the
    test items and seeds that both have (`reporting/compare.py`). Raises `DataError` where there is none.
    """
    from outgrow.reporting.compare import RowOfFrame, compare_rows

    return compare_rows(*(RowOfFrame(row.result.frame, row.name) for row in (first, second)))


def _damage(store: Store, step: Step) -> str:
    return f"{store.path(step)} is damaged; `outgrow run` makes it again"


def write(study: Study, store: Store, outcomes: Mapping[str, StepOutcome], replace: bool = False) -> Result:
    """Collect the finished steps into the report's folder."""
    from outgrow.reporting.publish import publish

    made = publish(study, store, outcomes, study.experiment.folder, replace=replace)
    notes = made.notes
    if study.experiment.report_to:
        from outgrow.reporting.trackers import track

        notes = (*notes, *track(study, store, made.results(), study.experiment.report_to))
    return Result(made.folder, outcomes, made.results, study, store, notes)


def read_table(source: Source, *words: Word, table: str = "main", kind: str = "md") -> str:
    """The text of one table of the written report of a study, suite or sweep: `kind` is md, csv, json or tex.

    Warns (`UserWarning`) if the report has other settings than these.
    """
    if is_suite(source):
        folder, differing = read_suite(source, words).folder / "tables", []
        table = "sweep" if table == "main" else table
    else:
        experiment = read_experiment(source, words)
        folder = experiment.folder / "tables"
        differing = words_that_differ(settings_of(folder.parent), file_settings(experiment), list(changes_of(words)))
    if differing:
        warnings.warn(f"{folder.parent} holds the report of other settings ({', '.join(differing)})", stacklevel=2)
    later = beside(folder.parent)
    if later.is_dir():
        warnings.warn(f"a later run has not been finished; its report is in {later}", stacklevel=2)
    tables = sorted(path.stem for path in folder.glob(f"*.{kind}"))
    if not tables:
        raise DataError(f"{folder}: no report yet; `outgrow run` writes it")
    if table not in tables:
        raise ConfigError(f"no table named `{table}`; {suggest(table, tables)}")
    try:
        return (folder / f"{table}.{kind}").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{folder / table}.{kind}: cannot be read ({error}); `outgrow report` writes it again"
        ) from error
