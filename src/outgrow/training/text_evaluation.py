"""How a student of texts is scored during its training: by the log-probability of weak texts and of gold texts.

No text is written: an item's number is the mean log-probability of a token of its text, the end of the text included.
Of several weak texts of an item it is their mean by weight.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from transformers import Trainer

from outgrow.evaluations import Evaluation
from outgrow.models.token_batches import Rows, length_sorted_batches, with_smaller_batches
from outgrow.training.callbacks import BATCH_TOKENS
from outgrow.training.evaluate import EvaluationPlan
from outgrow.training.evaluation_notes import note
from outgrow.training.text_examples import TOKENS_AT_ONCE, TextExamples, output_layer, token_logprobs


@dataclass(frozen=True)
class TextJudge:
    """Evaluates a student of texts during its training."""

    plan: EvaluationPlan
    place: Mapping[int, int]
    """By pool row, the item's place in the plan."""
    weak: TextExamples
    """The weak texts of half B, learned or held out."""
    gold: TextExamples | None
    """The gold texts of half B and of the test items; None where nothing has gold."""
    scratch: Path

    @property
    def chooses(self) -> bool:
        """Whether the best weights are kept."""
        return self.plan.chooses

    def due(self, update: int, updates: int) -> bool:
        """As the plan says."""
        return self.plan.due(update, updates)

    def score(self, trainer: Trainer, update: int) -> float:
        """Evaluate, note it, and give what the weights are kept by."""
        evaluation = Evaluation(update, self._numbers(trainer, self.weak), self._numbers(trainer, self.gold))
        return note(self.plan, evaluation, self.scratch, trainer)

    def _numbers(self, trainer: Trainer, texts: TextExamples | None) -> Float[np.ndarray, "item"]:
        """Every item's number; NaN without a text."""
        numbers = np.full(len(self.plan.items), np.nan)
        if texts is None:
            return numbers
        place = np.asarray([self.place[row] for row in texts.item.tolist()])
        weight = texts.weight.double().numpy()
        total, weights = (
            np.bincount(place, values, len(numbers)) for values in (weight * mean_logprobs(trainer, texts), weight)
        )
        np.divide(total, weights, out=numbers, where=weights > 0)
        return numbers


def mean_logprobs(trainer: Trainer, texts: TextExamples) -> Float[np.ndarray, "row"]:
    """The mean log-probability of a token of every text, under the model as it is."""
    values = np.zeros(len(texts.rows))

    @torch.inference_mode()
    def run(rows: Rows) -> Float[np.ndarray, "some"]:
        chosen = [texts.rows[row] for row in rows.tolist()]
        with trainer.accelerator.autocast():
            hidden = texts.outputs(trainer.model, torch.from_numpy(rows), trainer.args.device)
        label = torch.tensor([token for row in chosen for token in row.answer], device=hidden.device)
        head = output_layer(trainer.model)
        pieces = zip(*(torch.split(tensor, TOKENS_AT_ONCE) for tensor in (hidden, label)), strict=True)
        each = torch.cat([token_logprobs(states, head, own) for states, own in pieces]).double().cpu().numpy()
        ends = np.cumsum([len(row.answer) for row in chosen])
        return np.asarray([own.mean() for own in np.split(each, ends[:-1])])

    for rows, result in with_smaller_batches(run, length_sorted_batches(texts.lengths, BATCH_TOKENS)):
        values[rows] = result
    return values
