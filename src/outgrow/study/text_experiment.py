"""From an experiment on texts to its steps: the same picture as `steps.py`, for tasks of kind *generate*.

    supervisors learn half A ─► they write half B's labels ─► combine ─► the student learns ─► everybody answers
                                      │         │    ▲                         │
                                      │         └────┴ the student rewrites    │
                                      └─► they score each other's texts, or the student's ─► pairs ─► preference

Training and writing are steps of their own, so that a wider beam trains nothing again. Whatever a model says of texts,
its own or others', is a table of `WeakTexts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from outgrow.config.combine import JointDecoding
from outgrow.config.endpoint import EndpointSection
from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.model import ModelSection, Speaker
from outgrow.config.votes import VotesSection
from outgrow.graph.step import Json, Step
from outgrow.models.zero_shot_ability import can_answer
from outgrow.refine import REFINERS, Refine
from outgrow.study.step_params import dump, hints, reading_params
from outgrow.study.steps import STUDENT, SeedPlan, noised
from outgrow.study.text_steps import gathered, refined_step, scores_step, taken_step, texts_step

UNTOUCHED = "untouched"


@dataclass(frozen=True)
class TextSupervisor:
    """A supervisor, what it wrote for the student, and its answers to the test items."""

    section: Speaker | VotesSection
    model: Step | None
    """Its training, if it has any."""
    half_b: Step
    test: Step


@dataclass(frozen=True)
class ScoredTexts:
    """The supervisors' texts side by side, and what each scorer thinks of them."""

    texts: Step
    scores: Mapping[str, Step]


# ---- supervisors ----------------------------------------------------------------------------------------


def text_supervisors(stage: SeedPlan) -> dict[str, TextSupervisor]:
    """Every weak source, trained on half A's gold, told what to do, or a file: labels of half B and test answers."""
    return {name: _voice(stage, name, section) for name, section in _sections(stage.experiment).items()}


def _voice(stage: SeedPlan, name: str, section: Speaker | VotesSection) -> TextSupervisor:
    if isinstance(section, VotesSection):
        half_b, test = (taken_step(stage, name, section, part) for part in ("half_b", "test"))
        return TextSupervisor(section, None, half_b, test)
    model = _training(stage, name, section) if isinstance(section, ModelSection) and section.adapt != "none" else None
    labelling, answering = stage.experiment.labelling, stage.experiment.answering
    half_b = texts_step(stage, section, model, name, "half_b", labelling)
    return TextSupervisor(section, model, half_b, texts_step(stage, section, model, name, "test", answering))


def _training(stage: SeedPlan, name: str, section: ModelSection) -> Step:
    params = {"adapt": section.adapt, "model": trained_params(section), "seed": stage.seed}
    function = "outgrow.supervise.text_model_step:train_text_supervisor"
    label = f"{name}, seed {stage.seed}"
    return Step("supervisor", function, params, stage.data, hints=hints(stage.experiment, section), label=label)


def _sections(experiment: Experiment) -> dict[str, Speaker | VotesSection]:
    return {
        name: section
        for name, section in experiment.supervisors.items()
        if isinstance(section, ModelSection | EndpointSection | VotesSection)
    }


def trained_params(section: ModelSection) -> dict[str, Json]:
    """What of a model's section changes its training."""
    lora = ["lora"] if section.adapt == "lora" else []
    return {**reading_params(section), **dump(section, only=["training", "holdout", *lora])}


# ---- labels --------------------------------------------------------------------------------------------------


def labels_for(stage: SeedPlan, method: Method, heard: Mapping[str, TextSupervisor]) -> ScoredTexts:
    """The texts that a method looks at: its teachers' best ones, as they are or rewritten, or a pool they score."""
    combine, heard = method.combine, taught_by(method, heard)
    if isinstance(combine, JointDecoding):
        written = {name: _candidates(stage, name, heard[name], combine.beams) for name in combine.writers or heard}
    else:
        written = {name: voice.half_b for name, voice in heard.items()}
    written = {name: noised(stage, method, "texts", step) for name, step in written.items()}
    if method.refine is not None:
        written = _refined(stage, method.refine, written)
    if not isinstance(combine, JointDecoding):
        return ScoredTexts(gathered(stage, written), {})
    scorers = {name: heard[name] for name in combine.scorers or heard}
    return ScoredTexts(gathered(stage, written), scored_by(stage, scorers, written))


def _refined(stage: SeedPlan, refine: Refine, written: Mapping[str, Step]) -> dict[str, Step]:
    """Every supervisor's labels rewritten; a refiner that does not read them has one result for all."""
    if not REFINERS.of(refine).reads_labels:
        return {UNTOUCHED: refined_step(stage, refine, UNTOUCHED, None)}
    return {name: refined_step(stage, refine, name, step) for name, step in written.items()}


def scored_by(stage: SeedPlan, scorers: Mapping[str, TextSupervisor], tables: Mapping[str, Step]) -> dict[str, Step]:
    """What each scorer thinks of all texts; only models of this machine can be asked that."""
    return {
        name: scores_step(stage, voice.section, voice.model, name, tables)
        for name, voice in scorers.items()
        if isinstance(voice.section, ModelSection)
    }


def taught_by(method: Method, heard: Mapping[str, TextSupervisor]) -> dict[str, TextSupervisor]:
    """The supervisors that teach a method."""
    return {name: heard[name] for name in method.teachers(heard)}


def _candidates(stage: SeedPlan, name: str, voice: TextSupervisor, beams: int | None) -> Step:
    """A writer's candidates: those it wrote anyway, or those of a search as wide as asked for."""
    if beams is None or isinstance(voice.section, VotesSection):
        return voice.half_b
    decoding = stage.experiment.labelling.model_copy(update={"beams": beams, "candidates": beams, "sample": False})
    return texts_step(stage, voice.section, voice.model, name, "half_b", decoding)


def can_write(section: Speaker) -> bool:
    """Whether a model answers without any training."""
    return isinstance(section, EndpointSection) or can_answer(section.model, section.revision)


def answers(stage: SeedPlan, model: Step | None, name: str = STUDENT) -> Step:
    """The student's answers to the test items, after some training or none."""
    return texts_step(stage, stage.experiment.student, model, name, "test", stage.experiment.answering)
