"""The step `supervisor` of type `boosted`: copies of a model, each trained on the tokens that the last one got wrong.

    w uniform over the tokens of half A's gold texts
    repeat: train the pretrained model with w, predict every token after the right ones before it, α and w by
            `combiners/token_boosting.py`; stop at an expert that is no better than chance

The folder `model/` has every expert and their weights; they write together (`generation/token_ensemble.py`).
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int

from outgrow.combiners.token_boosting import expert_weight, next_weights
from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.generation.token_ensemble import save_members
from outgrow.graph.step import Job
from outgrow.models.silence_transformers import silence_transformers
from outgrow.models.token_batches import length_sorted_batches
from outgrow.training.fine_tune import BATCH_TOKENS, release_memory
from outgrow.training.model_folder import save_model
from outgrow.training.sampling import sealed_randomness
from outgrow.training.text_examples import CERTAIN, TextExamples, answer_states, logits_of, output_layer
from outgrow.training.text_tokenizer import TextRow, tokenize_targets
from outgrow.training.text_training import TextTrainee, prompts_of, trained_in, trainee_of
from outgrow.training.text_training_steps import half_a_targets
from outgrow.training.trainer import history

CHOSEN = "expert.json"


class BoostedTexts(NamedTuple):
    """Half A's gold texts as tokens."""

    rows: list[TextRow]
    item: Int[np.ndarray, "row"]
    left_out: dict[str, list[str]]

    @property
    def widths(self) -> list[int]:
        """Tokens of every text."""
        return [len(row.answer) for row in self.rows]

    def by_row(self, of_token: np.ndarray) -> list[np.ndarray]:
        """Numbers of all tokens, text by text."""
        return np.split(of_token, np.cumsum(self.widths)[:-1])


@dataclass(frozen=True)
class Expert:
    """A finished round."""

    alpha: float
    error: float
    """Share of the tokens, by the weights that it was trained with."""
    is_wrong: Bool[np.ndarray, "token"]
    metrics: list[dict[str, float | int]]


