"""The step `preference`: a finished student is tuned on the supervisors' preferences among its own texts (eqs 8-9).

With log π the log-probability of a text's tokens and its end (summed, or their mean), the loss of a pair is that of
the margin

    m = (log π(chosen) − log π₀(chosen)) − (log π(rejected) − log π₀(rejected))        (`losses/preference.py`)

A pair's two texts pass through the model together. Their log-probabilities before this training, log π₀, were computed
once by the step `scores` and are numbers of the pair (`pairs.py`): no second model is held in memory.

Training goes on from the student's weights. An adapter of the student is merged before a new one is trained, and that
one after it, so that `model/` is always a plain folder: the base of a second adapter would be nowhere on disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.generation.chat import Prompt
from outgrow.graph.step import Job, Json
from outgrow.losses.preference import Kind, preference_loss
from outgrow.models.silence_transformers import silence_transformers
from outgrow.pairs import Pairs
from outgrow.texts import TextTargets, certain
from outgrow.training.fine_tune import release_memory
from outgrow.training.model_folder import save_model
from outgrow.training.sampling import sealed_randomness
from outgrow.training.text_examples import answer_states, output_layer, token_logprobs
from outgrow.training.text_tokenizer import TextRow, TextTokenizer, tokenize_targets
from outgrow.training.text_training import held_out_judge, holdout_of, prompts_of, trainee_of, write_record
from outgrow.training.training_examples import Scope


class PairRow(NamedTuple):
    """The same prompt with its better and its worse answer."""

    item: str
    chosen: TextRow
    rejected: TextRow
    flip: float
    """The chance that the preference is the wrong way round."""
    reference: float
    """log π₀(chosen) − log π₀(rejected)."""


@dataclass(frozen=True)
class PairExamples:
    """Pairs to prefer by, for the trainer (`examples.Examples`)."""

    rows: Sequence[PairRow]
    pad_id: int
    beta: float
    kind: Kind
    per_token: bool
    """Whether a text's log-probability is its tokens' mean."""
    scope: Scope = "row"

    @cached_property
    def weight(self) -> Float[Tensor, "row"]:
        return torch.ones(len(self.rows))

    @cached_property
    def item(self) -> Int[np.ndarray, "row"]:
        return np.arange(len(self.rows))

    @cached_property
    def lengths(self) -> Int[np.ndarray, "row"]:
        tokens = [sum(len(text.prompt) + len(text.answer) for text in (row.chosen, row.rejected)) for row in self.rows]
        return np.asarray(tokens, dtype=np.int64)

    def outputs(
        self, model: torch.nn.Module, rows: Int[Tensor, "row"], device: torch.device
    ) -> Float[Tensor, "token dim"]:
        """Hidden states that predict the answers' tokens: of all chosen texts, then of all rejected ones."""
        return answer_states(model, [(text.prompt, text.answer) for text in self._texts(rows)], self.pad_id, device)

    def loss(
        self,
        model: torch.nn.Module,
        outputs: Float[Tensor, "token dim"],
        rows: Int[Tensor, "row"],
        weight: Float[Tensor, "row"],
        progress: float,
    ) -> Float[Tensor, ""]:
        """Σ weight · loss over pairs."""
        flip = torch.tensor([self.rows[row].flip for row in rows.tolist()], device=outputs.device)
        losses = preference_loss(self.margins(model, outputs, rows), flip, beta=self.beta, kind=self.kind)
        return (losses * weight).sum()

    def margins(
        self, model: torch.nn.Module, outputs: Float[Tensor, "token dim"], rows: Int[Tensor, "row"]
    ) -> Float[Tensor, "row"]:
        """How much more the chosen text of each pair was raised than the rejected one, in nats."""
        texts = self._texts(rows)
        label = torch.tensor([token for text in texts for token in text.answer], device=outputs.device)
        widths = torch.tensor([len(text.answer) for text in texts], device=outputs.device)
        owner = torch.arange(len(texts), device=outputs.device).repeat_interleave(widths)
        each = token_logprobs(outputs, output_layer(model), label)
        total = each.new_zeros(len(texts)).index_add(0, owner, each)
        chosen, rejected = (total / widths if self.per_token else total).chunk(2)
        return chosen - rejected - torch.tensor([self.rows[row].reference for row in rows.tolist()]).to(chosen)

    def _texts(self, rows: Int[Tensor, "row"]) -> list[TextRow]:
        pairs = [self.rows[row] for row in rows.tolist()]
        return [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]


