"""A logistic regression on n-gram counts as a source; the step is in `ngram.py`."""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.section import Section
from outgrow.config.task import TaskSection
from outgrow.data.task import Kind
from outgrow.graph.step import Step
from outgrow.study.model_cost import Cost, StudySizes
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump
from outgrow.supervise.source_record import Problems, SourceRecord

LEARN = "outgrow.supervise.ngram:train_ngram"
SECONDS = 9.0
"""Of half A with a thousand items; it grows with their square."""
ANSWERS = 1000.0
"""Items that are answered in a second."""
GramLength = Annotated[int, Field(ge=1, le=100)]


class NgramSection(Section):
    """A logistic regression on n-gram counts (scikit-learn): the cheapest of supervisors."""

    type: Literal["ngram"]
    unit: Literal["word", "char"] = "word"
    """N-grams of words or of characters."""
    shortest: GramLength = 1
    """The least number of units in an n-gram."""
    longest: GramLength = 2
    """The largest number of units in an n-gram."""


def votes_step(plan: SeedPlan, name: str, section: NgramSection) -> Step:
    """Trained on half A's gold; answers half B and the test items."""
    params = {**dump(section, without=["type"]), "seed": plan.seed, "source": name}
    return Step("supervisor", LEARN, params, plan.data, label=f"{name}, seed {plan.seed}")


def misfits(where: str, section: NgramSection, task: TaskSection, kind: Kind) -> Problems:
    """It has classes only."""
    if kind == "generate":
        yield f"{where}: an n-gram model cannot write; give it a `model`"


def cost(step: Step, sizes: StudySizes) -> Cost:
    """Fits of every C in every fold, in the space of the training rows, then answers to all other items."""
    return Cost(seconds=SECONDS * (sizes.half_a / 1000) ** 2 + (sizes.half_b + sizes.test) / ANSWERS)


RECORD = SourceRecord(
    NgramSection,
    kinds=frozenset({"classify", "choose"}),
    votes=votes_step,
    trained=lambda section: True,
    misfits=misfits,
    costs={LEARN: cost},
)
