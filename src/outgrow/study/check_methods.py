"""What one kind of task can have and another cannot: said before anything runs.

`config/consistency.py` looks at what holds for every study; here the kind of the task is known.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from outgrow.config.combine import AnswerVote, JointDecoding, KeepAll, SingleSource, SlotVote
from outgrow.config.decoding import Decoding
from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.model import ModelSection, NgramSection, Supervisor
from outgrow.config.rules import FunctionRule, RegexRule
from outgrow.config.votes import VotesSection
from outgrow.data.task import Kind
from outgrow.data.task_kind import metric_of, native_kind, to_be_written
from outgrow.data.tasks import TASKS
from outgrow.errors import ConfigError, suggest
from outgrow.losses import LOSSES, text_loss_complaints
from outgrow.metrics.slu_f1 import SLOT_METRICS
from outgrow.metrics.text_score import TEXT_METRICS
from outgrow.refine import REFINERS, Refine
from outgrow.select import SELECTIONS, Select
from outgrow.study.check_stages import losses_of, stage_complaints, vote_stage_complaints
from outgrow.study.method_rows import parts_of

TEXT_VARIANTS = ("plain", "self_training")
TEXT_COMBINERS = ("keep_all", "single", "joint_decoding", "answer_vote", "slot_vote")


def require_fit(experiment: Experiment, kind: Kind) -> None:
    """Raise `ConfigError` with everything that a task of this kind cannot have, one line each."""
    if found := list(fit_complaints(experiment, kind)):
        raise ConfigError("\n".join(found))


def fit_complaints(experiment: Experiment, kind: Kind) -> Iterator[str]:
    """The same, one by one."""
    found = chain(
        _rule_complaints(experiment, kind),
        text_complaints(experiment) if kind == "generate" else vote_complaints(experiment),
        *(_stage_complaints(method, experiment) for method in experiment.methods),
    )
    for complaint in dict.fromkeys(found):
        yield f"task `{experiment.task.name}` is of kind *{kind}*: {complaint}"


def _stage_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    return (f"method `{method.name}`: {complaint}" for complaint in stage_complaints(method, experiment))


def _rule_complaints(experiment: Experiment, kind: Kind) -> Iterator[str]:
    """What supervisors that are rules, or votes of a file, cannot say."""
    task = experiment.task
    known = TASKS.get(task.name)
    classes = task.classes or (known.classes if known is not None and native_kind(task) == "classify" else ())
    for name, rule in experiment.supervisors.items():
        if isinstance(rule, VotesSection) and kind == "choose":
            yield f"supervisors.{name}: votes of a file name classes, and here are options; set task.form to `text`"
        if not isinstance(rule, RegexRule | FunctionRule):
            continue
        if kind != "classify":
            yield f"supervisors.{name}: a rule votes for one of a task's classes, and here are none; give it a `model`"
        elif isinstance(rule, RegexRule) and classes and rule.says not in classes:
            yield f"supervisors.{name}.says: no class `{rule.says}`; {suggest(rule.says, classes)}"


def vote_complaints(experiment: Experiment) -> Iterator[str]:
    """What a study of classes or options cannot have."""
    for key, value in {"measures": experiment.measures, "judges": experiment.judges}.items():
        if value:
            yield f"{key}: are for answers that are texts; remove them, or {to_be_written(experiment.task)}"
    if isinstance(experiment.student, EndpointSection):
        yield "student: a model behind a server learns texts only; give it a `model` of this machine"
    for method in experiment.methods:
        if isinstance(method.combine, JointDecoding | AnswerVote | SlotVote):
            yield f"method `{method.name}`: `{method.combine.type}` chooses among texts; use `naive` or `vote`"
        if method.preference is not None:
            yield f"method `{method.name}`: `preference` compares texts; remove it"
        if method.refine is not None:
            yield f"method `{method.name}`: `refine` rewrites texts; remove it"
        yield from (f"method `{method.name}`: {complaint}" for complaint in vote_stage_complaints(method, experiment))
    for where, section in _models(experiment):
        if section.adapt == "none":
            yield f"{where}.adapt: `none` is for texts; use `probe`, `lora` or `full`"
        if section.training.keep == "best":
            yield f"{where}.training.keep: `best` is for texts; choose `epochs` by `tune` instead"


def text_complaints(experiment: Experiment) -> Iterator[str]:
    """What a study of texts cannot have."""
    for name, supervisor in experiment.supervisors.items():
        if isinstance(supervisor, NgramSection):
            yield f"supervisors.{name}: an n-gram model cannot write; give it a `model`"
        if isinstance(supervisor, EndpointSection) and supervisor.fine_tuning is not None:
            yield f"supervisors.{name}.fine_tuning: only the student is tuned by its provider; remove it"
    for where, section in _models(experiment):
        if section.adapt == "probe":
            yield f"{where}.adapt: a `probe` cannot write; use `lora` or `full`"
    if isinstance(experiment.student, ModelSection) and experiment.student.adapt == "none":
        yield "student.adapt: `none` learns nothing; use `lora` or `full`"
    if isinstance(experiment.student, EndpointSection):
        yield from _provider_complaints(experiment, experiment.student)
    for variant in experiment.variants:
        if variant not in TEXT_VARIANTS:
            yield f"variants: `{variant}` is for classes; texts have {_listed(TEXT_VARIANTS)}"
    for key, decoding in {"labelling": experiment.labelling, "answering": experiment.answering}.items():
        yield from _decoding_complaints(key, decoding)
    yield from _measure_complaints(experiment)
    for method in experiment.methods:
        yield from (f"method `{method.name}`: {complaint}" for complaint in _method_complaints(method, experiment))


def _measure_complaints(experiment: Experiment) -> Iterator[str]:
    names = list(experiment.measures)
    for name, judge in experiment.judges.items():
        if judge.against is not None and len(judge.scales) != 1:
            yield f"judges.{name}.scales: two answers are compared on one scale, not on {len(judge.scales)}"
        names += [name] if judge.against is not None else judge.scales
    for name in names:
        if names.count(name) > 1:
            yield f"measures: the name `{name}` stands twice; a judge's scales are measures too"
    for name in experiment.plane or ():
        if name not in names:
            yield f"plane: there is no measure `{name}`; {suggest(name, names)}"


def _provider_complaints(experiment: Experiment, student: EndpointSection) -> Iterator[str]:
    """What a provider cannot do when it tunes the student."""
    if student.fine_tuning is None:
        yield "student: a model behind a server is trained by its provider; add `fine_tuning: {}`, or use a `model`"
    if "self_training" in experiment.variants:
        yield "variants: `self_training` looks into the student as it learns, and a server's is closed; use [plain]"
    for method in experiment.methods:
        for loss in losses_of(method):
            if not LOSSES.of(loss).for_providers:
                allowed = " or ".join(f"`{name}`" for name, record in LOSSES.items() if record.for_providers)
                yield f"method `{method.name}`: loss `{loss.type}`: a provider trains by {allowed} only"
        if method.preference is not None:
            yield f"method `{method.name}`: `preference` tunes weights of this machine; remove it"


def _decoding_complaints(key: str, decoding: Decoding) -> Iterator[str]:
    if not decoding.sample and decoding.candidates > decoding.beams:
        yield f"{key}.candidates: a search of {decoding.beams} beams ends with no more texts; raise `{key}.beams`"
    if not decoding.sample and decoding.beams > 1 and decoding.stop:
        yield f"{key}.stop: a beam search cannot stop at a text; use `{key}.beams: 1` or `{key}.sample: true`"


def _named(experiment: Experiment) -> dict[str, Supervisor]:
    return {f"supervisors.{name}": section for name, section in experiment.supervisors.items()}


def _models(experiment: Experiment) -> Iterator[tuple[str, ModelSection]]:
    for where, section in {**_named(experiment), "student": experiment.student}.items():
        if isinstance(section, ModelSection):
            yield where, section


def _method_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    combine = method.combine
    if not isinstance(combine, KeepAll | SingleSource | JointDecoding | AnswerVote | SlotVote):
        yield f"combine `{combine.type}` counts votes for classes; texts have {_listed(TEXT_COMBINERS)}"
    if isinstance(combine, KeepAll) and combine.weights == "accuracy":
        yield "combine.weights: `accuracy` is known of votes only; give one number per source"
    if isinstance(combine, JointDecoding):
        yield from _joint_complaints(combine, method.teachers(experiment.supervisors))
    if isinstance(combine, AnswerVote | SlotVote):
        yield from _counting_complaints(combine, metric_of(experiment.task))
    if method.refine is not None:
        yield from _refine_complaints("refine", method.refine, experiment)
        yield from _rewritten_complaints(method.refine, method)
    for part in parts_of(method):
        if part.select is not None:
            yield from _text_selection_complaints(part.select, experiment)
    for name in _scorers(method, experiment):
        scorer = experiment.supervisors.get(name)  # one that there is not is told by `_joint_complaints`
        if isinstance(scorer, EndpointSection | VotesSection):
            where = "lives behind a server" if isinstance(scorer, EndpointSection) else "is a file"
            yield f"supervisor `{name}` {where} and cannot score texts; leave it out by `sources`"
    for loss in losses_of(method):
        yield from text_loss_complaints("loss", loss)
    if method.rounds > 1:
        yield "rounds: a second round multiplies distributions over classes; leave it out"
    if (method.self_training or experiment.self_training).harden != "argmax":
        yield "self_training.harden: `balanced` counts classes; use `argmax`"
    if method.preference is not None and isinstance(method.preference.weights, dict):
        yield from _unknown("preference.weights", method.preference.weights, method.teachers(experiment.supervisors))


def _text_selection_complaints(select: Select, experiment: Experiment) -> Iterator[str]:
    record = SELECTIONS.of(select)
    if record.text_scores is None:
        yield f"select `{record.name}` is for classes; select by something else"
    strong = record.needs(select).strong
    if strong is not None:
        yield from _refine_complaints("select.strong", strong, experiment)


def _scorers(method: Method, experiment: Experiment) -> Sequence[str]:
    """Supervisors that must say what they think of others' texts."""
    teachers = method.teachers(experiment.supervisors)
    if method.preference is not None:
        return teachers
    return (method.combine.scorers or teachers) if isinstance(method.combine, JointDecoding) else ()


