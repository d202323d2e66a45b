"""Conversations: what a model is asked, whoever it is and wherever it lives."""

from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """Somebody's turn."""

    role: Role
    content: str


Conversation = tuple[Message, ...]
Prompt = str | Conversation
"""A string is a single question, without anything before it."""


def asked(prompt: str, system: str | None = None) -> Conversation:
    """One question, after what the model is told before all questions."""
    question = Message("user", prompt)
    return (question,) if system is None else (Message("system", system), question)


def conversation_of(prompt: Prompt) -> Conversation:
    """The turns of a prompt."""
    return asked(prompt) if isinstance(prompt, str) else prompt


def without_system(conversation: Conversation) -> Conversation:
    """The same with what the system says at the head of the first question."""
    if conversation[0].role != "system":
        return conversation
    first, second, *rest = conversation
    return (Message(second.role, f"{first.content}\n\n{second.content}"), *rest)


def messages(conversation: Conversation) -> list[dict[str, str]]:
    """The form that chat templates and servers take."""
    return [{"role": one.role, "content": one.content} for one in conversation]


def flat(conversation: Conversation) -> str:
    """For a model without a chat template: the turns below each other, an empty line between them."""
    if len(conversation) == 1:
        return conversation[0].content
    return "\n\n".join(one.content.strip("\n") for one in conversation)
