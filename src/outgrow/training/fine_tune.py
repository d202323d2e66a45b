"""Learn with a whole model: all of its weights, or a low-rank adapter and the head (LoRA, Hu et al. 2022).

*Classify* puts a classification head on the model. *Choose* keeps its language head and learns from the options'
log-likelihoods, or with `reward_head` puts a scalar head on the model, which makes it a reward model. Each point of
the grid is trained from the pretrained weights; with one point there is no search, and nothing is held out. Finished
trainings of a search are kept in the scratch folder, so that an interrupted search goes on where it was.

Weights that are trained are kept in float32 whatever `dtype` says: in bfloat16 a step of 1e-5 would round to nothing.
`dtype` is the precision of the forward pass and, on a GPU, of the frozen weights under an adapter. A CPU converts as
it goes: an update of SmolLM2-135M under an adapter took 1.6 times as long with weights in bfloat16 as in float32.
"""

import gc
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.data.task import REWARD, Kind
from outgrow.generation.causal_lm import merged
from outgrow.graph.step import Job
from outgrow.losses.objective import Objective
from outgrow.models.load_model import (
    DTYPES,
    load_causal_lm,
    load_classifier,
    load_tokenizer,
    pick_device,
)
from outgrow.models.silence_transformers import silence_transformers
from outgrow.models.token_batches import Rows, length_sorted_batches, with_smaller_batches
from outgrow.training.evaluate import ClassEvaluations
from outgrow.training.evaluation_notes import note, read_notes
from outgrow.training.fit_spec import FitResult, FitSpec, Tuning
from outgrow.training.grid_search import GridPoint, SearchResult, search, search_on_gold, training_grid
from outgrow.training.model_folder import save_model
from outgrow.training.processes import kept_processes
from outgrow.training.sampling import sealed_randomness
from outgrow.training.trainer import ExampleTrainer, history, train
from outgrow.training.training_examples import ClassExamples, Reading, read_items

BATCH_TOKENS = 4096


@dataclass(frozen=True)
class FineTuner:
    """A pretrained model about to learn a spec, as often as asked."""

    job: Job
    spec: FitSpec
    objective: Objective
    section: Mapping[str, Any]
    """`config.model.ModelSection` as a dictionary; with `lora` if an adapter is to be trained."""
    seed: int

    @property
    def lora(self) -> Mapping[str, Any] | None:
        """The adapter's settings; `None` = all weights are trained."""
        return self.section.get("lora")

    @property
    def rewards(self) -> bool:
        """Whether a scalar head scores the options of a *choose* item."""
        return bool(self.section.get("reward_head"))

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(
            self.section["model"], self.section["revision"], trust_remote_code=self.section["trust_remote_code"]
        )

    def fresh_model(self) -> PreTrainedModel:
        """The pretrained model with its head, or what an earlier training made of it; on its device."""
        start = self.spec.start
        adapter = None if start is None or not (start / "adapter_config.json").is_file() else start
        if start is None or adapter is not None:
            model = self._load(self.section["model"], self.section["revision"])
        else:
            model = self._load(str(start), None)
        return model if adapter is None else merged(model, adapter)

    def _load(self, name: str, revision: str | None) -> PreTrainedModel:
        device = pick_device(self.job.hints)
        options = {
            "dtype": weight_dtype(self.section, device),
            "device": device,
            "trust_remote_code": self.section["trust_remote_code"],
        }
        if self.spec.task.kind == "choose" and not self.rewards:
            return load_causal_lm(name, revision, **options)
        classes = REWARD if self.rewards else self.spec.task.classes
        model = load_classifier(name, revision, n_classes=len(classes), seed=self.seed, **options)
        model.config.id2label = dict(enumerate(classes))
        model.config.label2id = {name: index for index, name in enumerate(classes)}
        return model

    def trained(
        self,
        point: GridPoint,
        scratch: Path,
        held: Bool[np.ndarray, "item"] | None = None,
        wanted: ClassEvaluations | None = None,
    ) -> tuple[ExampleTrainer, Reading]:
        """Train on the items that are not held out. The reading covers all items of the pool."""
        with sealed_randomness(self.seed), silence_transformers():
            model = self.fresh_model()
            reading = read_items(
                self.spec.task.items,
                model,
                self.tokenizer,
                self.section["max_length"],
                DTYPES[self.section["dtype"]],
                rewards=self.rewards,
            )
            if self.lora is not None:
                model = with_adapter(model, self.lora, "classify" if self.rewards else self.spec.task.kind)
            searching = held is not None and wanted is None
            trainer = train(
                model,
                self.examples(reading, held),
                {**self.section["training"], "lr": point.lr, "epochs": point.epochs},
                dtype=self.section["dtype"],
                seed=self.seed,
                scratch=scratch,
                # Trackers follow the training that counts, not the search before it.
                hints={**self.job.hints, "report_to": []} if searching else self.job.hints,
                report=self.job.report,
                judge=None if wanted is None else ClassJudge(self, reading, wanted, scratch),
            )
        return trainer, reading

    def examples(self, reading: Reading, held: Bool[np.ndarray, "item"] | None) -> ClassExamples:
        """One for each row of the targets whose item is not held out."""
        kept = self.spec.training_rows(held)
        return ClassExamples(
            reading,
            self.spec.rows[self.spec.item_of_target[kept]],
            torch.tensor(self.spec.targets.probs[kept], dtype=torch.float32),
            torch.tensor(self.spec.targets.weight[kept], dtype=torch.float32),
            self.objective,
            None if self.spec.targets.prior is None else torch.tensor(self.spec.targets.prior, dtype=torch.float32),
        )

    def answers(self, trainer: ExampleTrainer, reading: Reading, rows: Rows) -> Float[np.ndarray, "row class"]:
        """The trained model's predictive distributions for some pool items."""
        trainer.model.eval()
        probs = np.zeros((len(rows), self.spec.task.n_classes))

        @torch.inference_mode()
        def run(batch: Rows) -> Float[np.ndarray, "batch class"]:
            with trainer.accelerator.autocast():
                logits = reading.logits(trainer.model, rows[batch].tolist(), trainer.args.device)
            predicted: np.ndarray = self.objective.probs(logits.float()).cpu().numpy()
            return predicted

        budget = self.job.hints.get("batch_tokens", BATCH_TOKENS)
        for batch, result in with_smaller_batches(run, length_sorted_batches(reading.lengths[rows], budget)):
            probs[batch] = result
        return probs

    def kept_answers(
        self, point: GridPoint, rows: Rows, name: str, held: Bool[np.ndarray, "item"] | None = None
    ) -> Float[np.ndarray, "row class"]:
        """Train without the held-out items and answer some pool items; kept in the scratch folder."""
        kept = self.job.scratch / f"{name}.npy"
        if not kept.is_file():
            trainer, reading = self.trained(point, self.job.scratch / name, held)
            probs = self.answers(trainer, reading, rows)
            del trainer
            release_memory()
            unfinished = kept.with_suffix(".unfinished")
            with unfinished.open("wb") as file:
                np.save(file, probs)
            unfinished.rename(kept)
            shutil.rmtree(self.job.scratch / name)
        answered: np.ndarray = np.load(kept)
        return answered


