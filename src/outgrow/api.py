"""The Python door: the same things as the command, with the same words.

result = outgrow.run("x.yaml", "seeds=0,1", "task.sizes.test=500")
result.to_pandas("main")
"""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from outgrow.config.experiment import Experiment
from outgrow.config.model import ModelSection
from outgrow.config.override import Word, changes_of
from outgrow.config.read import read_experiment
from outgrow.config.suite import read_studies
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.graph.done import Damaged
from outgrow.graph.plan import PlannedStep as PlanLine
from outgrow.graph.plan import plan as plan_steps
from outgrow.graph.run import Event, Outcome, run_steps
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.models.names import parse_name
from outgrow.phrases import short
from outgrow.study.build import Study, build_study
from outgrow.study.estimate import Cost, cost_of, scale_of
from outgrow.study.fit_code import code_of, refuse_code
from outgrow.study.ready import require_ready

if TYPE_CHECKING:
    import pandas as pd

    from outgrow.reporting.results import Results

Source = str | Path | Mapping[str, Any]


@dataclass(frozen=True)
class PlannedStep:
    """One line of a plan: what would be done, and what it would take."""

    name: str
    label: str
    folder: str
    state: str
    """`cached` or `new`."""
    cost: Cost
    server: str = ""
    """The address that the step asks, if it asks one."""
    key: str | None = None
    """The environment variable whose value that server is sent."""
    code_changed: bool = False
    """new only: there is a result, made by other code of the step or of its inputs."""


@dataclass(frozen=True)
class Plan:
    """Every step of a study, inputs before users; nothing has been executed."""

    steps: tuple[PlannedStep, ...]
    code: tuple[str, ...] = ()
    """Code of its own that the study runs: functions of rules, models' code."""
    lacking: tuple[str, ...] = ()
    """Why it cannot be run on this machine, if it cannot: a GPU or a package that is not there, a folder."""

    def __repr__(self) -> str:
        return f"Plan({len(self.steps)} steps, {len(self.new)} new)"

    @property
    def new(self) -> list[PlannedStep]:
        """The steps that a run would execute."""
        return [step for step in self.steps if step.state == "new"]

    @property
    def seconds(self) -> float:
        """Estimated seconds of all new steps one after another; steps of unknown size are not in it."""
        return sum(step.cost.seconds or 0 for step in self.new)

    def to_json(self) -> list[dict[str, Any]]:
        """One mapping per step."""
        return [asdict(step) for step in self.steps]


@dataclass(frozen=True)
class Result:
    """What a study found, and where its report lies."""

    folder: Path
    results: "Results"
    outcomes: Mapping[str, Outcome]
    notes: tuple[str, ...] = ()
    """What its owner may not expect, one sentence each."""

    def __repr__(self) -> str:
        states = Counter(outcome.state for outcome in self.outcomes.values())
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"Result({short(self.report, 150)}; steps: {told})"

    @property
    def failed(self) -> list[Outcome]:
        """Steps that could not be finished, without those that only had to wait for them."""
        return [outcome for outcome in self.outcomes.values() if outcome.state == "failed"]

    @property
    def complaints(self) -> list[str]:
        """What went wrong, one sentence each; what goes wrong alike under every seed is told once."""
        return list(dict.fromkeys(outcome.error for outcome in self.failed))

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped the run before its end."""
        return any(outcome.state == "interrupted" for outcome in self.outcomes.values())

    @property
    def report(self) -> Path:
        """The report's HTML file."""
        return self.folder / "report.html"

    @property
    def tables(self) -> list[str]:
        """The names that `to_pandas` takes."""
        from outgrow.reporting.tables.all_tables import make_tables

        return [table.name for table in make_tables(self.results)]

    def to_pandas(self, table: str = "main") -> "pd.DataFrame":
        """One of the report's tables as a data frame; every measured number with its interval, n and seeds."""
        from outgrow.reporting.tables.all_tables import make_tables

        made = {made.name: made for made in make_tables(self.results)}
        if table not in made:
            raise ConfigError(f"no table named `{table}`; {suggest(table, made)}")
        return made[table].to_pandas()

    def to_json(self) -> dict[str, Any]:
        """Everything the study found, as plain data."""
        ended = {"failed": self.complaints, "interrupted": self.interrupted}
        return {"report": str(self.report), **ended, "results": asdict(self.results)}

    def _repr_html_(self) -> str:
        from outgrow.reporting.tables.all_tables import make_tables
        from outgrow.reporting.tables.html import table_html

        return table_html(make_tables(self.results)[0])


