"""Learn with a probe: linear heads on hidden states that the `features` step has cached.

With `spec.start`, the head of an earlier probe, all points go on from that one, at the layer which it reads.

Each point of the grid names a layer, a step size, a number of steps and a ridge penalty. Points that share layer and
steps are trained side by side (`heads.py`); the features of one layer are in memory at a time. When the best point is
known, it is trained once more on every item.

The head is written to `model/`: `head.safetensors` holds `weight`, `bias`, `mean`, `deviation`, and `head.json` says
which hidden state of which model it reads. `z = ((x − mean) / deviation) @ weight + bias`.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor

from outgrow.errors import DataError, StepFailed
from outgrow.graph.step import Job
from outgrow.losses.objective import Objective
from outgrow.models.feature_file import read_features
from outgrow.models.load_model import pick_device
from outgrow.training.evaluate import ClassEvaluations
from outgrow.training.fit_spec import FitResult, FitSpec, Tuning
from outgrow.training.grid_search import GridPoint, SearchResult, probe_grid, search, search_on_gold
from outgrow.training.heads import Affine, Heads, fit_heads


@dataclass(frozen=True)
class Features:
    """The cached hidden states of every pool item, read from disk as they are needed."""

    values: Float[np.ndarray, "item *option layer dim"]
    layers: list[int]
    device: torch.device

    @staticmethod
    def load(folder: Path, n_items: int, device: torch.device) -> "Features":
        """Open the folder of a `features` step."""
        values, layers = read_features(folder, n_items)
        return Features(values, layers, device)

    def take(self, rows: Int[np.ndarray, "row"], layer: int | None) -> Float[Tensor, "row *option dim"]:
        """The hidden states of some pool items at one layer."""
        place = 0 if layer is None else self.layers.index(layer)
        chosen = np.moveaxis(self.values, -2, 0)[place][rows]
        return torch.from_numpy(np.ascontiguousarray(chosen, dtype=np.float32)).to(self.device)


class SavedHead(NamedTuple):
    """A head written by `save_head`, as a map from features to logits, x @ weight + bias."""

    layer: int | None
    affine: Affine


def learn_probe(job: Job, spec: FitSpec, objective: Objective, model: Mapping[str, Any], tuning: Tuning) -> FitResult:
    """Search the grid on held-out items, train the best point on all, answer, and write `model/`."""
    features = Features.load(job.inputs["features"], len(spec.task.items), pick_device(job.hints))
    start = None if spec.start is None else load_head(spec.start, features)
    grid = [
        point
        for point in spec.paced(probe_grid(dict(tuning.section), features.layers))
        if start is None or point.layer == start.layer
    ]
    if spec.judged is None:
        choice = _cross_validated(job, spec, objective, features, grid, tuning, start)
    else:
        judged, fitted = spec.judged, fit_grid(features, spec, objective, grid, start=start)
        choice = search_on_gold(grid, spec.task.items.gold[judged], lambda: _answers(features, judged, fitted))
    job.report("all items", 0.75)
    watch = None if spec.evaluations is None else EvaluatedHeads(spec, spec.evaluations, features, choice.point)
    [(layer, heads)] = fit_grid(features, spec, objective, [choice.point], spec.held_out, start, watch)
    heads = heads if watch is None else watch.kept
    answers = heads.probs(features.take(spec.asked, layer))[0].cpu().numpy()
    save_head(heads, job.out / "model", model, layer, spec)
    metrics = [{"step": step, "loss": loss} for step, loss in enumerate(heads.losses[:, 0].tolist())]
    if watch is None:
        return FitResult(answers, grid, choice, metrics)
    return FitResult(answers, grid, choice, metrics, evaluations=watch.evaluations, kept=watch.update)


class EvaluatedHeads:
    """Evaluates a head after some of its updates and keeps the best, or the last one, of those."""

    def __init__(self, spec: FitSpec, wanted: ClassEvaluations, features: Features, point: GridPoint) -> None:
        self.wanted, self.updates = wanted, updates_of(point)
        self.inputs = features.take(spec.asked, point.layer)
        self.evaluations = wanted.plan.noted()
        self.score, self.update = -math.inf, 0
        self.kept: Heads

    def __call__(self, update: int, heads: Heads) -> None:
        """After an update."""
        if not self.wanted.plan.due(update, self.updates):
            return
        evaluation = self.wanted.evaluation(update, heads.probs(self.inputs)[0].cpu().numpy())
        self.evaluations.each.append(evaluation)
        score = self.evaluations.score(evaluation, self.wanted.plan.keep)
        if score > self.score:
            self.score, self.update, self.kept = score, update, heads


def updates_of(point: GridPoint) -> int:
    """The full-batch updates that a point of the grid asks for."""
    return max(1, round(point.epochs))


def _cross_validated(
    job: Job,
    spec: FitSpec,
    objective: Objective,
    features: Features,
    grid: Sequence[GridPoint],
    tuning: Tuning,
    start: SavedHead | None,
) -> SearchResult:
    """The best point by its answers to held-out items."""
    fold = spec.folds(tuning.section["folds"])
    rounds = int(fold.max()) + 1

    def answer(held: Bool[np.ndarray, "item"], fold_index: int) -> Float[np.ndarray, "grid held class"]:
        job.report(f"fold {fold_index + 1} of {rounds}", fold_index / (rounds + 1))
        return _answers(features, spec.rows[held], fit_grid(features, spec, objective, grid, held, start))

    return search(grid, fold, spec.yardstick, tuning.select_by, answer, tuning.held_out_wanted)


def _answers(
    features: Features, rows: Int[np.ndarray, "row"], fitted: Iterator[tuple[int | None, Heads]]
) -> Float[np.ndarray, "grid row class"]:
    """All heads' predictive distributions for some pool items."""
    return np.concatenate([heads.probs(features.take(rows, layer)).cpu().numpy() for layer, heads in fitted])


