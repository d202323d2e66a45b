"""From an experiment on texts to its steps: the same picture as `experiment.py`, for tasks of kind *generate*.

    supervisors learn half A ─► they write half B's labels ─► combine ─► the student learns ─► everybody answers
                                      │         │    ▲                         │
                                      │         └────┴ the student rewrites    │
                                      └─► they score each other's texts, or the student's ─► pairs ─► preference

Training and writing are steps of their own, so that a wider beam trains nothing again. Whatever a model says of texts,
its own or others', is a table of `WeakTexts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.method import CrossEntropy, JointDecoding, Method, Preference, SelfTraining
from outgrow.config.model import ModelSection, Speaker
from outgrow.config.refine import Refine
from outgrow.experiment import STUDENT, Stage, student_here
from outgrow.graph.step import Json, Step
from outgrow.models.zero_shot_ability import can_answer
from outgrow.parameters import dump, hints, loss_params, reading_params, speaker_hints
from outgrow.text_steps import gathered, refined_step, scores_step, texts_step

UNTOUCHED = "untouched"


@dataclass(frozen=True)
class Voice:
    """A supervisor, what it wrote for the student, and its answers to the test items."""

    section: Speaker
    model: Step | None
    """Its training, if it has any."""
    strong: Step
    test: Step


@dataclass(frozen=True)
class Labels:
    """The supervisors' texts side by side, and what each scorer thinks of them."""

    texts: Step
    scores: Mapping[str, Step]


# ---- supervisors ----------------------------------------------------------------------------------------


def voices(stage: Stage) -> dict[str, Voice]:
    """Every weak source, trained on half A's gold or told what to do; each labels half B and answers the test."""
    return {name: _voice(stage, name, section) for name, section in _sections(stage.experiment).items()}


def _voice(stage: Stage, name: str, section: Speaker) -> Voice:
    model = _training(stage, name, section) if isinstance(section, ModelSection) and section.adapt != "none" else None
    labelling, answering = stage.experiment.labelling, stage.experiment.answering
    strong = texts_step(stage, section, model, name, "strong", labelling)
    return Voice(section, model, strong, texts_step(stage, section, model, name, "test", answering))


def _training(stage: Stage, name: str, section: ModelSection) -> Step:
    params = {"adapt": section.adapt, "model": trained_params(section), "seed": stage.seed}
    function = "outgrow.supervise.text_model:train_text_supervisor"
    label = f"{name}, seed {stage.seed}"
    return Step("supervisor", function, params, stage.data, hints=hints(stage.experiment, section), label=label)


def _sections(experiment: Experiment) -> dict[str, Speaker]:
    return {
        name: section
        for name, section in experiment.supervisors.items()
        if isinstance(section, ModelSection | EndpointSection)
    }


def trained_params(section: ModelSection) -> dict[str, Json]:
    """What of a model's section changes its training."""
    lora = ["lora"] if section.adapt == "lora" else []
    return {**reading_params(section), **dump(section, only=["training", "holdout", *lora])}


# ---- labels to students ---------------------------------------------------------------------------------


def labels_for(stage: Stage, method: Method, heard: Mapping[str, Voice]) -> Labels:
    """The texts that a method looks at: its teachers' best ones, as they are or rewritten, or a pool they score."""
    combine, heard = method.combine, taught_by(method, heard)
    if method.refine is not None:
        written = _refined(stage, method.refine, heard)
    elif isinstance(combine, JointDecoding):
        written = {name: _candidates(stage, name, heard[name], combine.beams) for name in combine.writers or heard}
    else:
        written = {name: voice.strong for name, voice in heard.items()}
    if not isinstance(combine, JointDecoding):
        return Labels(gathered(written), {})
    scorers = {name: heard[name] for name in combine.scorers or heard}
    return Labels(gathered(written), _scores(stage, scorers, written))


def _refined(stage: Stage, refine: Refine, heard: Mapping[str, Voice]) -> dict[str, Step]:
    """Every teacher's labels rewritten; the strong model's own are the same whoever teaches."""
    if refine.type == "self_bootstrap":
        return {UNTOUCHED: refined_step(stage, refine, UNTOUCHED, None)}
    return {name: refined_step(stage, refine, name, voice.strong) for name, voice in heard.items()}


def _scores(stage: Stage, scorers: Mapping[str, Voice], tables: Mapping[str, Step]) -> dict[str, Step]:
    """What each scorer thinks of all texts; only models of this machine can be asked that."""
    return {
        name: scores_step(stage, voice.section, voice.model, name, tables)
        for name, voice in scorers.items()
        if isinstance(voice.section, ModelSection)
    }


def taught_by(method: Method, heard: Mapping[str, Voice]) -> dict[str, Voice]:
    """The supervisors that teach a method."""
    return {name: heard[name] for name in method.teachers(heard)}


