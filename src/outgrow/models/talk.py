"""Conversations: what a model is asked, whoever it is and wherever it lives."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant"]


class Message(NamedTuple):
    """Somebody's turn."""

    role: Role
    content: str


Conversation = tuple[Message, ...]


def asked(prompt: str, system: str | None = None) -> Conversation:
    """One question, after what the model is told before all questions."""
    question = Message("user", prompt)
    return (question,) if system is None else (Message("system", system), question)


def messages(conversation: Conversation) -> list[dict[str, str]]:
    """The form that chat templates and servers take."""
    return [{"role": one.role, "content": one.content} for one in conversation]


def flat(conversation: Conversation) -> str:
    """For a model without a chat template: the turns below each other, an empty line between them."""
    return "\n\n".join(one.content.strip("\n") for one in conversation)


def last_words(conversation: Conversation, length: int = 40) -> str:
    """For messages to people: how the question ends."""
    text = conversation[-1].content.strip()
    return text if len(text) <= length else f"…{text[-length:]}"


def all_asked(prompts: Sequence[str], system: str | None) -> list[Conversation]:
    """Many questions with the same beginning."""
    return [asked(prompt, system) for prompt in prompts]
