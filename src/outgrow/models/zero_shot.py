"""The model before any training: which option, or which class name, does it find most likely after the prompt?

Every option is scored by its log-likelihood under the language model. Sums favour short options, so there are two
scores; evaluation harnesses call the accuracy of their argmax "acc" and "acc_norm":

    score: sum    sum over the option's tokens               acc
    score: mean   the same per character of the option       acc_norm (the default)

Probabilities are a softmax over the options; the mean is first multiplied by the item's characters per token, so that
it orders the options as it did and has the scale of one token's log-likelihood, whatever the language: milder, and
nearer to calibrated, than the sum. For *classify* the class names are the options. Nothing is tuned, and no gold is
looked at.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.data.task import Items, Split, Task
from outgrow.graph.step import Job
from outgrow.labels import ANSWER_FILES, WeakLabels
from outgrow.models.choices import Choices, tokenize_choices
from outgrow.models.load_model import load_causal_lm, load_tokenizer, pick_device
from outgrow.models.packing import may_pack, pack_batch, packed_option_logits
from outgrow.models.resumable_inference import ResumableInference, sweep
from outgrow.models.token_batches import Rows, length_sorted_batches, usable_length, with_smaller_batches

SOURCE = "untouched"


class OptionLogprobs(NamedTuple):
    """Log-likelihoods of options, in nats."""

    total: Float[np.ndarray, "item option"]
    """Sum over an option's tokens."""
    mean: Float[np.ndarray, "item option"]
    """Per token."""


def answer(
    job: Job,
    *,
    model: str,
    revision: str | None,
    dtype: str,
    max_length: int,
    identity: str | None = None,
    trust_remote_code: bool = False,
    score: Literal["sum", "mean"] = "mean",
) -> None:
    """Write `test.parquet`: the model's answers to all items that any of the splits tests on.

    Inputs `pool` and `split.0`, `split.1`, …; hints `device`, `batch_tokens`, `threads`. Items keep the pool's order.
    Without a split, the answers to all items of the pool are written to `answers.parquet`.
    """
    task = Task.load(job.inputs["pool"])
    splits = [Split.load(folder) for name, folder in job.inputs.items() if name.startswith("split.")]
    items = task.take(np.unique(np.concatenate([split.test for split in splits]))).items if splits else task.items
    options = options_of(task, items)
    tokenizer = load_tokenizer(model, revision, trust_remote_code=trust_remote_code)
    lm = load_causal_lm(
        model, revision, dtype=dtype, device=pick_device(job.hints), trust_remote_code=trust_remote_code
    )
    choices = tokenize_choices(tokenizer, items.prompts, options, usable_length(lm, tokenizer, max_length))
    packed = may_pack(lm, tokenizer, choices)
    scorer = _scorer(lm, tokenizer, choices, packed)
    scores = np.load(sweep(job, ResumableInference(choices.lengths(packed), (len(options[0]),), scorer))).astype(
        np.float64
    )
    if score == "mean":
        scores = per_character(scores, options, choices.token_counts)
    file = "test.parquet" if splits else "answers.parquet"
    WeakLabels(items.ids, (SOURCE,), softmax(scores)[:, None]).save(job.out / file)


def take_answers(job: Job) -> None:
    """Inputs `split` and `answers`, to the whole pool; writes them as those of a supervisor."""
    split = Split.load(job.inputs["split"])
    table = WeakLabels.load(job.inputs["answers"] / "answers.parquet")
    for part, file in ANSWER_FILES.items():
        table.take(getattr(split, part)).save(job.out / file)


def options_of(task: Task, items: Items) -> list[list[str]]:
    """Each item's options; of *classify* the class names as running text."""
    return items.options or [[_readable(name) for name in task.classes]] * len(items)


def option_logprobs(
    lm: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    options: Sequence[Sequence[str]],
    *,
    max_length: int = 512,
    batch_tokens: int = 4096,
    packed: bool | None = None,
) -> OptionLogprobs:
    """Log-likelihood of every option after its prompt; `packed=None` packs the options where that is exact."""
    choices = tokenize_choices(tokenizer, prompts, options, max_length)
    packed = may_pack(lm, tokenizer, choices) if packed is None else packed
    total = np.zeros((len(prompts), len(options[0])))
    batches = length_sorted_batches(choices.lengths(packed), batch_tokens)
    for rows, scores in with_smaller_batches(_scorer(lm, tokenizer, choices, packed), batches):
        total[rows] = scores
    return OptionLogprobs(total, total / choices.token_counts)


def _scorer(
    lm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, choices: Choices, packed: bool
) -> Callable[[Rows], Float[np.ndarray, "row option"]]:
    """A function from row numbers to summed log-likelihoods."""

    @torch.inference_mode()
    def score(rows: Rows) -> Float[np.ndarray, "row option"]:
        batch = pack_batch(choices.take(rows), tokenizer.pad_token_id, packed=packed, dtype=lm.dtype)
        return np.asarray(packed_option_logits(lm, batch.to(lm.device)).cpu().numpy())

    return score


def per_character(
    total: Float[np.ndarray, "item option"],
    options: Sequence[Sequence[str]],
    token_counts: Int[np.ndarray, "item option"],
) -> Float[np.ndarray, "item option"]:
    """Log-likelihoods per character of the option, times the characters per token over all options of the item."""
    length = np.asarray([[max(1, len(text)) for text in row] for row in options], dtype=np.float64)
    per_token = length.sum(axis=1, keepdims=True) / token_counts.sum(axis=1, keepdims=True)
    return np.asarray(total / length * per_token)


def softmax(scores: Float[np.ndarray, "item option"]) -> Float[np.ndarray, "item option"]:
    """Probabilities over the options."""
    weight = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _readable(name: str) -> str:
    """A class name as running text: `alarm_set` is read as "alarm set"."""
    return name.replace("_", " ").strip()