def _candidates(stage: Stage, name: str, voice: Voice, beams: int | None) -> Step:
    """A writer's candidates: those it wrote anyway, or those of a search as wide as asked for."""
    if beams is None:
        return voice.strong
    decoding = stage.experiment.labelling.model_copy(update={"beams": beams, "candidates": beams, "sample": False})
    return texts_step(stage, voice.section, voice.model, name, "strong", decoding)


def taught_student(stage: Stage, method: Method, labels: Labels, trained: bool) -> Step:
    """The student's training on a method's targets and, where the method says so, on preferences after it."""
    inputs = {"pool": stage.pool, "labels": labels.texts, **_scored(labels.scores)}
    params: dict[str, Json] = {"combine": dump(method.combine)}
    function = "outgrow.combine.make_texts:make_text_targets"
    targets = Step("targets", function, params, inputs, label=method.combine.type)
    self_training = (method.self_training or stage.experiment.self_training) if trained else None
    label = f"{method.name}{' + self-training' if self_training else ''}, seed {stage.seed}"
    return student_step(stage, method, targets, self_training, label)


def student_step(stage: Stage, method: Method, targets: Step, self_training: SelfTraining | None, label: str) -> Step:
    """The student's training on some targets, here or by its provider."""
    if isinstance(stage.experiment.student, EndpointSection):
        return remote_student_step(stage, stage.experiment.student, targets, label)
    section = student_here(stage.experiment)
    params = {
        "adapt": section.adapt,
        "model": trained_params(section),
        "loss": loss_params(method, "generate"),
        "soft_labels": dump(method.soft_labels or stage.experiment.soft_labels),
        "self_training": None if self_training is None else dump(self_training),
        "seed": stage.seed,
    }
    inputs = {**stage.data, "targets": targets}
    function = "outgrow.train.text_student:train_text_student"
    return Step("student", function, params, inputs, hints=hints(stage.experiment, section), label=label)


def remote_student_step(stage: Stage, section: EndpointSection, targets: Step, label: str) -> Step:
    """The same at its provider; how often it is looked at changes nothing."""
    assert section.fine_tuning is not None, "students that cannot be tuned are refused before"
    params = {
        "model": reading_params(section),
        "fine_tuning": dump(section.fine_tuning, without=["poll"]),
        "seed": stage.seed,
    }
    inputs = {**stage.data, "targets": targets}
    function = "outgrow.train.remote_student:train_remote_student"
    asking = {**speaker_hints(stage.experiment, section), "poll": section.fine_tuning.poll}
    return Step("student", function, params, inputs, hints=asking, label=label)


def ceiling(stage: Stage) -> Step:
    """The student on half B's gold."""
    gold = Step("gold", "outgrow.combine.make_texts:make_text_gold", {}, stage.data, label=f"seed {stage.seed}")
    return student_step(stage, Method(name="ceiling", loss=CrossEntropy()), gold, None, f"ceiling, seed {stage.seed}")


def preferring(stage: Stage, method: Method, student: Step, heard: Mapping[str, Voice]) -> Step:
    """The student tuned on what the supervisors prefer among its own texts."""
    preference, section = method.preference, student_here(stage.experiment)
    assert preference is not None, "only methods with a second stage are asked for one"
    params = {
        "adapt": section.adapt,
        "model": trained_params(section),
        "preference": dump(preference, without=["candidates", "weights"]),
        "seed": stage.seed,
    }
    inputs = {**stage.data, "student": student, "pairs": _pairs(stage, preference, student, taught_by(method, heard))}
    function = "outgrow.train.text_preference:train_preference"
    label = f"{student.label}, {preference.loss}"
    return Step("preference", function, params, inputs, hints=hints(stage.experiment, section), label=label)


def _pairs(stage: Stage, preference: Preference, student: Step, heard: Mapping[str, Voice]) -> Step:
    """The student's best and worst text for every item, by the supervisors' scores."""
    section = student_here(stage.experiment)
    candidates = texts_step(stage, section, student, STUDENT, "strong", preference.candidates)
    table = {STUDENT: candidates}
    scores = _scores(stage, heard, table)
    inputs = {
        "pool": stage.pool,
        "candidates": candidates,
        "reference": scores_step(stage, section, student, STUDENT, table),
        **_scored(scores),
    }
    params = dump(preference, only=["epsilon", "weights", "logprobs"])
    return Step("pairs", "outgrow.combine.make_texts:make_pairs", params, inputs, label=student.label)


def can_write(section: Speaker) -> bool:
    """Whether a model answers without any training."""
    return isinstance(section, EndpointSection) or can_answer(section.model, section.revision)


def answers(stage: Stage, model: Step | None, name: str = STUDENT) -> Step:
    """The student's answers to the test items, after some training or none."""
    return texts_step(stage, stage.experiment.student, model, name, "test", stage.experiment.answering)


def _scored(scores: Mapping[str, Step]) -> dict[str, Step]:
    return {f"scores.{name}": step for name, step in scores.items()}
