"""Conversations: the prompts of chat models."""

from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Role
    content: str


Conversation = tuple[Message, ...]
Prompt = str | Conversation
"""A string is a single user turn."""


def single_turn(prompt: str, system: str | None = None) -> Conversation:
    """One user turn, after an optional system prompt."""
    question = Message("user", prompt)
    return (question,) if system is None else (Message("system", system), question)


def conversation_of(prompt: Prompt) -> Conversation:
    """The turns of a prompt."""
    return single_turn(prompt) if isinstance(prompt, str) else prompt


def without_system(conversation: Conversation) -> Conversation:
    """The conversation with the system prompt at the start of the first user turn."""
    if conversation[0].role != "system":
        return conversation
    first, second, *rest = conversation
    return (Message(second.role, f"{first.content}\n\n{second.content}"), *rest)


def messages(conversation: Conversation) -> list[dict[str, str]]:
    """The turns in the format of chat templates and servers."""
    return [{"role": turn.role, "content": turn.content} for turn in conversation]


def flat(conversation: Conversation) -> str:
    """The turns separated by empty lines, for a model without a chat template."""
    if len(conversation) == 1:
        return conversation[0].content
    return "\n\n".join(turn.content.strip("\n") for turn in conversation)
