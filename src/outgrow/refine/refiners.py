"""What the strong model is asked in order to rewrite weak labels, after Somerstep et al. 2024 (arXiv 2405.16236).

| refiner | the strong model sees | it does not see |
|---|---|---|
| `icl` (algorithm 1) | the batch's other questions with their weak answers, then the question | its weak answer |
| `infer_and_respond` (2) | first the batch, to name its style; then that sentence and the question | any weak answer |
| `ask_to_improve` (3) | the question and its weak answer | other questions |
| `self_bootstrap` | the question | everything weak |

Everything here is but what would be asked: who asks it is `refine_step.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outgrow.data.template import fill
from outgrow.generation.chat import Conversation, Message, single_turn
from outgrow.refine.question_batches import ShownQuestion, WeakExample, in_batches, leave_one_out, with_fixed

Prompts = Mapping[str, str]


@dataclass(frozen=True)
class RefinerRequest:
    """One conversation about one item or, for what a batch has in common, about its first."""

    item: str
    conversation: Conversation
    batch: int


def icl(examples: Sequence[WeakExample], prompts: Prompts, batch: int, fixed: int | None) -> list[RefinerRequest]:
    """Each question after the demonstrations of the others."""
    shown = leave_one_out(examples, batch) if fixed is None else with_fixed(examples, fixed)
    return [RefinerRequest(one.example.item, _after_demonstrations(one, prompts), one.batch) for one in shown]


def naming(examples: Sequence[WeakExample], prompts: Prompts, batch: int) -> list[RefinerRequest]:
    """What is asked to name the style of each batch."""
    system = Message("system", fill(prompts["infer_and_respond.naming.system"]))
    asks = []
    for number, members in enumerate(in_batches(examples, batch)):
        shown = fill(prompts["infer_and_respond.naming.user"], demonstrations=demonstrations(members, prompts))
        asks.append(RefinerRequest(members[0].item, (system, Message("user", shown)), number))
    return asks


def responding(
    examples: Sequence[WeakExample], prompts: Prompts, batch: int, concepts: Mapping[int, str]
) -> list[RefinerRequest]:
    """Each question under its batch's style; `concepts` by batch. A batch without one is not asked."""
    return [
        RefinerRequest(one.item, _under(concepts[number], one, prompts), number)
        for number, members in enumerate(in_batches(examples, batch))
        if number in concepts
        for one in members
    ]


def ask_to_improve(examples: Sequence[WeakExample], prompts: Prompts) -> list[RefinerRequest]:
    """Each question with its weak answer."""
    system = fill(prompts["ask_to_improve.system"])
    return [
        RefinerRequest(
            one.item,
            single_turn(fill(prompts["ask_to_improve.user"], question=one.question, answer=one.answer), system),
            0,
        )
        for one in examples
    ]


def self_bootstrap(questions: Mapping[str, str], prompts: Prompts, system: str | None) -> list[RefinerRequest]:
    """Each question alone, after what the model is always told."""
    return [
        RefinerRequest(item, single_turn(fill(prompts["self_bootstrap.user"], question=question), system), 0)
        for item, question in questions.items()
    ]


def demonstrations(examples: Sequence[WeakExample], prompts: Prompts) -> str:
    """Questions with their answers, below each other."""
    return "".join(
        fill(prompts["demonstration"], question=one.question, answer=one.answer) for one in examples
    ).rstrip("\n")


def _after_demonstrations(shown: ShownQuestion, prompts: Prompts) -> Conversation:
    system = fill(prompts["icl.system"], demonstrations=demonstrations(shown.others, prompts))
    return single_turn(fill(prompts["icl.user"], question=shown.example.question), system)


def _under(concept: str, example: WeakExample, prompts: Prompts) -> Conversation:
    system = fill(prompts["infer_and_respond.system"], concept=concept)
    return single_turn(fill(prompts["infer_and_respond.user"], question=example.question), system)