def fit_grid(
    features: Features,
    spec: FitSpec,
    objective: Objective,
    grid: Sequence[GridPoint],
    held: Bool[np.ndarray, "item"] | None = None,
    start: SavedHead | None = None,
    watch: Callable[[int, Heads], None] | None = None,
) -> Iterator[tuple[int | None, Heads]]:
    """Heads for all points of the grid, in its order, from the items that are not held out.

    Points next to each other that share layer and steps come as one `Heads`. All go on from `start`, if there is one.
    `watch` sees them after every update.
    """
    kept = spec.training_rows(held)
    items, item = np.unique(spec.item_of_target[kept], return_inverse=True)
    targets = torch.tensor(spec.targets.probs[kept], dtype=torch.float32, device=features.device)
    weight = torch.tensor(spec.targets.weight[kept], dtype=torch.float32, device=features.device)
    prior = None if spec.targets.prior is None else targets.new_tensor(spec.targets.prior)
    rows = None if len(items) == len(item) else torch.tensor(item, device=features.device)
    if rows is None:  # one row per item: put the items in the rows' order instead
        items = spec.item_of_target[kept]
    for (layer, updates), members in groupby(grid, key=lambda point: (point.layer, updates_of(point))):
        points = list(members)
        inputs = features.take(spec.rows[items], layer)
        l2, lr = (inputs.new_tensor([getattr(point, key) for point in points]) for key in ("l2", "lr"))
        heads = fit_heads(
            inputs,
            targets,
            weight,
            objective,
            l2,
            lr,
            updates,
            rows,
            None if start is None else start.affine,
            prior,
            watch,
        )
        if not heads.losses.isfinite().all():
            raise StepFailed(f"a probe's loss is not finite at a learning rate of {lr.max().item():g}; lower tune.lr")
        yield layer, heads


def load_head(folder: Path, features: Features) -> SavedHead:
    """An earlier probe's head. Raises `DataError` if its layer is not among the features."""
    about = json.loads((folder / "head.json").read_text())
    tensors = {name: tensor.to(features.device) for name, tensor in load_file(folder / "head.safetensors").items()}
    layer = about["layer"]
    if layer not in features.layers:
        raise DataError(f"{folder}: this head reads layer {layer}, and the features are of layers {features.layers}")
    weight = tensors["weight"] / tensors["deviation"][:, None]
    return SavedHead(layer, Affine(weight, tensors["bias"] - tensors["mean"] @ weight))


def save_head(heads: Heads, folder: Path, model: Mapping[str, Any], layer: int | None, spec: FitSpec) -> None:
    """Write the first of the heads, and what it is a head of."""
    folder.mkdir()
    tensors = {
        "weight": heads.weight[:, 0],
        "bias": heads.bias[0],
        "mean": heads.mean,
        "deviation": heads.deviation,
    }
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, folder / "head.safetensors")
    about = {
        "model": model["model"],
        "revision": model["revision"],
        "layer": layer,
        "kind": spec.task.kind,
        "classes": list(spec.task.classes),
    }
    (folder / "head.json").write_text(json.dumps(about, ensure_ascii=False, indent=1))
