"""Texts to learn, as the student's tokens: prompt, answer, and how probable its source found each group of tokens.

The answer's tokens are those that the student's tokenizer gives the text, and the end of the sequence where the source
stated one. They are aligned with the source's pieces once, by bytes (`align/`); what a group's log-probability means
for each of its tokens is settled later, by the student's confidence of the moment (`text_examples.py`).

A text that the student cannot learn (too long with its prompt, not writable by its tokenizer, no token at all) is left
out and named, never cut: half an answer would teach something else. Damaged targets are errors.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.align.group import Unit, align
from outgrow.align.pieces import Pieces, PieceTable, text_bytes
from outgrow.align.spans import encode
from outgrow.align.spelling import Spelling, spelling_of
from outgrow.errors import DataError
from outgrow.generation.chat import Prompt
from outgrow.generation.prompting import Prompter, prompter_of
from outgrow.models.skipped_items import Unfit, named, warn_skipped
from outgrow.models.token_batches import usable_length
from outgrow.texts import TextTargets

log = logging.getLogger(__name__)


class TextRow(NamedTuple):
    """One text to learn."""

    prompt: list[int]
    answer: list[int]
    group: Int[np.ndarray, "token"]
    """For each of the answer's tokens, its group (`align.group`)."""
    logprob: Float[np.ndarray, "group"]
    """How probable the source found each group, in nats."""


class TokenizedTargets(NamedTuple):
    """The rows of some targets that a student can learn, and what became of the others."""

    rows: list[TextRow]
    kept: list[int]
    """Numbers of the targets that the rows stand for."""
    too_long: list[str]
    """Items whose prompt and text are longer than the model can read."""
    unreadable: list[str]
    """Items whose text the tokenizer cannot reproduce."""
    empty: list[str]
    """Items whose text is empty and may go on: no token has a target."""

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Items by the reason why they are not learned."""
        return {"too_long": self.too_long, "unreadable": self.unreadable, "empty": self.empty}


class TextTokenizer(NamedTuple):
    """How one model is asked and how its tokenizer cuts texts."""

    prompter: Prompter
    spelling: Spelling
    longest: int
    """Tokens that a prompt and its text may have together."""
    unfit: Unfit = "skip"
    """What becomes of texts that cannot be learned."""

    def pieces(self, text: str, closed: bool, item: str = "") -> Pieces:
        """The text's tokens and, if it is `closed`, the end of the sequence. `DataError` where that cannot be."""
        n_bytes = len(text_bytes(text, item))
        pieces = encode(self.spelling, text, item=item) if text else NO_PIECES
        return pieces.close(self.prompter.end_id, n_bytes) if closed else pieces


NO_PIECES = Pieces(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def tokenizer_of(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, section: Mapping[str, Any]
) -> TextTokenizer:
    """How a model is asked, and what its tokenizer makes of texts; `section` is `config.model.ModelSection`."""
    longest = usable_length(model, tokenizer, section["max_length"])
    spelling = spelling_of(tokenizer.backend_tokenizer)
    return TextTokenizer(prompter_of(tokenizer, section["chat"]), spelling, longest, section["unfit"])


def tokenize_targets(
    targets: TextTargets, prompts: Mapping[str, Prompt], reader: TextTokenizer, unit: Unit = "span"
) -> TokenizedTargets:
    """Every target of weight above 0 as the student's tokens; `prompts` by item.

    Raises:
        DataError: a target of an item that has no prompt here, a piece table that does not spell its text or holds
            what is no log-probability, or nothing left to learn.
    """
    tokenized = TokenizedTargets([], [], [], [], [])
    asked: dict[str, list[int]] = {}
    for row, item, text, table in _weighty(targets):
        if item not in prompts:
            raise DataError(f"targets.parquet: item `{item}` is not among the items to learn from")
        _require_log_probabilities(table, item)
        asked.setdefault(item, reader.prompter.ids(prompts[item]))
        try:
            pieces = reader.pieces(text, _is_closed(table, text, item), item)
        except DataError as error:
            log.debug("not learned: %s", error)
            tokenized.unreadable.append(item)
            continue
        if not len(pieces.ids):
            tokenized.empty.append(item)
        elif len(asked[item]) + len(pieces.ids) > reader.longest:
            tokenized.too_long.append(item)
        else:
            alignment = align(text, table, pieces, unit=unit, item=item)
            tokenized.rows.append(TextRow(asked[item], pieces.ids.tolist(), alignment.group, alignment.logprob))
            tokenized.kept.append(row)
    _report(tokenized, reader)
    return tokenized


def _weighty(targets: TextTargets) -> Iterator[tuple[int, str, str, PieceTable]]:
    columns = zip(targets.items, targets.texts, targets.pieces, targets.weight.tolist(), strict=True)
    for row, (item, text, table, weight) in enumerate(columns):
        if weight > 0:
            yield row, item, text, table


def _is_closed(table: PieceTable, text: str, item: str) -> bool:
    """Whether the source's pieces include the end of the text."""
    return len(table.end) > 0 and int(table.end[-1]) == len(text_bytes(text, item)) + 1


def _require_log_probabilities(table: PieceTable, item: str) -> None:
    bad = ~np.isfinite(table.logprob)
    if bad.any():
        where = int(bad.argmax())
        raise DataError(
            f"targets.parquet: item `{item}`: the log-probability of piece {where} is {table.logprob[where]:g};"
            " it must be finite and at most 0"
        )


def _report(tokenized: TokenizedTargets, reader: TextTokenizer) -> None:
    """Log what is left out. Raises `DataError` if nothing is left."""
    reasons = {
        "too_long": f"are longer than {reader.longest} tokens with the prompt (`max_length`, or the model's context)",
        "unreadable": "cannot be reproduced by the model's tokenizer",
        "empty": "are empty and cut off, so that there is no token to learn",
    }
    parts = [
        f"{len(items)} texts {reasons[name]} ({named(items)})" for name, items in tokenized.left_out.items() if items
    ]
    if not tokenized.rows:
        raise DataError(f"nothing to learn: {'; '.join(parts) or 'no target has a weight above 0'}")
    for part in parts:
        warn_skipped(f"not learned: {part}", reader.unfit)
