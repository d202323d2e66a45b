"""Refiners: requests to the strong model that rewrite weak labels, after Somerstep et al. 2024 (arXiv 2405.16236).

| refiner | input of the strong model | not in the input |
|---|---|---|
| `icl` (algorithm 1) | the batch's other questions with their weak answers, then the question | its weak answer |
| `infer_and_respond` (2) | first the batch, to name its style; then this description and the question | weak answers |
| `ask_to_improve` (3) | the question and its weak answer | other questions |
| `self_bootstrap` | the question | weak answers |

The requests are sent by `refine_step.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from outgrow.config.decoding import Decoding
from outgrow.data.template import fill
from outgrow.generation.chat import Conversation, Message, single_turn
from outgrow.refine.refiner_record import (
    Options,
    Prompts,
    RefinerInputs,
    RefinerRecord,
    RefinerRequest,
    RefinerSection,
    TokenSizes,
    WeakExample,
)

# ---- batches of questions -------------------------------------------------------------------------------


class ShownQuestion(NamedTuple):
    """A question to answer again, and the examples that are shown with it."""

    example: WeakExample
    others: tuple[WeakExample, ...]
    """The other examples, without the question itself."""
    batch: int


def in_batches(examples: Sequence[WeakExample], size: int) -> list[list[WeakExample]]:
    """Batches of `size` consecutive questions of one capability.

    A last batch of one question is joined with the batch before it.
    """
    return [batch for group in _by_capability(examples) for batch in _cut(group, size)]


def _cut(examples: Sequence[WeakExample], size: int) -> list[list[WeakExample]]:
    batches = [list(examples[start : start + size]) for start in range(0, len(examples), size)]
    if len(batches) > 1 and len(batches[-1]) == 1:
        last = batches.pop()
        batches[-1] += last
    return batches


def leave_one_out(examples: Sequence[WeakExample], size: int) -> list[ShownQuestion]:
    """Each question with the others of its batch, in their order."""
    return [
        ShownQuestion(example, tuple(neighbour for neighbour in batch if neighbour is not example), index)
        for index, batch in enumerate(in_batches(examples, size))
        for example in batch
    ]


def with_fixed(examples: Sequence[WeakExample], n: int) -> list[ShownQuestion]:
    """Each question after the first `n` of its capability, which are shown with it."""
    return [
        ShownQuestion(example, tuple(group[:n]), index)
        for index, group in enumerate(_by_capability(examples))
        for example in group[n:]
    ]


def _by_capability(examples: Sequence[WeakExample]) -> list[list[WeakExample]]:
    """The examples of each capability, in their order."""
    groups: dict[str, list[WeakExample]] = {}
    for example in examples:
        groups.setdefault(example.capability, []).append(example)
    return list(groups.values())


# ---- in-context learning --------------------------------------------------------------------------------


class Icl(RefinerSection):
    """Answer each question of a batch after the other questions with their weak answers, without its own."""

    type: Literal["icl"]
    batch: Annotated[int, Field(ge=2)] = 5
    """Number of questions that are demonstrations for each other."""
    fixed: Annotated[int, Field(ge=1)] | None = None
    """Instead: number of items that are demonstrations for all others and are not learned from."""


def icl(examples: Sequence[WeakExample], prompts: Prompts, batch: int, fixed: int | None) -> list[RefinerRequest]:
    """Each question after the demonstrations of the others."""
    shown = leave_one_out(examples, batch) if fixed is None else with_fixed(examples, fixed)
    return [RefinerRequest(entry.example.item, _after_demonstrations(entry, prompts), entry.batch) for entry in shown]


def _icl_tokens(options: Options, sizes: TokenSizes) -> tuple[float | int, float | int]:
    """Expected tokens: every question is read with its demonstrations."""
    others = options["fixed"] or options["batch"] - 1
    read = others * (sizes.question + sizes.weak_answer) + sizes.question
    return sizes.items * read, sizes.items * sizes.written


DEMONSTRATION = {"demonstration": ("question", "answer")}
ICL = RefinerRecord(
    Icl,
    paper="Somerstep et al. 2024, algorithm 1",
    requests=lambda inputs: icl(inputs.examples, inputs.prompts, inputs.options["batch"], inputs.options["fixed"]),
    prompts={**DEMONSTRATION, "icl.system": ("demonstrations",), "icl.user": ("question",)},
    set_aside="fixed",
    tokens=_icl_tokens,
)


# ---- infer and respond ----------------------------------------------------------------------------------


class InferAndRespond(RefinerSection):
    """Describe the common style of a batch of weak answers, then answer each question in this style."""

    type: Literal["infer_and_respond"]
    batch: Annotated[int, Field(ge=1)] = 5
    naming: Decoding = Decoding(beams=1, candidates=1)
    """Decoding of the description."""


def infer_and_respond(inputs: RefinerInputs) -> list[RefinerRequest]:
    """Two rounds: one line on the style of each batch, then each question with its batch's style."""
    batch = inputs.options["batch"]
    requests = naming(inputs.examples, inputs.prompts, batch)
    texts = inputs.generate("naming", requests, inputs.options["naming"])
    concepts = {
        request.batch: " ".join(candidates[0].split())
        for request, candidates in zip(requests, texts, strict=True)
        if candidates
    }
    return responding(inputs.examples, inputs.prompts, batch, concepts)


