"""Finished steps, and why another step has no result."""

from collections.abc import Mapping

from outgrow.graph.done import Damaged, Done
from outgrow.graph.event import StepOutcome
from outgrow.graph.step import Step, walk
from outgrow.graph.store import Store

NOT_RUN = "not run yet"


def record(store: Store, step: Step) -> Done | None:
    """The step's `done.json` if its result is there; the run of the study has verified its contents."""
    try:
        return store.inspect(step, thorough=False)
    except Damaged:
        return None


def reason(step: Step, outcomes: Mapping[str, StepOutcome]) -> str:
    """One sentence for the report."""
    for source in walk([step]):
        outcome = outcomes.get(source.identity)
        if outcome is not None and outcome.state in ("failed", "interrupted"):
            what = outcome.error.strip() or outcome.state
            return what if source.identity == step.identity else f"needs {describe(source)}, which {_fate(outcome)}"
    outcome = outcomes.get(step.identity)
    return (outcome.error.strip() if outcome is not None else "") or NOT_RUN


def describe(step: Step) -> str:
    """`supervisor-1a2b3c4d (words, seed 0)`."""
    return f"{step.folder} ({step.label})" if step.label else step.folder


def _fate(outcome: StepOutcome) -> str:
    if outcome.state == "interrupted":
        return "was interrupted"
    return f"failed: {outcome.error.strip()}" if outcome.error.strip() else "failed"
