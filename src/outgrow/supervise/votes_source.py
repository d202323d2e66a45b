"""Votes or texts in a file as a source; the steps are in `votes_step.py`.

The steps depend on the file's content and not on its path.
"""

from outgrow.config.task import TaskSection
from outgrow.config.votes import VotesSection
from outgrow.data.data_identity import content_hash
from outgrow.data.task import Kind
from outgrow.graph.step import Json, Step
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump
from outgrow.supervise.source_record import Problems, SourceRecord, TextSource


def votes_step(plan: SeedPlan, name: str, section: VotesSection) -> Step:
    """One source's votes on all items."""
    params = {**_params(section, name), "source": name}
    function, label = "outgrow.supervise.votes_step:take_votes", f"{name}, seed {plan.seed}"
    return Step("supervisor", function, params, plan.data, hints=_paths(plan, section), label=label)


def text_steps(plan: SeedPlan, name: str, section: VotesSection) -> TextSource:
    """One source's texts for half B and for the test items."""
    half_b, test = (_texts_step(plan, name, section, part) for part in ("half_b", "test"))
    return TextSource(section, None, half_b, test)


def _texts_step(plan: SeedPlan, name: str, section: VotesSection, part: str) -> Step:
    params = {**_params(section, name), "part": part, "name": name}
    function, label = "outgrow.supervise.votes_step:take_texts", f"{part}: {name}, seed {plan.seed}"
    return Step("texts", function, params, plan.data, hints=_paths(plan, section), label=label)


def _params(section: VotesSection, name: str) -> dict[str, Json]:
    """The file's content and the source in it. Raises `DataError` if there is no such file."""
    return {
        "reading": dump(section, only=["columns", "renormalise"]),
        "content": content_hash(section.votes, f"supervisors.{name}.votes"),
        "file_source": section.source or name,
    }


def _paths(plan: SeedPlan, section: VotesSection) -> dict[str, Json]:
    """Where the files are; that of the task is named in messages only."""
    items = " and ".join(map(str, plan.experiment.task.places.values()))
    return {"file": str(section.votes.absolute()), "items": items or None}


def misfits(where: str, section: VotesSection, task: TaskSection, kind: Kind) -> Problems:
    """Options have places in the user's own file; those of a known task are ordered by outgrow."""
    if kind == "choose" and task.path is None:
        yield (
            f"{where}: votes of a file name the options of your own data (task.path) by their place, A, B and so on;"
            " with a known task set task.form to `text`"
        )


RECORD = SourceRecord(
    VotesSection,
    kinds=frozenset({"classify", "choose", "generate"}),
    key="votes",
    votes=votes_step,
    texts=text_steps,
    is_file=True,
    misfits=misfits,
    check="outgrow.supervise.votes_step:unreadable",
)
