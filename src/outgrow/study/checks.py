"""Everything that can be known before a study's first step, said at once.

Whatever could end a run later is looked at here, without importing torch or asking a network: what this kind of task
cannot have (`check_methods.py`), models (`check_models.py`), this machine (`check_machine.py`), data, votes and
rules. A key that is not set is no mistake of the file: the plan says whom it is for.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from outgrow.config.experiment import Experiment
from outgrow.config.rules import FunctionRule
from outgrow.config.votes import VotesSection
from outgrow.data.data_identity import data_identity
from outgrow.data.row_counts import size_complaints
from outgrow.data.task import Kind
from outgrow.data.task_kind import kind_of
from outgrow.data.user_data import require_columns
from outgrow.errors import ConfigError, OutgrowError
from outgrow.graph.store import Store
from outgrow.study.check_functions import function_complaints
from outgrow.study.check_machine import machine_complaints
from outgrow.study.check_methods import fit_complaints
from outgrow.study.check_models import model_complaints
from outgrow.study.steps import pool_step


def require_ready(experiments: Sequence[Experiment], *, here: bool = True) -> list[str]:
    """Raise `ConfigError` with all that would end a run of these studies, one line each.

    Unless they are to be run `here`, what only this machine lacks is no reason to refuse: it is returned.
    """
    found, lacking = (_of_all(experiments, told_by) for told_by in (complaints, machine_complaints))
    if found or (here and lacking):
        raise ConfigError("\n".join([*found, *lacking]))
    return lacking


def _of_all(experiments: Sequence[Experiment], told_by: Callable[[Experiment], Iterator[str]]) -> list[str]:
    found = [
        f"{experiment.name}: {complaint}" if len(experiments) > 1 else complaint
        for experiment in experiments
        for complaint in told_by(experiment)
    ]
    return list(dict.fromkeys(found))


def complaints(experiment: Experiment) -> Iterator[str]:
    """What is wrong on any machine; each names its key."""
    task = experiment.task
    kind, told = _kind(experiment)
    yield from told
    if kind is not None:
        yield from fit_complaints(experiment, kind)
        yield from model_complaints(experiment, kind)
        yield from _votes(experiment, kind)
    for name, supervisor in experiment.supervisors.items():
        if isinstance(supervisor, FunctionRule):
            yield from function_complaints(f"supervisors.{name}", supervisor)
    data = told or said(lambda: data_identity(task)) or said(lambda: require_columns(task))
    yield from data
    # Items that were drawn once were enough.
    if not data and not Store(experiment.store).path(pool_step(experiment)).is_dir():
        yield from size_complaints(task)


def _kind(experiment: Experiment) -> tuple[Kind | None, list[str]]:
    try:
        return kind_of(experiment.task), []
    except OutgrowError as error:
        return None, str(error).split("\n")


def _votes(experiment: Experiment, kind: Kind) -> Iterator[str]:
    """Every file of votes by itself, so that one that is damaged hides no other."""
    for name, section in experiment.supervisors.items():
        if isinstance(section, VotesSection):
            from outgrow.supervise.votes_step import require_readable  # the readers take their time to import

            for sentence in said(partial(require_readable, {name: section}, kind)):
                yield f"supervisors.{name}.votes: {sentence}"


def said(check: Callable[[], object]) -> list[str]:
    """What a check complains of, line by line; nothing where it is content."""
    try:
        check()
    except OutgrowError as error:
        return str(error).split("\n")
    return []