def _refine_complaints(key: str, refine: Refine, experiment: Experiment) -> Iterator[str]:
    if refine.decoding is not None:
        yield from _decoding_complaints(f"{key}.decoding", refine.decoding)
    record = REFINERS.of(refine)
    for option in record.decodings:
        yield from _decoding_complaints(f"{key}.{option}", getattr(refine, option))
    if isinstance(refine.by, ModelSection) and refine.by.adapt not in ("none", "probe"):
        yield f"{key}.by.adapt: `{refine.by.adapt}` is not looked at, as nothing is trained; leave it out"
    demonstrations = getattr(refine, record.set_aside) if record.set_aside else None
    for name, sizes in experiment.task.sizes_by_capability.items():
        half_b = sizes.counts["half_b"]
        if demonstrations is not None and half_b is not None and demonstrations >= half_b:
            where = f" of `{name}`" if name else ""
            option = f"{key}.{record.set_aside}"
            yield f"{option}: {demonstrations} demonstrations are all {half_b} labels{where}; name fewer"


def _rewritten_complaints(refine: Refine, method: Method) -> Iterator[str]:
    combine = method.combine
    if isinstance(combine, JointDecoding) and (combine.writers or combine.beams):
        yield "combine: `writers` and `beams` are of labels as they are; with `refine` the rewritten ones are pooled"
    if not REFINERS.of(refine).reads_labels and not (isinstance(combine, KeepAll) and combine.weights == "average"):
        yield f"refine: `{refine.type}` reads no supervisor's labels; leave `combine` out"


