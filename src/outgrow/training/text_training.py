"""Train a causal language model on texts: supervisors and the ceiling on gold, students on the supervisors' texts.

They differ in their targets and their loss. With `training.keep: best` a share of the items (`holdout`, whole
groups) is not learned from, and the weights after the pass that predicts their texts best are kept; so a supervisor
stops before it knows its few items by heart. A student may do so with held-out weak labels: no gold is looked at.

For the precision of the weights and the meaning of `dtype` see `fine_tune.py`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.combiners.text_targets_step import gold_texts
from outgrow.data.task import Task
from outgrow.errors import ConfigError, DataError
from outgrow.evaluations import best_evaluation
from outgrow.generation.causal_lm import load_trained
from outgrow.generation.chat import Prompt, single_turn
from outgrow.generation.coder import spelling_tokenizer
from outgrow.graph.step import Job
from outgrow.models.load_model import load_causal_lm, pick_device
from outgrow.models.silence_transformers import silence_transformers
from outgrow.models.skipped_items import NAMED
from outgrow.texts import HELD_OUT_ITEMS, TextTargets
from outgrow.training.callbacks import HeldOutLoss, Judge, noted_scores
from outgrow.training.evaluate import EvaluationPlan, save_evaluations, with_evaluations
from outgrow.training.evaluation_notes import read_notes
from outgrow.training.fine_tune import release_memory, weight_dtype, with_adapter
from outgrow.training.model_folder import save_model
from outgrow.training.sampling import holdout_rows, sealed_randomness, updates_per_pass
from outgrow.training.text_evaluation import TextJudge
from outgrow.training.text_examples import CERTAIN, TextExamples, TextLoss, output_layer, require_plain_logits
from outgrow.training.text_tokenizer import TextTokenizer, tokenize_targets, tokenizer_of
from outgrow.training.trainer import ExampleTrainer, history, train
from outgrow.training.training_examples import TrainingExamples, n_items


@dataclass(frozen=True)
class TextTrainee:
    """A model about to learn texts; make it with `trainee_of`."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    section: Mapping[str, Any]
    """`config.model.ModelSection`, as far as training depends on it; with `lora` if an adapter is to be trained."""

    @cached_property
    def reader(self) -> TextTokenizer:
        """How it is asked, and what its tokenizer makes of texts."""
        return tokenizer_of(self.model, self.tokenizer, self.section)

    def train(
        self,
        job: Job,
        examples: TrainingExamples,
        judge: Judge | None,
        training: Mapping[str, Any],
        seed: int,
    ) -> ExampleTrainer:
        """All of its weights, or a new adapter."""
        lora = self.section.get("lora")
        model = self.model if lora is None else with_adapter(self.model, lora, "generate")
        output_layer(model)  # says so if an adapter sits where none can be
        return train(
            model,
            examples,
            training,
            dtype=self.section["dtype"],
            seed=seed,
            scratch=trained_in(job),
            hints=job.hints,
            report=job.report,
            judge=judge,
        )


def trainee_of(job: Job, section: Mapping[str, Any], folder: Path | None = None) -> TextTrainee:
    """The pretrained model on its device or, from a training's `folder`, what became of it (adapters merged).

    Raises `DataError` for what cannot learn texts: no fast tokenizer, logits that are scaled or capped.
    """
    name, revision, trusted = section["model"], section["revision"], section["trust_remote_code"]
    tokenizer = spelling_tokenizer(section)
    device = pick_device(job.hints)
    dtype = weight_dtype(section, device)
    if folder is None:
        model = load_causal_lm(name, revision, dtype=dtype, device=device, trust_remote_code=trusted)
    else:
        model = load_trained({**section, "dtype": dtype}, folder, device)
    require_plain_logits(model, name)
    # Merging an adapter leaves its base frozen.
    return TextTrainee(model.requires_grad_(), tokenizer, section)


def learn_texts(
    job: Job,
    task: Task,
    rows: Int[np.ndarray, "item"],
    targets: TextTargets,
    section: Mapping[str, Any],
    objective: TextLoss,
    seed: int,
    start: Path | None = None,
    plan: EvaluationPlan | None = None,
) -> None:
    """Learn `targets` of items at these pool `rows` and write `model/`, `metrics.jsonl` and `chosen.json`.

    With `start`, the `model/` of an earlier training, from its weights; an adapter is merged before and after, because
    the base of a second adapter would be nowhere on disk. A `plan` of evaluations replaces `training.keep`; they are
    in `evaluations.parquet`.

    Raises:
        DataError: nothing to learn, or damaged targets.
        ConfigError: settings that training on texts cannot follow.
        StepFailed: a loss that is not finite, or too little memory.
    """
    with sealed_randomness(seed), silence_transformers():
        trainee = trainee_of(job, section, start)
        read = tokenize_targets(
            targets, prompts_of(task, rows, section["system"]), trainee.reader, objective.soft_labels["unit"]
        )
        items = [targets.items[index] for index in read.kept]
        training = section["training"]
        aside = plan.held_out(items) if plan else holdout_of(task, items, training, section["holdout"], seed)
        place = {name: index for index, name in enumerate(task.items.ids)}
        weight, pad_id = targets.weight[read.kept], trainee.tokenizer.pad_token_id

        def some(which: Bool[np.ndarray, "row"], loss: TextLoss) -> TextExamples:
            texts = [read.rows[row] for row in np.flatnonzero(which).tolist()]
            item = np.asarray([place[name] for name in items], dtype=np.int64)
            return TextExamples(texts, item[which], torch.tensor(weight[which]).float(), pad_id, loss)

        learned = some(~aside, objective)
        judge: Judge | None = held_out_judge(some(aside, CERTAIN) if aside.any() else None, learned, training)
        if plan is not None:
            judge = text_judge(plan, task, trainee, some(np.ones_like(aside), CERTAIN), trained_in(job))
        trainer = trainee.train(job, learned, judge, training, seed)
        save_model(trainer.model, trainee.tokenizer, section, job.out / "model", merge=start is not None)
    write_record(job, trainer, training, int(aside.sum()), read.left_out, plan)
    if aside.any():
        kept_aside = dict.fromkeys(items[row] for row in np.flatnonzero(aside).tolist())
        (job.out / HELD_OUT_ITEMS).write_text(json.dumps(list(kept_aside)))
    del trainer, trainee
    release_memory()


