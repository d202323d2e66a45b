"""A model behind a server as a source. It learns no gold; its steps are in `endpoint_step.py` and `ask_step.py`."""

import os
from dataclasses import asdict

from outgrow.config.endpoint import EndpointSection
from outgrow.config.task import TaskSection
from outgrow.data.task import Kind
from outgrow.endpoints.api_key import header_trouble
from outgrow.graph.step import Step
from outgrow.study.model_cost import Cost, StudySizes, choice_traffic, writing
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import ASKING, dump, hints
from outgrow.supervise.source_record import AskedJudge, Problems, SourceRecord, TextSource, written_texts

ASK = "outgrow.supervise.endpoint_step:ask_supervisor"


def votes_step(plan: SeedPlan, name: str, section: EndpointSection) -> Step:
    """Asked about all items; one step for all seeds that ask the same."""
    params = {"model": dump(section, only=[*ASKING, "structured"]), "source": name}
    label = f"{name}, seed {plan.seed}"
    return Step("supervisor", ASK, params, plan.data, hints=hints(plan, section), label=label, version=2)


def asked_step(judge: AskedJudge) -> Step:
    """Asked one prompt about all items."""
    params = {
        "model": dump(judge.section, only=[*ASKING, "structured"]),
        "form": asdict(judge.form),
        **judge.sampling,
        "source": judge.source,
    }
    function = "outgrow.supervise.ask_step:ask_judge"
    return Step("judge", function, params, {"pool": judge.questions}, hints=judge.hints, label=judge.source)


def text_steps(plan: SeedPlan, name: str, section: EndpointSection) -> TextSource:
    """What it writes."""
    return written_texts(plan, name, section, None)


def misfits(where: str, section: EndpointSection, task: TaskSection, kind: Kind) -> Problems:
    """Supervisors are not tuned by their providers."""
    if kind == "generate" and section.fine_tuning is not None:
        yield f"{where}.fine_tuning: only the student is tuned by its provider; remove it"


def unusable_key(where: str, section: EndpointSection) -> Problems:
    """A key in the environment that no request can carry."""
    value = os.environ.get(section.key or "")
    if value and (trouble := header_trouble(value)):
        yield f"{where}.key: the value of the environment variable {section.key} {trouble}, so no server accepts it"


def cost(step: Step, sizes: StudySizes) -> Cost:
    """A short answer to every item."""
    return writing(step, choice_traffic(sizes), sizes)


RECORD = SourceRecord(
    EndpointSection,
    kinds=frozenset({"classify", "choose", "generate"}),
    votes=votes_step,
    texts=text_steps,
    asked=asked_step,
    writes=True,
    can_score=lambda section: bool(section.scores),
    remote=True,
    misfits=misfits,
    check_machine=unusable_key,
    costs={ASK: cost},
)
