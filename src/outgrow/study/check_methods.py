"""Checks of what one kind of task can have and another cannot.

`config/consistency.py` looks at what holds for every study; here the kind of the task is known.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from outgrow.combiners import COMBINERS
from outgrow.combiners.combiner_record import unknown_supervisors
from outgrow.config.decoding import Decoding
from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.model import local_model, remote_model
from outgrow.data.task import Kind
from outgrow.data.task_kind import metric_of, to_be_written
from outgrow.data.user_data import half_b_has_gold
from outgrow.errors import ConfigError, OutgrowError, suggest
from outgrow.losses import LOSSES, text_loss_complaints
from outgrow.models.model_size import can_answer
from outgrow.refine import REFINERS, Refine
from outgrow.select import SELECTIONS, Select
from outgrow.study.check_engines import search_complaints
from outgrow.study.check_stages import losses_of, stage_complaints, vote_stage_complaints
from outgrow.study.gold_use import gold_use, uses_anchors
from outgrow.study.method_rows import parts_of, with_methods_for
from outgrow.supervise.sources import SOURCES

TEXT_VARIANTS = ("plain", "self_training")


def require_fit(experiment: Experiment, kind: Kind) -> None:
    """Raise `ConfigError` with everything that a task of this kind cannot have, one line each."""
    if complaints := list(fit_complaints(experiment, kind)):
        raise ConfigError("\n".join(complaints))


def fit_complaints(experiment: Experiment, kind: Kind) -> Iterator[str]:
    """The same, one by one."""
    experiment = with_methods_for(experiment, kind)
    complaints = chain(
        _source_problems(experiment, kind),
        _gold_problems(experiment),
        text_complaints(experiment) if kind == "generate" else vote_complaints(experiment),
        *(_stage_complaints(method, experiment) for method in experiment.methods),
    )
    for complaint in dict.fromkeys(complaints):
        yield f"task `{experiment.task.name}` is of kind *{kind}*: {complaint}"


def _gold_problems(experiment: Experiment) -> Iterator[str]:
    """What needs gold of half B where it has none."""
    try:
        labelled = half_b_has_gold(experiment.task)
    except OutgrowError:  # reported with the data
        return
    for method in () if labelled else experiment.methods:
        by_gold = any(SELECTIONS.of(part.select).sees_gold for part in parts_of(method) if part.select is not None)
        if by_gold or gold_use(method, experiment) == "oracle":
            yield f"method `{method.name}` chooses by half B's gold, and no row of half B has a label; leave it out"


def _stage_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    return (f"method `{method.name}`: {complaint}" for complaint in stage_complaints(method, experiment))


def _source_problems(experiment: Experiment, kind: Kind) -> Iterator[str]:
    """What the supervisors, the student and the second view cannot do in a task of this kind."""
    sections = {f"supervisors.{name}": section for name, section in experiment.supervisors.items()}
    if local_model(experiment.student) is not None:
        sections["student"] = experiment.student
    for where, section in sections.items():
        yield from SOURCES.of(section).misfits(where, section, experiment.task, kind)


def vote_complaints(experiment: Experiment) -> Iterator[str]:
    """What a study of classes or options cannot have."""
    for key, value in {"measures": experiment.measures, "judges": experiment.judges}.items():
        if value:
            yield f"{key}: are for answers that are texts; remove them, or {to_be_written(experiment.task)}"
    if remote_model(experiment.student) is not None:
        yield "student: a model behind a server learns texts only; give it a `model` of this machine"
    for method in experiment.methods:
        if not COMBINERS.of(method.combine).of_votes:
            yield f"method `{method.name}`: `{method.combine.type}` chooses among texts; use `naive` or `vote`"
        if method.preference is not None:
            yield f"method `{method.name}`: `preference` compares texts; remove it"
        if method.refine is not None:
            yield f"method `{method.name}`: `refine` rewrites texts; remove it"
        yield from (f"method `{method.name}`: {complaint}" for complaint in _gold_complaints(method, experiment))
        yield from (f"method `{method.name}`: {complaint}" for complaint in _zero_shot_complaints(method, experiment))
        yield from (f"method `{method.name}`: {complaint}" for complaint in vote_stage_complaints(method, experiment))


def _gold_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    """What does not fit a method's use of gold."""
    if method.combine.needs_gold and not uses_anchors(method, experiment):
        yield f"anchors: combine `{method.combine.type}` with these options needs gold; use `anchors: half_a`"
    if method.half_a_gold != "unused" and (method.select_by or experiment.tune.select_by) == "half_a_log_loss":
        yield "select_by: `half_a_log_loss` needs items that are not learned; use `select_by: weak_accuracy`"
    yield from _half_a_complaints(method)


def _half_a_complaints(method: Method) -> Iterator[str]:
    """What does not fit a student that learns half A's gold, for every kind of task."""
    if method.half_a_gold == "unused":
        return
    if method.rounds > 1:
        yield "half_a_gold: a further round multiplies labels of half B; leave out `rounds`"
    if any(part.select is not None for part in parts_of(method)):
        yield "half_a_gold: a selection is among labels of half B; leave out `select`"
    if method.evaluations is not None:
        yield "half_a_gold: evaluations hold out labels of half B; leave out `evaluations`"


def _zero_shot_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    """What does not fit the untouched student as a source."""
    student = local_model(experiment.student)
    if not method.zero_shot or student is None:
        return
    if not can_answer(student.model, student.revision):
        yield f"zero_shot: the student `{student.model}` has no output layer for words; leave it out"
    sources = method.sources_among(experiment.supervisors)
    if method.combine.only_source is not None or method.combine.for_each(sources):
        yield f"zero_shot: combine `{method.combine.type}` takes one source; leave it out"


