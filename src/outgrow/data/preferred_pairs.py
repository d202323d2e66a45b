"""Rows of preferences: `{prompt, chosen, rejected}`, as TRL's trainers and Anthropic's HH files have them.

The three may be texts or lists of messages (`{role, content}`). Without a prompt, it is what the two answers have in
common: whole messages, of a dialogue in one text all up to its last `Assistant:`, of other texts whole words. Messages
become the text of such a dialogue:

    Human: Name a colour.

    Assistant:
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from outgrow.data.parse_cells import cell_text, prompt_of
from outgrow.errors import DataError
from outgrow.readers.source_table import Row, SourceTable
from outgrow.text_format import short

CHOSEN, REJECTED, PROMPT = "chosen", "rejected", "prompt"
TURN = "\n\nAssistant:"
SPEAKERS = {"user": "Human", "assistant": "Assistant", "system": "System"}


class PreferredPair(NamedTuple):
    """A prompt and two answers to it, the better one first."""

    prompt: str
    chosen: str
    rejected: str


def has_pairs(table: SourceTable) -> bool:
    """Whether the rows of a table are preferences."""
    return {CHOSEN, REJECTED} <= set(table.columns)


def pair_of(template: str | None, table: SourceTable) -> Callable[[Row, str], PreferredPair]:
    """What makes the pair of a row, given its place; `template`: the prompt's column or a template of several.

    Raises `DataError` for cells that are neither text nor messages, and without any prompt.
    """
    asked = PROMPT if template is None and PROMPT in table.columns else template
    fill = None if asked is None or asked in table.columns else prompt_of(asked, table)

    def read(row: Row, where: str) -> PreferredPair:
        chosen, rejected = (_said(row.get(column), column, where) for column in (CHOSEN, REJECTED))
        if fill is not None:
            prompt = fill(row, where)
        elif asked is not None:
            prompt = _dialogue_to_answer(_said(row.get(asked), asked, where))
        else:
            prompt, chosen, rejected = _apart(chosen, rejected)
        pair = PreferredPair(prompt.strip(), *(_answer(said, prompt) for said in (chosen, rejected)))
        if not pair.prompt:
            raise DataError(
                f"{where}: there is no prompt, and `{CHOSEN}` and `{REJECTED}` do not begin alike; name the prompt's"
                " column by task.columns.text"
            )
        return pair

    return read


Said = str | list[tuple[str, str]]
"""A text, or messages as (speaker, text)."""


def _said(value: Any, column: str, where: str) -> Said:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return cell_text(value, column, where)
    messages = []
    for message in value:
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            found = short(repr(message))
            raise DataError(f"{where}: `{column}` must be a text or messages with `role` and `content`, found {found}")
        role = cell_text(message["role"], f"{column}.role", where)
        messages.append(
            (SPEAKERS.get(role, role.capitalize()), cell_text(message["content"], f"{column}.content", where).strip())
        )
    return messages


def _apart(chosen: Said, rejected: Said) -> tuple[str, Said, Said]:
    """The prompt that two answers have in common, and what each adds."""
    if not isinstance(chosen, str) and not isinstance(rejected, str):
        same = next(
            (place for place, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other),
            min(len(chosen), len(rejected)) - 1,
        )
        return _dialogue_to_answer(chosen[:same]), chosen[same:], rejected[same:]
    chosen, rejected = _text(chosen), _text(rejected)
    common = chosen[: _length_in_common(chosen, rejected)]
    end = 1 + max(common.rfind(space) for space in " \n\t")
    end = common.rfind(TURN) + len(TURN) if TURN in common else end
    return common[:end], chosen[end:], rejected[end:]


def _length_in_common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect_left(lengths, True, key=lambda length: one[:length] != other[:length])


def _answer(said: Said, prompt: str) -> str:
    """The answer alone: without the prompt, and without the name of who speaks."""
    if isinstance(said, str):
        return said.removeprefix(prompt).strip()
    return _text(said).removeprefix(prompt).strip().removeprefix("Assistant:").strip()


def _dialogue_to_answer(said: Said) -> str:
    """A prompt; a dialogue ends where the assistant is to speak."""
    return said if isinstance(said, str) else _text(said) + TURN


def _text(said: Said) -> str:
    return said if isinstance(said, str) else "\n\n".join(f"{speaker}: {text}" for speaker, text in said)
