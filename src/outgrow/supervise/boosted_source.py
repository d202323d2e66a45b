"""Several copies of one model as one source of texts, each trained on what the last one got wrong (EnsemW2S).

The training is `training/boosting_step.py`; the copies write together, token by token.
"""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.model import ModelSection
from outgrow.config.section import Section
from outgrow.config.task import TaskSection
from outgrow.data.task import Kind
from outgrow.graph.step import Step
from outgrow.study.check_models import model_problems
from outgrow.study.model_cost import Cost, StudySizes, text_training
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import hints, trained_params
from outgrow.supervise.source_record import Problems, SourceRecord, TextSource, written_texts

LEARN = "outgrow.training.boosting_step:train_boosted_supervisor"


class BoostedSection(Section):
    """*generate*: copies of one model, each trained on half A's tokens that the last one got wrong; they write
    together."""

    type: Literal["boosted"]
    by: ModelSection
    """The model and its training."""
    rounds: Annotated[int, Field(ge=1, le=32)] = 3
    """The most copies."""


def text_steps(plan: SeedPlan, name: str, section: BoostedSection) -> TextSource:
    """The trainings on half A's gold, then what the copies write."""
    params = {
        "adapt": section.by.adapt,
        "model": trained_params(section.by),
        "rounds": section.rounds,
        "seed": plan.seed,
    }
    model = Step(
        "supervisor", LEARN, params, plan.data, hints=hints(plan, section.by), label=f"{name}, seed {plan.seed}"
    )
    return written_texts(plan, name, section.by, model)


def always(section: BoostedSection) -> bool:
    """It learns half A's gold."""
    return True


def misfits(where: str, section: BoostedSection, task: TaskSection, kind: Kind) -> Problems:
    """What it cannot do."""
    if kind != "generate":
        yield f"{where}: `boosted` writes texts, and this task has classes or options; use a `model`"
    if section.by.adapt not in ("lora", "full"):
        yield f"{where}.by.adapt: `{section.by.adapt}` trains no model that writes; use `lora` or `full`"
    if section.by.training.keep == "best":
        yield f"{where}.by.training.keep: every copy learns all items of half A; use `last`"
    if section.by.engine.type != "hf":
        yield f"{where}.by.engine: copies write together, token by token, as no engine does; use `hf`"


def problems(where: str, section: BoostedSection, kind: Kind | None) -> Problems:
    """What is wrong with its model."""
    yield from model_problems(f"{where}.by", section.by, kind)


def user_code(section: BoostedSection) -> list[str]:
    """Code in the model's folder."""
    return [f"trust_remote_code of {section.by.model}"] if section.by.trust_remote_code else []


def cost(step: Step, sizes: StudySizes) -> Cost:
    """Half A's texts, once per copy."""
    settings = step.settings
    training = settings["model"]["training"]
    epochs = training["epochs"] * settings["rounds"]
    return text_training(settings, {**training, "epochs": epochs}, sizes.half_a, sizes)


RECORD = SourceRecord(
    BoostedSection,
    paper="Agrawal et al. 2024, arXiv 2410.04571 (EnsemW2S)",
    deviations=(
        "After a description of it, with the weights of SAMME (Zhu et al. 2009). The error is of all tokens of half"
        " A's texts; one below 0.001 counts as 0.001, and an expert no better than chance is left out"
    ),
    kinds=frozenset({"generate"}),
    texts=text_steps,
    trained=always,
    writes=True,
    can_score=lambda section: True,
    code=user_code,
    misfits=misfits,
    check=problems,
    costs={LEARN: cost},
)