def held_out_judge(
    held_out: TrainingExamples | None, learned: TrainingExamples, training: Mapping[str, Any]
) -> HeldOutLoss | None:
    """Chooses the pass with the least loss of the held-out examples; `None` without any."""
    if held_out is None:
        return None
    return HeldOutLoss(held_out, updates_per_pass(n_items(learned), training["batch_size"]))


def text_judge(plan: EvaluationPlan, task: Task, trainee: TextTrainee, weak: TextExamples, scratch: Path) -> TextJudge:
    """Evaluates by the weak texts and, where there are any, the gold texts."""
    row_of = {name: row for row, name in enumerate(task.items.ids)}
    rows = np.asarray([row_of[item] for item in plan.items], dtype=np.int64)
    targets, gold = gold_texts(task, rows), None
    if len(targets):
        read = tokenize_targets(targets, prompts_of(task, rows, trainee.section["system"]), trainee.reader)
        item = np.asarray([row_of[targets.items[index]] for index in read.kept], dtype=np.int64)
        gold = TextExamples(read.rows, item, torch.ones(len(item)), weak.pad_id, CERTAIN)
    place = {row: index for index, row in enumerate(rows.tolist())}
    return TextJudge(plan, place, weak, gold, scratch)


def prompts_of(task: Task, half: Int[np.ndarray, "item"], system: str | None) -> dict[str, Prompt]:
    """The prompts of the items at these pool rows by name, after the system prompt."""
    return {task.items.ids[row]: single_turn(task.items.prompts[row], system) for row in half.tolist()}


def holdout_of(
    task: Task, items: Sequence[str], training: Mapping[str, Any], holdout: float, seed: int
) -> Bool[np.ndarray, "row"]:
    """Which rows, given their items, are not learned from but judged on: whole groups of items.

    None where the last weights are kept: then all is learned.
    """
    if training["keep"] == "last":
        return np.zeros(len(items), dtype=bool)
    if not holdout:
        raise ConfigError("`training.keep: best` needs a `holdout` above 0: items by which the best pass is chosen")
    group = dict(zip(task.items.ids, task.items.groups, strict=True))
    different = list(dict.fromkeys(items))
    chosen = holdout_rows([group[item] for item in different], holdout, seed)
    if not chosen.any():
        raise DataError("`training.keep: best` needs at least two separate items with a text, and there is one")
    held = {item for item, is_held in zip(different, chosen.tolist(), strict=True) if is_held}
    return np.asarray([item in held for item in items])


def trained_in(job: Job) -> Path:
    """Where checkpoints and held-out losses are."""
    return job.scratch / "all"


def write_record(
    job: Job,
    trainer: ExampleTrainer,
    training: Mapping[str, Any],
    n_aside: int,
    left_out: Mapping[str, Sequence[str]],
    plan: EvaluationPlan | None = None,
) -> None:
    """`chosen.json`: what was learned, left out and kept; `metrics.jsonl`: every update; with a `plan` its
    evaluations."""
    scores = noted_scores(trained_in(job)) if n_aside else {}
    kept = best_evaluation(scores) if scores else int(trainer.state.max_steps)
    losses = {update: -score for update, score in scores.items()} if plan is None else {}
    per_pass = updates_per_pass(n_items(trainer.examples), training["batch_size"])
    about = {
        "chosen": {"epochs": kept / per_pass, "updates": kept},
        "learned": len(trainer.examples.lengths),
        "held_out": n_aside,
        "held_out_loss": [
            {"epochs": update / per_pass, "updates": update, "loss": loss} for update, loss in sorted(losses.items())
        ],
        **{reason: len(items) for reason, items in left_out.items()},
        "left_out": {reason: list(items[:NAMED]) for reason, items in left_out.items() if items},
    }
    (job.out / "chosen.json").write_text(json.dumps(about, indent=1))
    evaluations = None if plan is None else read_notes(plan, trained_in(job)).evaluations
    log = with_evaluations(history(trainer), evaluations)
    (job.out / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log))
    save_evaluations(evaluations, kept, job.out)
