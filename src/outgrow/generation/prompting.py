"""Prompts as token ids, after which a model writes its answer.

With a chat template the answer is the assistant's next message. Without a template the turns are separated by empty
lines, and the answer starts on the next line, so no token crosses the border for any treatment of spaces. In both
cases an answer ends with the tokenizer's end-of-sequence token, which ends a turn in instruction-tuned models.
"""

from dataclasses import dataclass
from typing import Literal

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from outgrow.errors import DataError
from outgrow.generation.chat import Conversation, Prompt, conversation_of, flat, messages, without_system
from outgrow.models.choices import opening_tokens

Chat = bool | Literal["auto"]


@dataclass(frozen=True)
class Prompter:
    """Encodes prompts for one tokenizer; made by `prompter_of`."""

    tokenizer: PreTrainedTokenizerBase
    chat: bool
    opening: list[int]
    """Special tokens before a text, if no chat template adds them."""
    end_id: int
    """The end-of-sequence token."""

    def ids(self, prompt: Prompt) -> list[int]:
        """The token ids before the answer."""
        conversation = conversation_of(prompt)
        if not self.chat:
            return self.opening + self._tokens(f"{flat(conversation)}\n")
        try:
            return self._tokens(self._rendered(conversation))
        except TemplateError:
            # Some templates, such as Gemma's and Mistral's, have no system turn.
            return self._tokens(self._rendered(without_system(conversation)))

    def _rendered(self, conversation: Conversation) -> str:
        turns = messages(conversation)
        return str(self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))

    def _tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def prompter_of(tokenizer: PreTrainedTokenizerBase, chat: Chat = "auto") -> Prompter:
    """`chat`: whether to use the tokenizer's template; "auto": if it has one. Raises `DataError`."""
    has_template = bool(tokenizer.chat_template)
    if chat is True and not has_template:
        raise DataError("`chat: true`, but the model's tokenizer has no chat template; use `chat: auto` or `false`")
    if tokenizer.eos_token_id is None:
        raise DataError("the model's tokenizer has no end-of-sequence token, so answers cannot end")
    use = has_template if chat == "auto" else chat
    return Prompter(tokenizer, use, [] if use else opening_tokens(tokenizer), int(tokenizer.eos_token_id))
