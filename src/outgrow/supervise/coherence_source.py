"""A base model that labels by coherence alone, as a source: it learns no gold. The step is in `coherence.py`."""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.config.model import ModelSection
from outgrow.config.section import Section
from outgrow.config.task import TaskSection
from outgrow.data.task import Kind
from outgrow.errors import OutgrowError
from outgrow.graph.step import Step
from outgrow.models.model_identity import model_identity
from outgrow.models.model_size import can_answer
from outgrow.study.model_cost import Cost, StudySizes, inference
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump, hints
from outgrow.supervise.source_record import Problems, SourceRecord

LABEL = "outgrow.supervise.coherence:label_coherently"
READ = ["model", "revision", "dtype", "max_length", "trust_remote_code"]


class CoherenceSection(Section):
    """A language model whose labels of half B predict each other (internal coherence maximisation); no gold."""

    type: Literal["coherence"]
    by: ModelSection
    """A causal language model, as it is; how it is adapted is not looked at."""
    alpha: Annotated[float, Field(gt=0)] = 50.0
    """Weight of the labels' mean margin against the number of inconsistencies."""
    context: Annotated[int, Field(ge=1, le=1000)] = 16
    """Labelled items before each item, as far as the model's `max_length` reaches."""
    start: Annotated[int, Field(ge=2)] = 8
    """Random labels at the beginning."""
    passes: Annotated[float, Field(gt=0, le=1000)] = 2.0
    """Steps of the search per item."""


def votes_step(plan: SeedPlan, name: str, section: CoherenceSection) -> Step:
    """Labels half B by a search, and half A and the test items after it."""
    model = section.by
    params = {
        "model": {**dump(model, only=READ), "identity": model_identity(model.model, model.revision)},
        "search_options": dump(section, without=["type", "by"]),
        "seed": plan.seed,
        "source": name,
    }
    return Step("supervisor", LABEL, params, plan.data, hints=hints(plan, model), label=f"{name}, seed {plan.seed}")


def misfits(where: str, section: CoherenceSection, task: TaskSection, kind: Kind) -> Problems:
    """It chooses among classes or options."""
    if kind == "generate":
        yield f"{where}: `coherence` chooses among classes or options, and answers here are texts; give it a `model`"


def problems(where: str, section: CoherenceSection, kind: Kind | None) -> Problems:
    """A model that cannot say how probable a text is; whether there is one is checked where it stands."""
    try:
        answers = can_answer(section.by.model, section.by.revision)
    except OutgrowError:
        return
    if not answers:
        yield f"{where}.by.model: `{section.by.model}` is no causal language model; name one that is"


def cost(step: Step, sizes: StudySizes) -> Cost:
    """Each step of the search reads the items whose examples changed, each after its examples."""
    options = step.settings["search_options"]
    examples = min(options["context"], sizes.half_b) + 1
    asked = sizes.half_b * options["passes"] * examples + sizes.half_a + sizes.test
    return inference(step.settings["model"], None, round(asked * examples), sizes)


RECORD = SourceRecord(
    CoherenceSection,
    paper="Wen et al. 2025, arXiv 2506.10139 (internal coherence maximisation)",
    deviations=(
        "After a description of it. Some of the other labels in context instead of all; an inconsistency is the same"
        " text with two labels; half A and the test items are answered after labels of half B"
    ),
    kinds=frozenset({"classify", "choose"}),
    votes=votes_step,
    misfits=misfits,
    check=problems,
    costs={LABEL: cost},
)
