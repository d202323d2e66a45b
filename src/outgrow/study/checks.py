"""Checks of a study before its first step, all at once, without importing torch or asking a network.

They cover what this kind of task cannot have (`check_methods.py`), models, votes and rules (by the records of their
types, `supervise/sources.py`), this machine (`check_machine.py`) and data. A key that is not set is no mistake.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from outgrow.config.experiment import Experiment
from outgrow.config.model import local_model
from outgrow.config.trackers import TRACKERS
from outgrow.config.user_code import sections_in
from outgrow.data.data_identity import data_identity
from outgrow.data.row_counts import size_complaints
from outgrow.data.task import Kind
from outgrow.data.task_kind import kind_of
from outgrow.data.user_data import require_columns
from outgrow.errors import ConfigError, OutgrowError
from outgrow.extensions import function_of
from outgrow.graph.devices import cuda_devices
from outgrow.graph.store import Store
from outgrow.graph.writable import refuse_unwritable_folder
from outgrow.select import SELECTIONS
from outgrow.study.check_methods import fit_complaints
from outgrow.study.check_models import reward_layer_problems
from outgrow.study.steps import pool_step
from outgrow.supervise.sources import SOURCES


def require_ready(experiments: Sequence[Experiment], *, here: bool = True) -> list[str]:
    """Raise `ConfigError` with all that would end a run of these studies, one line each.

    Without `here`, problems of this machine alone are returned instead.
    """
    problems, lacking = (_of_all(experiments, check) for check in (complaints, machine_complaints))
    if problems or (here and lacking):
        raise ConfigError("\n".join([*problems, *lacking]))
    return lacking


def _of_all(experiments: Sequence[Experiment], check: Callable[[Experiment], Iterator[str]]) -> list[str]:
    problems = [
        f"{experiment.name}: {problem}" if len(experiments) > 1 else problem
        for experiment in experiments
        for problem in check(experiment)
    ]
    return list(dict.fromkeys(problems))


def complaints(experiment: Experiment) -> Iterator[str]:
    """What is wrong on any machine; each names its key."""
    task = experiment.task
    kind, unknown_kind = _kind(experiment)
    yield from unknown_kind
    if kind is not None:
        yield from fit_complaints(experiment, kind)
    yield from _section_problems(experiment, kind)
    yield from _shard_problems(experiment)
    data = unknown_kind or errors_of(lambda: data_identity(task)) or errors_of(lambda: require_columns(task))
    yield from data
    # Items that were drawn once were enough.
    if not data and not Store(experiment.store).path(pool_step(task)).is_dir():
        yield from size_complaints(task)


def _shard_problems(experiment: Experiment) -> Iterator[str]:
    """`shard: true` where no model's weights are all trained."""
    trained: dict[str, list[object]] = {
        "student": [experiment.student],
        "supervisor": [*experiment.supervisors.values()],
    }
    for kind, sections in trained.items():
        models = [model for section in sections if (model := local_model(section)) is not None]
        if getattr(experiment.resources, kind).shard and not any(model.adapt == "full" for model in models):
            yield f"resources.{kind}.shard: weights are sharded where all are trained (`adapt: full`); leave it out"


def _section_problems(experiment: Experiment, kind: Kind | None) -> Iterator[str]:
    """Of models, votes and rules, wherever they stand."""
    for where, section in sections_in(experiment):
        source, selection = SOURCES.find(section), SELECTIONS.find(section)
        if source is not None and source.check is not None:
            yield from function_of(source.check)(where, section, kind)
        reward = selection.needs(section).reward if selection is not None else None
        if reward is not None:
            yield from reward_layer_problems(where, reward, local_model(experiment.student))


def _kind(experiment: Experiment) -> tuple[Kind | None, list[str]]:
    try:
        return kind_of(experiment.task), []
    except OutgrowError as error:
        return None, str(error).split("\n")


def errors_of(check: Callable[[], object]) -> list[str]:
    """The lines of the error that a check raises; none if it raises none."""
    try:
        check()
    except OutgrowError as error:
        return str(error).split("\n")
    return []


def machine_complaints(experiment: Experiment) -> Iterator[str]:
    """Each begins with the key."""
    if experiment.device == "cuda" and (lacking := why_no_cuda()):
        yield f"device: `cuda`: {lacking}; use `cpu` or `auto`"
    for index, tracker in enumerate(experiment.report_to):
        packages = TRACKERS[tracker]
        if not any(map(find_spec, packages)):
            yield f"report_to.{index}: `{tracker}` is not installed: `pip install {packages[0]}`, or leave it out"
    for where, section in sections_in(experiment):
        record = SOURCES.find(section)
        if record is not None and record.check_machine is not None:
            yield from record.check_machine(where, section)
    folders = {"store": experiment.store, "output": experiment.folder}
    for key, folder in folders.items():
        try:
            refuse_unwritable_folder(key, folder)
        except OutgrowError as error:
            yield str(error)


def why_no_cuda() -> str:
    """Why torch would find no GPU, empty where it may find one; torch itself takes seconds to import."""
    build = _torch_build()
    if build is None:
        return "torch is not installed"
    if not build["cuda"] and not build["hip"]:
        return f"torch {build['__version__']} is a build without CUDA"
    if build["hip"]:
        return "" if Path("/dev/kfd").exists() else "no GPU is visible here"
    return "" if cuda_devices() else "no GPU is visible here"


def _torch_build() -> dict[str, str] | None:
    """What torch's `version.py` says of its build: values in quotes, empty for None."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    version_file = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    lines = re.findall(r"^(__version__|cuda|hip)\b[^=\n]*= *(?:'([^'\n]*)'|None)", version_file, re.MULTILINE)
    return {"__version__": "", "cuda": "", "hip": "", **dict(lines)}