def train_preference(job: Job, *, adapt: str, model: dict[str, Json], preference: dict[str, Json], seed: int) -> None:
    """Inputs `pool`, `split`, `student` (its `model/`) and `pairs`; writes `model/`, `metrics.jsonl`, `chosen.json`.

    Args:
        adapt: `full` or `lora`; `model` has a section `lora` for the latter.
        model: the student's section of the experiment.
        preference: `loss`, `beta`, `logprobs` and `training`; ε is a matter of the pairs.
        seed: of the order of the pairs, the adapter and the items kept aside.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    pairs = Pairs.load(job.inputs["pairs"] / "pairs.parquet")
    training, per_token = preference["training"], preference["logprobs"] == "mean"
    with sealed_randomness(seed), silence_transformers():
        trainee = trainee_of(job, model, job.inputs["student"] / "model")
        rows, left_out = pair_rows(pairs, prompts_of(task, split.half_b, model["system"]), trainee.reader)
        aside = holdout_of(task, [row.item for row in rows], training, model["holdout"], seed)

        def some(which: Bool[np.ndarray, "pair"]) -> PairExamples:
            chosen = [rows[index] for index in np.flatnonzero(which).tolist()]
            pad_id = trainee.tokenizer.pad_token_id
            return PairExamples(chosen, pad_id, preference["beta"], preference["loss"], per_token)

        learned, held_out = some(~aside), some(aside) if aside.any() else None
        trainer = trainee.train(job, learned, held_out_judge(held_out, learned, training), training, seed)
        save_model(trainer.model, trainee.tokenizer, model, job.out / "model", merge=True)
    write_record(job, trainer, training, int(aside.sum()), left_out)
    del trainer, trainee
    release_memory()


def pair_rows(
    pairs: Pairs, prompts: Mapping[str, Prompt], reader: TextTokenizer
) -> tuple[list[PairRow], dict[str, list[str]]]:
    """Both texts of every pair as tokens, and the items that are left out because one of them cannot be learned.

    Raises `DataError` for a reference that is no number, and if no pair is left.
    """
    reference = pairs.reference_chosen - pairs.reference_rejected
    _require_finite(pairs, reference)
    texts = [text for both in zip(pairs.chosen, pairs.rejected, strict=True) for text in both]
    items = [item for item in pairs.item for _ in range(2)]
    read = tokenize_targets(
        TextTargets(items, texts, [certain(t) for t in texts], np.ones(len(texts))), prompts, reader
    )
    row = dict(zip(read.kept, read.rows, strict=True))
    kept = [
        PairRow(item, row[2 * n], row[2 * n + 1], float(pairs.flip[n]), float(reference[n]))
        for n, item in enumerate(pairs.item)
        if 2 * n in row and 2 * n + 1 in row
    ]
    if not kept:
        raise DataError("no pair is left to learn from: of each at least one text is too long or cannot be written")
    return kept, {reason: list(dict.fromkeys(left)) for reason, left in read.left_out.items()}


def _require_finite(pairs: Pairs, reference: Float[np.ndarray, "pair"]) -> None:
    bad = ~np.isfinite(reference + pairs.flip)
    if bad.any():
        where = int(bad.argmax())
        raise DataError(
            f"pairs.parquet: item `{pairs.item[where]}`: log-probabilities {pairs.reference_chosen[where]:g} and"
            f" {pairs.reference_rejected[where]:g} of the reference and a flip of {pairs.flip[where]:g}; all must be"
            " finite"
        )
