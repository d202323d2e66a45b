"""*Choose* items as tokens: a prompt that its K options share, and the options.

Prompt and option are tokenized separately, so that the prompt's tokens are the same for every option. Most tokenizers
want the option with its leading space (" Paris"); SentencePiece ones add that space themselves. Decoding one
example shows which kind a tokenizer is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from transformers import PreTrainedTokenizerBase

from outgrow.errors import DataError


class Choices(NamedTuple):
    """Tokenized *choose* items."""

    prefixes: list[list[int]]
    """Each item's prompt, with the tokenizer's leading special tokens."""
    options: list[list[list[int]]]
    """Each item's K options, without special tokens."""
    truncated: int = 0
    """How many items lost a part of their prompt (its beginning) or of an option (its end)."""

    @property
    def token_counts(self) -> Int[np.ndarray, "item option"]:
        """Tokens of every option."""
        return np.asarray([[len(option) for option in options] for options in self.options])

    @property
    def tokens(self) -> int:
        """Tokens in all, each prompt counted once."""
        return sum(map(len, self.prefixes)) + sum(len(option) for options in self.options for option in options)

    def take(self, rows: Int[np.ndarray, "row"]) -> "Choices":
        """The items at `rows`, in that order."""
        pick = rows.tolist()
        return Choices([self.prefixes[i] for i in pick], [self.options[i] for i in pick])

    def lengths(self, packed: bool) -> Int[np.ndarray, "item"]:
        """Tokens that each item takes of a batch: one row of all options, or K rows as long as the longest."""
        widths = [[len(option) for option in options] for options in self.options]
        pairs = zip(self.prefixes, widths, strict=True)
        if packed:
            return np.asarray([len(prefix) + sum(width) for prefix, width in pairs])
        return np.asarray([len(width) * (len(prefix) + max(width)) for prefix, width in pairs])


def tokenize_choices(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], options: Sequence[Sequence[str]], max_length: int
) -> Choices:
    """Tokenize items so that a prompt with any one of its options has at most `max_length` tokens.

    An option keeps its first `max_length` / 2 tokens, a prompt its last ones. Raises `DataError` for an empty option.
    """
    opening, space = opening_tokens(tokenizer), option_space(tokenizer)
    prompt_ids = _bare(tokenizer, prompts)
    flat = iter(_bare(tokenizer, [space + text for texts in options for text in texts]))
    option_ids = [[next(flat) for _ in texts] for texts in options]
    prefixes, cut_options, truncated = [], [], 0
    for row, (prompt, texts) in enumerate(zip(prompt_ids, option_ids, strict=True)):
        if not all(texts):
            raise DataError(f"item {row} ({prompts[row][:40]!r}): an option without any text cannot be scored")
        kept = [ids[: max_length // 2] for ids in texts]
        room = max(1, max_length - len(opening) - max(map(len, kept)))
        # Something must predict an option's first token, even if the prompt is empty.
        prefixes.append([*opening, *prompt[-room:]] or [tokenizer.pad_token_id])
        cut_options.append(kept)
        truncated += len(prompt) > room or kept != texts
    return Choices(prefixes, cut_options, truncated)


def opening_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The special tokens that the tokenizer puts before a text: none, or a beginning-of-sequence token."""
    whole = tokenizer("word")["input_ids"]
    (bare,) = _bare(tokenizer, ["word"])
    starts = range(len(whole) - len(bare) + 1)
    return next((whole[:start] for start in starts if whole[start : start + len(bare)] == bare), [])


def option_space(tokenizer: PreTrainedTokenizerBase) -> str:
    """What to put before an option's text so that prompt and option decode with one space between them."""
    for space in (" ", ""):
        prompt, option = _bare(tokenizer, ["The answer is:", f"{space}Paris"])
        if tokenizer.decode(prompt + option).lower().endswith(": paris"):
            return space
    return " "


def _bare(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    ids: list[list[int]] = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return ids
