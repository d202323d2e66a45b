"""What a model thinks of texts that are there already: the log-probability of each of their pieces, given the prompt.

The candidates of an item share their prompt: they are laid behind it in one row, where none sees another
(`packing.py`), or in rows of their own where the model cannot do that. Temperatures and penalties of a search play no
part here.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from outgrow.align.spans import encode
from outgrow.errors import DataError
from outgrow.generation.causal_lm import CausalLM
from outgrow.models.choices import Choices
from outgrow.models.packing import may_pack, pack_batch, token_logprobs
from outgrow.models.token_batches import Rows

TokenIds = list[int]


def forced(
    writer: CausalLM, prompts: Sequence[TokenIds], answers: Sequence[Sequence[TokenIds]]
) -> tuple[Choices, Callable[[Rows], list[list[list[float]]]]]:
    """The items' tokens, and a function from row numbers to [row][answer][token] log-probabilities.

    Every answer has at least one token; every item at least one answer.
    """
    choices = Choices(list(prompts), [list(texts) for texts in answers])
    packed = may_pack(writer.lm, writer.prompter.tokenizer, choices)

    @torch.inference_mode()
    def run(rows: Rows) -> list[list[list[float]]]:
        chosen = choices.take(rows)
        batch = pack_batch(chosen, writer.prompter.tokenizer.pad_token_id, packed=packed, dtype=writer.lm.dtype)
        flat = iter(token_logprobs(writer.lm, batch.to(writer.lm.device)).double().cpu().tolist())
        return [[[next(flat) for _ in ids] for ids in texts] for texts in chosen.options]

    return choices, run


def canonical(writer: CausalLM, text: str, item: str = "") -> tuple[np.ndarray, TokenIds]:
    """Where the tokens of a text end, and the tokens themselves with the end of the text behind them.

    Raises `DataError`, with the `item`, for a text that the tokenizer cannot reproduce.
    """
    if not text:
        return np.zeros(0, dtype=np.int64), [writer.prompter.end_id]
    pieces = encode(writer.spelling, text, item=item)
    if not len(pieces.ids):
        raise DataError(f"item `{item}`: nothing is left of the text {text!r} in the tokenizer's eyes")
    return pieces.end, [*pieces.ids.tolist(), writer.prompter.end_id]
