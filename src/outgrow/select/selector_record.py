"""`SelectorRecord`: all that is known of one way of selecting the targets that a student learns from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from outgrow.config.model import ModelSection
from outgrow.config.section import Section, complaint
from outgrow.extensions import Function, Record
from outgrow.refine import Refine

Options = Mapping[str, Any]


class SelectorSection(Section):
    """Options of a selection."""

    type: str


class KeepSection(Section):
    """Which scores are high enough; exactly one of `threshold`, `fraction` and `quota`."""

    threshold: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    """All targets that score at least this much, within 0 … 1."""
    fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """This share of the targets, the best ones; rounded up."""
    quota: int | dict[str, int] | None = None
    """So many of each capability, the best ones: one number for all, or one per capability (none of the others)."""
    within: Literal["capability", "all"] = "capability"
    """Whether a fraction is of each capability's targets, or of all of them together."""

    @model_validator(mode="after")
    def _one_rule(self) -> "KeepSection":
        given = [name for name in ("threshold", "fraction", "quota") if getattr(self, name) is not None]
        if len(given) != 1:
            raise complaint(f"needs exactly one of threshold, fraction and quota, not {' and '.join(given) or 'none'}")
        if isinstance(self.quota, int) and self.quota < 1:
            raise complaint(f"quota: is 1 or more, not {self.quota}")
        if isinstance(self.quota, dict) and (min(self.quota.values(), default=0) < 0 or not any(self.quota.values())):
            raise complaint("quota: numbers by capability are 0 or more, and not all 0")
        return self


@dataclass(frozen=True)
class RewardModel:
    """The reward model that a selection needs: an input `reward`."""

    params: Mapping[str, Any]
    """All that changes what it learns."""
    model: ModelSection | None
    """What it starts from; `None`: the student."""


@dataclass(frozen=True)
class Needs:
    """What a selection reads beside the targets; each is an input of its step."""

    strong: Refine | None = None
    """How the strong model answers by itself. Input `strong` of the step `selected` or, with `reward`, of `reward`."""
    reward: RewardModel | None = None
    """Input `reward`."""
    student_scores: bool = False
    """The untouched student's log-probabilities of the targets, which are texts. Input `scores`."""
    states: Literal["sources", "student"] | None = None
    """Hidden states of all items by supervisor, or the student's, and the supervisors' answers on half A. Inputs
    `states.NAME` and `labels`."""
    size_of: str | None = None
    """A method whose selection's size is copied. Input `like`."""
    capabilities: tuple[str, ...] | None = None
    """Capabilities that the task must have; `None`: it needs none."""


def nothing_else(section: Any) -> Needs:
    """The targets are enough."""
    return Needs()


def rule_in_keep(options: Options) -> dict[str, Any]:
    """The rule is the option `keep`."""
    return dict(options["keep"])


def never(section: Any) -> bool:
    """The section stands for one row."""
    return False


@dataclass(frozen=True, kw_only=True)
class SelectorRecord(Record):
    """One way of selecting targets: a score per row, and a rule that says which scores are kept."""

    by: str
    """What tables and messages call it: `kept by …`."""
    text_scores: Function | None
    """`text_scores(inputs: SelectionInputs)`: one score per target, higher is better, NaN where there is none."""
    vote_scores: Function | None
    """The same of targets that are distributions over classes."""
    needs: Callable[[Any], Needs] = nothing_else
    """What it reads, given its section."""
    asked_before: tuple[str, ...] = ()
    """Options that only decide which inputs the step has; they are no parameters of it."""
    rule: Callable[[Options], dict[str, Any]] = rule_in_keep
    """The arguments of `keep_rows`."""
    sees_gold: bool = False
    """Whether it is an upper bound, and marked as such."""
    is_control: bool = False
    """Whether its choice is random."""
    by_content: bool = True
    """Whether it scores targets; otherwise it takes some capabilities whole."""
    once_per_capability: Callable[[Any], bool] = never
    """Whether a section stands for one row per capability; each has the capability in its option `only`."""
    why_unscored: str = "no score could be computed"
    """Why no target may have a score."""
    why_empty: str = ""
    """Why nothing may be kept although there are scores."""