def train_boosted_supervisor(job: Job, *, adapt: str, model: dict[str, Any], rounds: int, seed: int) -> None:
    """Inputs `pool` and `split`; writes `model/`, `metrics.jsonl` and `chosen.json`.

    Args:
        adapt: `full` or `lora`; `model` has a section `lora` for the latter.
        model: the section of the model that every expert starts from.
        rounds: the most experts.
        seed: of the first expert's adapter and order of the texts; the next has the next number.

    Raises `DataError` if half A has no gold text, or if the first expert is no better than chance.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    experts: list[Expert] = []
    weight: Float[np.ndarray, token] | None = None
    for index in range(rounds):
        expert, weight = _round(job.with_scratch(f"expert-{index}"), task, split.half_a, model, weight, seed + index)
        if expert.alpha <= 0:
            break
        experts.append(expert)
        weight = next_weights(weight, expert.is_wrong, expert.alpha)
    if not experts:
        raise DataError("the first expert predicts the tokens of half A no better than chance; raise `by.training.lr`")
    _write(job, experts)


def _round(
    job: Job,
    task: Task,
    rows: Int[np.ndarray, "item"],
    section: dict[str, Any],
    weight: Float[np.ndarray, "token"] | None,
    seed: int,
) -> tuple[Expert, Float[np.ndarray, "token"]]:
    """One expert and the weights that it was trained with; kept in the scratch folder once it is finished."""
    with sealed_randomness(seed), silence_transformers():
        trainee = trainee_of(job, section)
        texts = _texts(task, rows, section, trainee)
        n_tokens = sum(texts.widths)
        weight = np.full(n_tokens, 1 / n_tokens) if weight is None else weight
        done = job.scratch / CHOSEN
        if not done.is_file():
            _train(job, trainee, texts, weight, section, seed)
        kept = json.loads(done.read_text())
    is_wrong = np.asarray(kept["wrong"], dtype=bool)
    alpha = expert_weight(weight, is_wrong, kept["vocabulary"])
    return Expert(alpha, float(weight[is_wrong].sum()), is_wrong, kept["metrics"]), weight


def _texts(task: Task, rows: Int[np.ndarray, "item"], section: dict[str, Any], trainee: TextTrainee) -> BoostedTexts:
    targets = half_a_targets(task, rows)
    read = tokenize_targets(targets, prompts_of(task, rows, section["system"]), trainee.reader)
    place = {name: index for index, name in enumerate(task.items.ids)}
    item = np.asarray([place[targets.items[index]] for index in read.kept], dtype=np.int64)
    return BoostedTexts(read.rows, item, read.left_out)


def _train(
    job: Job,
    trainee: TextTrainee,
    texts: BoostedTexts,
    weight: Float[np.ndarray, "token"],
    section: dict[str, Any],
    seed: int,
) -> None:
    """Train one expert; its folder, its wrong tokens and its history go to the scratch folder."""
    by_row = texts.by_row(weight)
    # A row counts as its tokens together; the mean row counts 1, as in any training.
    of_row = torch.tensor([len(by_row) * float(row.sum()) for row in by_row])
    shares = tuple(row / row.sum() for row in by_row)
    pad_id = trainee.tokenizer.pad_token_id
    examples = TextExamples(texts.rows, texts.item, of_row, pad_id, CERTAIN, shares)
    trainer = trainee.train(job, examples, None, section["training"], seed)
    is_wrong = wrong_tokens(trainer.model, texts.rows, pad_id, trainer.args.device)
    folder = job.scratch / "model"
    shutil.rmtree(folder, ignore_errors=True)
    save_model(trainer.model, trainee.tokenizer, section, folder)
    about = {
        "wrong": is_wrong.tolist(),
        "vocabulary": output_layer(trainer.model).out_features,
        "metrics": list(history(trainer)),
    }
    unfinished = job.scratch / f"{CHOSEN}.unfinished"
    unfinished.write_text(json.dumps(about))
    unfinished.rename(job.scratch / CHOSEN)
    shutil.rmtree(trained_in(job), ignore_errors=True)
    del trainer, trainee
    release_memory()


@torch.inference_mode()
def wrong_tokens(
    model: torch.nn.Module, rows: Sequence[TextRow], pad_id: int, device: torch.device
) -> Bool[np.ndarray, "token"]:
    """Whether the most probable token differs from the right one, for every token of the answers."""
    model.eval()
    head = output_layer(model)
    lengths = np.asarray([len(row.prompt) + len(row.answer) for row in rows])
    found: dict[int, np.ndarray] = {}
    for batch in length_sorted_batches(lengths, BATCH_TOKENS):
        chosen = [rows[index] for index in batch.tolist()]
        states = answer_states(model, [(row.prompt, row.answer) for row in chosen], pad_id, device)
        predicted = logits_of(states, head).argmax(dim=1).cpu().numpy()
        ends = np.cumsum([len(row.answer) for row in chosen])[:-1]
        for index, row, tokens in zip(batch.tolist(), chosen, np.split(predicted, ends), strict=True):
            found[index] = tokens != np.asarray(row.answer)
    return np.concatenate([found[index] for index in range(len(rows))])


def _write(job: Job, experts: Sequence[Expert]) -> None:
    """The experts' folders, their weights and the record."""
    folder = job.out / "model"
    folder.mkdir()
    names = [f"expert-{index}" for index in range(len(experts))]
    for name in names:
        shutil.copytree(_finished(job, name), folder / name)
    save_members(folder, {name: expert.alpha for name, expert in zip(names, experts, strict=True)})
    about = {"experts": [{"alpha": expert.alpha, "error": expert.error} for expert in experts]}
    (job.out / "chosen.json").write_text(json.dumps(about, indent=1))
    rows = [{"expert": index, **row} for index, expert in enumerate(experts) for row in expert.metrics]
    (job.out / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _finished(job: Job, name: str) -> Path:
    return job.with_scratch(name).scratch / "model"