def run(
    source: Source,
    *words: Word,
    jobs: int = 1,
    code: bool = True,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Result:
    """Run a study to its report; what is finished already is reused.

    `source` is an experiment file or the mapping it would hold, `words` are overrides: `key.sub=value`, or mappings
    that are merged in. `jobs` is the number of steps to run at the same time; without `code` a study is refused that
    runs code of its own (`study/fit_code.py`). A step that fails does not stop the others: see `Result.failed`.
    Raises `ConfigError` and `DataError` for bad input, `KeyboardInterrupt` after Ctrl-C if there is nothing to report
    yet; later than that, see `Result.interrupted`.
    """
    experiment = read_experiment(source, words)
    if not code:
        refuse_code(experiment)
    return run_experiment(experiment, jobs=jobs, on_event=on_event)


def run_experiment(
    experiment: Experiment, *, jobs: int = 1, on_event: Callable[[Event], None] = lambda event: None
) -> Result:
    """`run` for an experiment that is read already."""
    require_ready([experiment])
    if _settle_models(experiment):
        require_ready([experiment])  # what the hub says of its models is known now
    study = build_study(experiment)
    store = Store(experiment.store)
    threads = experiment.threads or max(1, (os.cpu_count() or 1) // jobs)
    outcomes = run_steps(study.steps, store, jobs=jobs, threads=threads, on_event=on_event)
    items = outcomes[study.pool.identity]
    if items.state == "failed":
        raise DataError(items.error)
    answered = any(outcomes[step.identity].state in ("cached", "done") for row in study.rows for step in row.steps)
    if not answered and any(outcome.state == "interrupted" for outcome in outcomes.values()):
        raise KeyboardInterrupt
    return write(study, store, outcomes)


def _settle_models(experiment: Experiment) -> bool:
    """Let the hub name the commit of every model, so that the steps' identities are the same in every later run.

    Returns whether there is any.
    """
    asked = False
    for section in (experiment.student, experiment.second_view, *experiment.supervisors.values()):
        if isinstance(section, ModelSection) and parse_name(section.model).place == "hub":
            from outgrow.models.hub import settle  # the hub's library takes its time to import

            settle(section.model, section.revision)
            asked = True
    return asked


def plan(source: Source, *words: Word, code: bool = True) -> Plan:
    """Lay out a study or a suite: every step, cached or new, with its expected cost. Nothing is executed.

    Without `code` a study is refused that runs code of its own. Raises `ConfigError` with all that
    would end a run anywhere; what this machine lacks is in the plan.
    """
    lines: dict[str, PlannedStep] = {}
    experiments = read_studies(source, words)
    for experiment in experiments if not code else ():
        refuse_code(experiment)
    lacking = require_ready(experiments, here=False)
    for experiment in experiments:
        study, store = build_study(experiment), Store(experiment.store)
        there = _is_there(store, study.pool, thorough=True)  # its items are going to be read
        scale = scale_of(experiment, store.path(study.pool) if there else None)
        for line in plan_steps(study.steps, store):
            step = line.step
            lines[step.identity] = _planned(line, cost_of(step, scale))
    own = dict.fromkeys(one for experiment in experiments for one in code_of(experiment))
    return Plan(tuple(lines.values()), tuple(own), tuple(lacking))


def _planned(line: PlanLine, cost: Cost) -> PlannedStep:
    step = line.step
    server = step.params["model"]["url"] if "endpoint" in step.hints else ""
    key = step.hints["endpoint"]["key"] if server else None
    return PlannedStep(step.name, step.label, step.folder, line.state, cost, server, key, line.code_changed)


def _is_there(store: Store, step: Step, thorough: bool = False) -> bool:
    """Whether a step is finished, without touching its files; they are read only if `thorough`."""
    try:
        return store.inspect(step, thorough=thorough) is not None
    except Damaged:
        return False


def report(source: Source, *words: Word) -> Result:
    """Write the report of what is finished by now, executing nothing."""
    experiment = read_experiment(source, words)
    study = build_study(experiment)
    store = Store(experiment.store)
    outcomes = {
        step.identity: Outcome("cached") if _is_there(store, step) else Outcome("skipped", error="not run yet")
        for step in study.steps
    }
    if all(outcome.state == "skipped" for outcome in outcomes.values()):
        raise DataError(f"{experiment.store}: holds no finished step of `{experiment.name}`; run it first")
    return write(study, store, outcomes)


def write(study: Study, store: Store, outcomes: Mapping[str, Outcome]) -> Result:
    """Collect the finished steps into the report's folder."""
    from outgrow.reporting.write import settings_that_differ, write_report

    folder = output_folder(study.experiment)
    other = settings_that_differ(folder, study.experiment)
    replaced = f"{folder} held the report of other settings ({', '.join(other)}); `name=…` keeps both"
    return Result(folder, write_report(study, store, outcomes, folder), outcomes, (replaced,) if other else ())


def read_table(source: Source, *words: Word, table: str = "main", kind: str = "md") -> str:
    """The text of one table of a study's written report: `kind` is md, csv, json or tex.

    Warns (`UserWarning`) if the report is of other settings than `words` say.
    """
    from outgrow.reporting.write import words_that_differ

    experiment = read_experiment(source, words)
    folder = output_folder(experiment) / "tables"
    other = words_that_differ(folder.parent, experiment, list(changes_of(words)))
    if other:
        warnings.warn(f"{folder.parent} holds the report of other settings ({', '.join(other)})", stacklevel=2)
    known = sorted(path.stem for path in folder.glob(f"*.{kind}"))
    if not known:
        raise DataError(f"{folder}: no report yet; `outgrow run` writes it")
    if table not in known:
        raise ConfigError(f"no table named `{table}`; {suggest(table, known)}")
    return (folder / f"{table}.{kind}").read_text(encoding="utf-8")


def output_folder(experiment: Experiment) -> Path:
    """Where the report goes."""
    return experiment.output or Path("runs") / experiment.name