def naming(examples: Sequence[WeakExample], prompts: Prompts, batch: int) -> list[RefinerRequest]:
    """The requests for the style of each batch."""
    system = Message("system", fill(prompts["infer_and_respond.naming.system"]))
    requests = []
    for index, members in enumerate(in_batches(examples, batch)):
        text = fill(prompts["infer_and_respond.naming.user"], demonstrations=demonstrations(members, prompts))
        requests.append(RefinerRequest(members[0].item, (system, Message("user", text)), index))
    return requests


def responding(
    examples: Sequence[WeakExample], prompts: Prompts, batch: int, concepts: Mapping[int, str]
) -> list[RefinerRequest]:
    """Each question with its batch's style. `concepts`: by batch; a batch without a concept has no requests."""
    return [
        RefinerRequest(example.item, _with_concept(concepts[index], example, prompts), index, concepts[index])
        for index, members in enumerate(in_batches(examples, batch))
        if index in concepts
        for example in members
    ]


def _infer_and_respond_tokens(options: Options, sizes: TokenSizes) -> tuple[float | int, float | int]:
    """Expected tokens: a style is generated once per batch."""
    batches, sentence = -(-sizes.items // options["batch"]), options["naming"]["max_new_tokens"]
    read = sizes.items * (2 * sizes.question + sizes.weak_answer + sentence) + batches * sizes.prompt
    return read, sizes.items * sizes.written + batches * sentence


INFER_AND_RESPOND = RefinerRecord(
    InferAndRespond,
    paper="Somerstep et al. 2024, algorithm 2",
    requests=infer_and_respond,
    prompts={
        **DEMONSTRATION,
        "infer_and_respond.naming.system": (),
        "infer_and_respond.naming.user": ("demonstrations",),
        "infer_and_respond.system": ("concept",),
        "infer_and_respond.user": ("question",),
    },
    decodings=("naming",),
    tokens=_infer_and_respond_tokens,
)


# ---- ask to improve -------------------------------------------------------------------------------------


class AskToImprove(RefinerSection):
    """Question and weak answer with the request for a better answer."""

    type: Literal["ask_to_improve"]


def ask_to_improve(examples: Sequence[WeakExample], prompts: Prompts) -> list[RefinerRequest]:
    """Each question with its weak answer."""
    system, template = fill(prompts["ask_to_improve.system"]), prompts["ask_to_improve.user"]
    return [
        RefinerRequest(
            example.item, single_turn(fill(template, question=example.question, answer=example.answer), system), 0
        )
        for example in examples
    ]


ASK_TO_IMPROVE = RefinerRecord(
    AskToImprove,
    paper="Somerstep et al. 2024, algorithm 3",
    requests=lambda inputs: ask_to_improve(inputs.examples, inputs.prompts),
    prompts={"ask_to_improve.system": (), "ask_to_improve.user": ("question", "answer")},
)


# ---- self-bootstrap -------------------------------------------------------------------------------------


class SelfBootstrap(RefinerSection):
    """The strong model's answers without weak labels: the negative control."""

    type: Literal["self_bootstrap"]


def self_bootstrap(examples: Sequence[WeakExample], prompts: Prompts, system: str | None) -> list[RefinerRequest]:
    """Each question alone, after the model's system prompt."""
    return [
        RefinerRequest(
            example.item, single_turn(fill(prompts["self_bootstrap.user"], question=example.question), system), 0
        )
        for example in examples
    ]


SELF_BOOTSTRAP = RefinerRecord(
    SelfBootstrap,
    paper="Somerstep et al. 2024",
    requests=lambda inputs: self_bootstrap(inputs.examples, inputs.prompts, inputs.system),
    prompts={"self_bootstrap.user": ("question",)},
    reads_labels=False,
)


# ---- prompts --------------------------------------------------------------------------------------------


def demonstrations(examples: Sequence[WeakExample], prompts: Prompts) -> str:
    """Questions with their answers, one after the other."""
    return "".join(
        fill(prompts["demonstration"], question=example.question, answer=example.answer) for example in examples
    ).rstrip("\n")


def _after_demonstrations(shown: ShownQuestion, prompts: Prompts) -> Conversation:
    system = fill(prompts["icl.system"], demonstrations=demonstrations(shown.others, prompts))
    return single_turn(fill(prompts["icl.user"], question=shown.example.question), system)


def _with_concept(concept: str, example: WeakExample, prompts: Prompts) -> Conversation:
    system = fill(prompts["infer_and_respond.system"], concept=concept)
    return single_turn(fill(prompts["infer_and_respond.user"], question=example.question), system)
