"""Checks of the stages of a method."""

from collections.abc import Iterator, Sequence

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method, TrainingStage
from outgrow.config.model import LanguageModel, local_model, remote_model
from outgrow.config.section import Section
from outgrow.errors import suggest
from outgrow.losses import Loss
from outgrow.models.model_size import can_answer
from outgrow.select import SELECTIONS, VOTES_LACK, Select
from outgrow.study.method_rows import NEARLY, expanded, parts_of, selection_of


def stage_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    """Of any study; each begins with the key."""
    shares = [stage.share for stage in method.stages]
    named = sum(share for share in shares if share is not None)
    if named > 1 + NEARLY or (None not in shares and named < 1 - NEARLY):
        yield f"stages: the shares sum to {named:g}, not to 1; correct one, or leave one out to give it the rest"
    elif not parts_of(method):
        yield "stages: none has a share of the training; give one a `share`"
    if len(parts_of(method)) > 1 and remote_model(experiment.student) is not None:
        yield "stages: a provider tunes in one go; leave one stage, or use a `model` of this machine"
    for stage in method.stages:
        if stage.select is not None:
            yield from (f"select: {complaint}" for complaint in _selection_complaints(stage.select, experiment))


def vote_stage_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    """Of studies of classes or options."""
    if method.rounds > 1 and method.stages != [TrainingStage()]:
        yield "rounds: a further round learns all targets; leave out `stages`, or `rounds`"
    for part in parts_of(method):
        if part.select is not None:
            yield from _vote_selection_complaints(part.select, experiment)
            yield from _state_complaints(part.select, method, experiment)


def _vote_selection_complaints(select: Select, experiment: Experiment) -> Iterator[str]:
    record = SELECTIONS.of(select)
    needs = record.needs(select)
    if record.vote_scores is None:
        yield f"select `{record.name}` is for texts; select by something else"
    if needs.reward is not None and not _reads(needs.reward.model or experiment.student):
        yield VOTES_LACK["reward"]
    if needs.student_scores:
        yield VOTES_LACK["student_scores"]


def _state_complaints(select: Select, method: Method, experiment: Experiment) -> Iterator[str]:
    """Whose hidden states a selection cannot read."""
    whose = SELECTIONS.of(select).needs(select).states
    if whose == "student" and not _is_probe(experiment.student):
        yield "select.states: the student is no probe, so its hidden states are not kept; use `states: sources`"
    if whose == "sources":
        for name in method.sources_among(experiment.supervisors):
            if name in experiment.supervisors and not _is_probe(experiment.supervisors[name]):
                yield (
                    f"select.states: supervisor `{name}` is no probe of a model, so there are no hidden states of it;"
                    " use `states: student`, or leave it out by `sources`"
                )


def _is_probe(section: Section) -> bool:
    model = local_model(section)
    return model is not None and model.adapt == "probe"


def _reads(section: LanguageModel) -> bool:
    """Whether a model can compute the probability of a text."""
    model = local_model(section)
    return model is not None and can_answer(model.model, model.revision)


def losses_of(method: Method) -> list[Loss]:
    """The losses of a method's trainings, each once."""
    losses = [part.loss for part in parts_of(method)]
    return [loss for index, loss in enumerate(losses) if loss not in losses[:index]]


def _selection_complaints(select: Select, experiment: Experiment) -> Iterator[str]:
    remote = remote_model(experiment.student) is not None
    needs = SELECTIONS.of(select).needs(select)
    if needs.capabilities is not None:
        yield from _capability_complaints(needs.capabilities, experiment)
    if needs.student_scores and remote:
        yield "`by: student` reads the student's probabilities, and a server's are closed; use `by: supervisors`"
    if needs.reward is not None and needs.reward.model is None and remote:
        yield "a reward model starts from the student's weights, and a server's are closed; name a `model`"
    if needs.size_of is not None:
        yield from _size_complaints(needs.size_of, experiment)


def _capability_complaints(names: Sequence[str], experiment: Experiment) -> Iterator[str]:
    capabilities = experiment.task.capabilities
    if not capabilities:
        yield "`capability` is for a task made of several `capabilities`; remove it"
    for name in names:
        if capabilities and name not in capabilities:
            yield f"only: no capability `{name}`; {suggest(name, capabilities)}"


def _size_complaints(name: str, experiment: Experiment) -> Iterator[str]:
    rows = {row.name: row for row in expanded(experiment)}
    if name not in rows:
        yield f"size_of: no method `{name}`; {suggest(name, rows)}"
        return
    copied = selection_of(rows[name])
    if copied is None:
        yield f"size_of: `{name}` selects nothing; name a method with a `select`"
    elif SELECTIONS.of(copied).needs(copied).size_of is not None:
        yield f"size_of: `{name}` copies a size itself; name the method that it copies"
