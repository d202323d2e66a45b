"""Conversations: the prompts of chat models."""

from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """One turn."""

    role: Role
    content: str


Conversation = tuple[Message, ...]
Prompt = str | Conversation
"""A string is a single question, without anything before it."""


def single_turn(prompt: str, system: str | None = None) -> Conversation:
    """One question, after a system prompt."""
    question = Message("user", prompt)
    return (question,) if system is None else (Message("system", system), question)


def conversation_of(prompt: Prompt) -> Conversation:
    """The turns of a prompt."""
    return single_turn(prompt) if isinstance(prompt, str) else prompt


def without_system(conversation: Conversation) -> Conversation:
    """The same with the system prompt at the head of the first question."""
    if conversation[0].role != "system":
        return conversation
    first, second, *rest = conversation
    return (Message(second.role, f"{first.content}\n\n{second.content}"), *rest)


def messages(conversation: Conversation) -> list[dict[str, str]]:
    """The form that chat templates and servers take."""
    return [{"role": turn.role, "content": turn.content} for turn in conversation]


def flat(conversation: Conversation) -> str:
    """For a model without a chat template: the turns below each other, an empty line between them."""
    if len(conversation) == 1:
        return conversation[0].content
    return "\n\n".join(turn.content.strip("\n") for turn in conversation)