def text_complaints(experiment: Experiment) -> Iterator[str]:
    """What a study of texts cannot have."""
    student, remote = local_model(experiment.student), remote_model(experiment.student)
    if student is not None and student.adapt == "none":
        yield "student.adapt: `none` learns nothing; use `lora` or `full`"
    if remote is not None:
        yield from _provider_complaints(experiment, remote)
    for variant in experiment.variants:
        if variant not in TEXT_VARIANTS:
            yield f"variants: `{variant}` is for classes; texts have {_listed(TEXT_VARIANTS)}"
    for key, decoding in {"labelling": experiment.labelling, "answering": experiment.answering}.items():
        yield from _decoding_complaints(key, decoding)
    yield from search_complaints(experiment)
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
            yield f"measures: the name `{name}` is given twice; a judge's scales are measures too"
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
        if method.evaluations is not None:
            yield f"method `{method.name}`: `evaluations` looks into a training on this machine; remove it"


def _decoding_complaints(key: str, decoding: Decoding) -> Iterator[str]:
    if not decoding.sample and decoding.candidates > decoding.beams:
        yield f"{key}.candidates: a search of {decoding.beams} beams ends with no more texts; raise `{key}.beams`"
    if not decoding.sample and decoding.beams > 1 and decoding.stop:
        yield f"{key}.stop: a beam search cannot stop at a text; use `{key}.beams: 1` or `{key}.sample: true`"


def _method_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    combine = method.combine
    if not COMBINERS.of(combine).of_texts:
        text_combiners = _listed(name for name, record in COMBINERS.items() if record.of_texts)
        yield f"combine `{combine.type}` counts votes for classes; texts have {text_combiners}"
    yield from combine.text_complaints(metric_of(experiment.task), method.sources_among(experiment.supervisors))
    if method.refine is not None:
        yield from _refine_complaints("refine", method.refine, experiment)
        yield from _rewritten_complaints(method.refine, method)
    for part in parts_of(method):
        if part.select is not None:
            yield from _text_selection_complaints(part.select, experiment)
    for name in _scorers(method, experiment):
        scorer = experiment.supervisors.get(name)  # `_joint_complaints` reports an unknown one
        record = None if scorer is None else SOURCES.of(scorer)
        if record is not None and record.texts is not None and not record.can_score(scorer):
            where = "is behind a server" if record.remote else "is a file"
            way_out = "; if its server can (vLLM), set `scores: true`, else" if record.remote else ";"
            yield f"supervisor `{name}` {where} and cannot score texts{way_out} leave it out by `sources`"
    for loss in losses_of(method):
        yield from text_loss_complaints("loss", loss)
    yield from _half_a_complaints(method)
    if method.zero_shot:
        yield "zero_shot: is for classes; remove it"
    if method.rounds > 1:
        yield "rounds: a second round multiplies distributions over classes; leave it out"
    if (method.self_training or experiment.self_training).harden != "argmax":
        yield "self_training.harden: `balanced` counts classes; use `argmax`"
    if method.preference is not None and isinstance(method.preference.weights, dict):
        yield from unknown_supervisors(
            "preference.weights", method.preference.weights, method.sources_among(experiment.supervisors)
        )
    if method.preference is not None and method.preference.learns_ratios:
        yield from _untrained_complaints(method, experiment)


def _untrained_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    for name in method.sources_among(experiment.supervisors):
        section = experiment.supervisors.get(name)
        if section is not None and not SOURCES.of(section).trained(section):
            yield (
                f"preference.loss: `wspo` learns what training changed in supervisor `{name}`, which is not trained;"
                " leave it out by `sources`"
            )


def _text_selection_complaints(select: Select, experiment: Experiment) -> Iterator[str]:
    record = SELECTIONS.of(select)
    if record.text_scores is None:
        yield f"select `{record.name}` is for classes; select by something else"
    strong = record.needs(select).strong
    if strong is not None:
        yield from _refine_complaints("select.strong", strong, experiment)


def _scorers(method: Method, experiment: Experiment) -> Sequence[str]:
    """Supervisors that must score others' texts."""
    sources = method.sources_among(experiment.supervisors)
    if method.preference is not None:
        return sources
    pool = method.combine.pool
    return () if pool is None else pool.scorers or sources


def _refine_complaints(key: str, refine: Refine, experiment: Experiment) -> Iterator[str]:
    if refine.decoding is not None:
        yield from _decoding_complaints(f"{key}.decoding", refine.decoding)
    record = REFINERS.of(refine)
    for option in record.decodings:
        yield from _decoding_complaints(f"{key}.{option}", getattr(refine, option))
    demonstrations = getattr(refine, record.set_aside) if record.set_aside else None
    model = local_model(refine.by)
    if model is not None and model.adapt not in ("none", "probe"):
        yield f"{key}.by.adapt: `{model.adapt}` is not looked at, as nothing is trained; leave it out"
    for name, sizes in experiment.task.sizes_by_capability.items():
        half_b = sizes.counts["half_b"]
        if demonstrations is not None and half_b is not None and demonstrations >= half_b:
            where = f" of `{name}`" if name else ""
            option = f"{key}.{record.set_aside}"
            yield f"{option}: {demonstrations} demonstrations are all {half_b} labels{where}; name fewer"


def _rewritten_complaints(refine: Refine, method: Method) -> Iterator[str]:
    pool = method.combine.pool
    if pool is not None and (pool.writers or pool.beams):
        yield "combine: `writers` and `beams` are of labels as they are; with `refine` the rewritten ones are pooled"
    if not REFINERS.of(refine).reads_labels and method.combine != Method.model_fields["combine"].default:
        yield f"refine: `{refine.type}` reads no supervisor's labels; leave `combine` out"


def _listed(names: Iterable[str]) -> str:
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}" if first else last