@dataclass(frozen=True)
class ClassJudge:
    """Evaluates a student of classes during its training."""

    tuner: FineTuner
    reading: Reading
    wanted: ClassEvaluations
    scratch: Path

    @property
    def chooses(self) -> bool:
        """Whether the best weights are kept."""
        return self.wanted.plan.chooses

    def due(self, update: int, updates: int) -> bool:
        """As the plan says."""
        return self.wanted.plan.due(update, updates)

    def score(self, trainer: ExampleTrainer, update: int) -> float:
        """Evaluate, note it, and give what the weights are kept by."""
        rows = self.tuner.spec.asked
        evaluation = self.wanted.evaluation(update, self.tuner.answers(trainer, self.reading, rows))
        return note(self.wanted.plan, evaluation, self.scratch, trainer)


def learn_model(
    job: Job, spec: FitSpec, objective: Objective, model: Mapping[str, Any], tuning: Tuning, seed: int
) -> FitResult:
    """Search the grid if it has more than one point, train on all items, answer, and write `model/`."""
    apprentice = FineTuner(job, spec, objective, model, seed)
    with kept_processes():
        return _learned(apprentice, tuning)


def _learned(apprentice: FineTuner, tuning: Tuning) -> FitResult:
    job, spec, model = apprentice.job, apprentice.spec, apprentice.section
    grid = spec.paced(training_grid(dict(tuning.section), model["training"]))

    choice = _search(apprentice, grid, tuning)
    wanted, scratch = spec.evaluations, job.scratch / "all"
    trainer, reading = apprentice.trained(choice.point, scratch, spec.held_out, wanted)
    answers = apprentice.answers(trainer, reading, spec.asked)
    merge, classes = spec.start is not None, spec.task.classes if spec.task.kind == "classify" else ()
    classes = REWARD if apprentice.rewards else classes
    save_model(trainer.model, apprentice.tokenizer, model, job.out / "model", merge=merge, classes=classes)
    learned = FitResult(answers, grid, choice, list(history(trainer)), reading.truncated)
    del trainer
    release_memory()
    if wanted is None:
        return learned
    notes = read_notes(wanted.plan, scratch)
    return learned._replace(evaluations=notes.evaluations, kept=notes.kept)


def _search(apprentice: FineTuner, grid: Sequence[GridPoint], tuning: Tuning) -> SearchResult:
    """The best point: by half A's gold where the spec names items to judge by, else by cross-validation."""
    spec = apprentice.spec
    if spec.judged is not None:
        judged = spec.judged

        def answer_judged() -> Float[np.ndarray, "grid judged class"]:
            points = enumerate(grid)
            return np.stack([apprentice.kept_answers(point, judged, f"point-{index}") for index, point in points])

        return search_on_gold(grid, spec.task.items.gold[judged], answer_judged)

    def answer(held: Bool[np.ndarray, "item"], fold: int) -> Float[np.ndarray, "grid held class"]:
        points, rows = enumerate(grid), spec.rows[held]
        return np.stack(
            [apprentice.kept_answers(point, rows, f"fold-{fold}-point-{index}", held) for index, point in points]
        )

    fold = spec.folds(tuning.section["folds"]) if len(grid) > 1 else np.zeros(len(spec.rows), dtype=np.int64)
    return search(grid, fold, spec.yardstick, tuning.select_by, answer)


def release_memory() -> None:
    """Free the memory of the last training: the Trainer's parts refer to each other, so it outlives its last use."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def with_adapter(model: PreTrainedModel, lora: Mapping[str, Any], kind: Kind) -> PeftModel:
    """The model with a new adapter; nothing else but a classification head is trained with it."""
    config = LoraConfig(
        task_type="SEQ_CLS" if kind == "classify" else "CAUSAL_LM",
        r=lora["r"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules=lora["modules"],
    )
    with silence_transformers():
        adapted = get_peft_model(model, config)
    for weight in adapted.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    return adapted


def weight_dtype(section: Mapping[str, Any], device: torch.device) -> str:
    """The precision of the pretrained weights while they, or an adapter on them, are trained."""
    return str(section["dtype"]) if "lora" in section and device.type != "cpu" else "float32"
