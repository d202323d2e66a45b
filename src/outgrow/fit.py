"""What one kind of task can have and another cannot: said before anything runs.

`config/check.py` looks at what holds for every study; here the kind of the task is known.
"""

from collections.abc import Iterable, Iterator, Sequence

from outgrow.config.experiment import Experiment
from outgrow.config.method import Evidential, JointDecoding, KeepAll, Method, SingleSource
from outgrow.config.model import ModelSection
from outgrow.data.task import Kind
from outgrow.errors import ConfigError, suggest

TEXT_LOSSES = ("cross_entropy", "evidential")
TEXT_VARIANTS = ("plain", "self_training")


def require_fit(experiment: Experiment, kind: Kind) -> None:
    """Raise `ConfigError` at the first thing that a task of this kind cannot have."""
    complaints = text_complaints(experiment) if kind == "generate" else vote_complaints(experiment)
    for complaint in complaints:
        raise ConfigError(f"task `{experiment.task.name}` is of kind *{kind}*: {complaint}")


def vote_complaints(experiment: Experiment) -> Iterator[str]:
    """What a study of classes or options cannot have."""
    for method in experiment.methods:
        if isinstance(method.combine, JointDecoding):
            yield f"method `{method.name}`: `joint_decoding` chooses among texts; use `naive` or `vote`"
        if method.preference is not None:
            yield f"method `{method.name}`: `preference` compares texts; remove it"
    for where, section in _models(experiment):
        if section.training.keep == "best":
            yield f"{where}.training.keep: `best` is for texts; choose `epochs` by `tune` instead"


def text_complaints(experiment: Experiment) -> Iterator[str]:
    """What a study of texts cannot have."""
    for name, section in experiment.supervisors.items():
        if not isinstance(section, ModelSection):
            yield f"supervisors.{name}: an n-gram model cannot write; give it a `model`"
    for where, section in _models(experiment):
        if section.adapt == "probe":
            yield f"{where}.adapt: a `probe` cannot write; use `lora` or `full`"
    for variant in experiment.variants:
        if variant not in TEXT_VARIANTS:
            yield f"variants: `{variant}` is for classes; texts have {_listed(TEXT_VARIANTS)}"
    for key, decoding in {"labelling": experiment.labelling, "answering": experiment.answering}.items():
        if not decoding.sample and decoding.candidates > decoding.beams:
            yield f"{key}.candidates: a search of {decoding.beams} beams ends with no more texts; raise `{key}.beams`"
    for method in experiment.methods:
        yield from (f"method `{method.name}`: {complaint}" for complaint in _method_complaints(method, experiment))


def _models(experiment: Experiment) -> Iterator[tuple[str, ModelSection]]:
    for name, section in experiment.supervisors.items():
        if isinstance(section, ModelSection):
            yield f"supervisors.{name}", section
    yield "student", experiment.student


def _method_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    combine, loss = method.combine, method.loss
    if not isinstance(combine, KeepAll | SingleSource | JointDecoding):
        yield f"combine `{combine.type}` counts votes; texts have `keep_all`, `single` and `joint_decoding`"
    if isinstance(combine, KeepAll) and combine.weights == "accuracy":
        yield "combine.weights: `accuracy` is known of votes only; give one number per source"
    if isinstance(combine, JointDecoding):
        yield from _joint_complaints(combine, method.teachers(experiment.supervisors))
    if loss.type not in TEXT_LOSSES:
        yield f"loss `{loss.type}` is for classes; texts have {_listed(TEXT_LOSSES)}"
    if isinstance(loss, Evidential) and loss.evidence != "exp_plus_one":
        yield f"loss.evidence: `{loss.evidence}` is for classes; tokens have `exp_plus_one`"
    if method.rounds > 1:
        yield "rounds: a second round multiplies distributions over classes; leave it out"
    if (method.self_training or experiment.self_training).harden != "argmax":
        yield "self_training.harden: `balanced` counts classes; use `argmax`"
    if method.preference is not None and isinstance(method.preference.weights, dict):
        yield from _unknown("preference.weights", method.preference.weights, method.teachers(experiment.supervisors))


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
    return " and ".join(f"`{name}`" for name in names)