def _counting_complaints(combine: AnswerVote | SlotVote, metric: str) -> Iterator[str]:
    """What answers can be counted of a task with this metric."""
    if isinstance(combine, SlotVote):
        if metric not in SLOT_METRICS:
            yield f"combine `slot_vote` counts slots, and the task's metric is `{metric}`; use `answer_vote`"
    elif metric in SLOT_METRICS:
        yield "combine `answer_vote` counts whole answers, and these are sets of slots; use `slot_vote`"
    elif combine.metric is None and not TEXT_METRICS[metric].decides_equality:
        counted = [name for name, record in TEXT_METRICS.items() if record.decides_equality]
        yield f"combine.metric: `{metric}` does not say when answers are the same; name one of {_listed(counted)}"


def _joint_complaints(combine: JointDecoding, teachers: Sequence[str]) -> Iterator[str]:
    yield from _unknown("combine.writers", combine.writers or (), teachers)
    yield from _unknown("combine.scorers", combine.scorers or (), teachers)
    if isinstance(combine.weights, dict):
        yield from _unknown("combine.weights", combine.weights, combine.scorers or teachers)


def _unknown(key: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    known = list(known)
    for name in names:
        if name not in known:
            yield f"{key}: no supervisor `{name}` teaches this row; {suggest(name, known)}"


def _listed(names: Iterable[str]) -> str:
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}" if first else last
