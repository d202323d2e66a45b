"""A training by several processes is the training of one: over gloo, on the CPU, in float32."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_loop import BALANCED, CROSS_ENTROPY, SELF_TRAINED, lesson
from test_marginal_texts import candidates
from test_reward_model import some_samples, tokens_for
from test_text_preference import made_pairs
from tiny_study import TRAINING, model_section
from tiny_texts import EVIDENTIAL, LORA, PLAIN, SOFT, TextStudy, text_section, with_student

from outgrow.labels import WeakLabels
from outgrow.losses.objective import make_objective
from outgrow.training.classifier_steps import train_student
from outgrow.training.fine_tune import with_adapter
from outgrow.training.preference_step import train_preference
from outgrow.training.processes import kept_processes
from outgrow.training.reward_model import ModelLearner
from outgrow.training.text_training_steps import train_text_student
from outgrow.training.trainer import history, train
from simulated_labels import job_in

SPLITS = [(2, 2), (4, 1)]
"""Processes, and rows of a part: 8 items of an update are 2 × 2 parts of 2, or 4 × 2 parts of 1."""


@pytest.fixture(scope="module", autouse=True)
def _started_once():
    with kept_processes():
        yield


def by(processes):
    return {"device": "cpu", "resources": {"processes": processes}}


def trained(model, examples, scratch, processes, objective=CROSS_ENTROPY, **training):
    """Ten updates or more."""
    return train(
        model,
        replace(examples, objective=objective),
        {**TRAINING, "epochs": 4.0, **training},
        dtype="float32",
        seed=3,
        scratch=scratch,
        hints=by(processes),
        report=lambda *_: None,
    )


def require_same(run, other):
    """Losses by update, and weights, of two trainings."""
    (losses, weights), (others, other_weights) = run, other
    assert len(losses) >= 10
    assert others == pytest.approx(losses, rel=1e-5)
    assert torch.linalg.vector_norm(weights - other_weights) < 1e-5 * torch.linalg.vector_norm(weights)


def outcome(trainer):
    """Losses and weights."""
    weights = [weight.detach().flatten() for weight in trainer.model.parameters()]
    return [row["loss"] for row in history(trainer)], torch.cat(weights)


def written(out: Path):
    """Losses and weights, as a step has written them."""
    (file,) = (out / "model").glob("*.safetensors")
    weights = torch.cat([weight.flatten().float() for _, weight in sorted(load_file(file).items())])
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()], weights


OBJECTIVES = {
    "plain": CROSS_ENTROPY,
    "argmax": SELF_TRAINED,
    "balanced": BALANCED,
    "evidential": make_objective({"type": "evidential", "kl": "mixed", "kl_weight": 0.1}, None),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_classes_are_learned_as_by_one_process(tiny, tmp_path, name):
    """Unequal weights, clipped gradients, a last batch of four items; balanced thresholds look at the whole update."""
    runs = []
    for processes, part in [(1, None), *SPLITS[: 2 if name == "balanced" else 1]]:
        model, examples = lesson(tiny("llama"))
        settings = {"max_grad_norm": 0.5, "micro_batch_size": part}
        runs.append(
            outcome(
                trained(model, examples, tmp_path / f"{processes}-{part}", processes, OBJECTIVES[name], **settings)
            )
        )
    for run in runs[1:]:
        require_same(runs[0], run)


def test_unequal_shares_and_idle_processes_change_nothing(tiny, tmp_path):
    """Updates of three items and of two by four processes; weight decay, which a zero gradient would not undo."""
    runs = []
    for processes in (1, 4):
        model, examples = lesson(tiny("llama"), n=5)
        model.register_parameter("unused", torch.nn.Parameter(torch.ones(3)))
        settings = {"weight_decay": 0.1, "epochs": 5.0, "batch_size": 4}
        runs.append(outcome(trained(model, examples, tmp_path / str(processes), processes, **settings)))
    require_same(*runs)


def test_options_are_learned_as_by_one_process(tiny, tmp_path):
    runs = []
    for processes in (1, 2):
        model, examples = lesson(tiny("llama"), "choose")
        torch.manual_seed(0)
        runs.append(
            outcome(trained(with_adapter(model, LORA, "choose"), examples, tmp_path / str(processes), processes))
        )
    require_same(*runs)


def step(study, name, processes, adapt="full", loss=PLAIN, own=None, folder="", **training):
    job = study.job(name, **by(processes))
    section = text_section(folder, adapt, **{"epochs": 5.0, "batch_size": 4, **training})
    train_text_student(job, adapt=adapt, model=section, loss=loss, soft_labels=SOFT, self_training=own, seed=0)
    return written(job.out)


OWN = {"gamma_max": 0.5, "ramp": 1.0, "harden": "argmax"}


@pytest.mark.parametrize(
    ("loss", "own", "adapt"),
    [(PLAIN, None, "lora"), (EVIDENTIAL, OWN, "full")],
    ids=["soft", "evidential-self-training"],
)
def test_texts_are_learned_as_by_one_process(text_study, writing, loss, own, adapt):
    """A share of the items is held out, and the pass that predicts them best is kept."""
    settings = {"loss": loss, "own": own, "adapt": adapt, "folder": writing("llama"), "keep": "best"}
    one = step(text_study, "one", 1, **settings)
    require_same(one, step(text_study, "two", 2, micro_batch_size=3, **settings))


def test_texts_that_are_compared_are_learned_as_by_one_process(text_study, writing):
    """The marginal likelihood of an item's candidates, in parts of one candidate."""
    text_study.teach(candidates(text_study, 3))
    settings = {"loss": {"type": "marginal_likelihood"}, "folder": writing("llama")}
    one = step(text_study, "one", 1, **settings)
    require_same(one, step(text_study, "two", 2, micro_batch_size=1, **settings))


def test_a_bundled_model_learns_texts_as_by_one_process(tmp_path):
    """An adapter on SmolLM2 cut after two layers, in 1 × 8, 2 × 4 and 4 × 2 texts."""
    study = TextStudy(tmp_path / "study")
    settings = {"folder": "bundled:smollm2-135m@2", "adapt": "lora", "batch_size": 4, "lr": 1e-3, "epochs": 4.0}
    one, two, four = (step(study, str(n), n, **settings) for n in (1, 2, 4))
    require_same(one, two)
    require_same(one, four)


def test_preferences_are_learned_as_by_one_process(text_study, writing):
    with_student(text_study, writing("llama"), "full")
    made_pairs(text_study).save(text_study.folder / "pairs" / "pairs.parquet")
    training = {**text_section("")["training"], "lr": 5e-3, "epochs": 5.0, "batch_size": 4}
    preference = {"loss": "cdpo", "beta": 0.5, "epsilon": 0.1, "logprobs": "sum", "training": training}
    runs = []
    for processes in (1, 2):
        job = text_study.job(f"by-{processes}", **by(processes))
        train_preference(job, adapt="full", model=text_section(writing("llama")), preference=preference, seed=0)
        runs.append(written(job.out))
    require_same(*runs)


def test_rewards_are_learned_as_by_one_process(writing, tmp_path):
    samples, found = some_samples(), []
    settings = {**TRAINING, "lr": 3e-3, "epochs": 5.0, "batch_size": 4}
    good, bad, section = np.arange(1, 14, 2), np.arange(0, 14, 2), text_section(writing("llama"))
    rows = tokens_for(writing("llama"), samples)
    for processes in (1, 2):
        job = job_in(tmp_path, f"by-{processes}", {}, **by(processes))
        learner = ModelLearner(job, section, settings, samples, rows, True, 0)
        found.append(learner.learn(0, good, bad, np.arange(14)))
    assert len(found[0].metrics) >= 10
    assert found[1].reward == pytest.approx(found[0].reward, rel=1e-4)


def test_a_step_searches_its_grid_and_answers_as_by_one_process(tiny, study):
    """Three trainings, one after the other, by the same processes; predictions of all items."""
    here, found = study(), []
    tune = {"l2": [], "lr": [1e-3, 1e-4], "epochs": None, "folds": 2, "select_by": "weak_accuracy"}
    for processes in (1, 2):
        job = here.job(f"by-{processes}", **by(processes))
        train_student(
            job,
            adapt="full",
            model=model_section(tiny("llama"), epochs=1.0),
            loss={"type": "cross_entropy"},
            self_training=None,
            tune=tune,
            seed=0,
            name="student",
        )
        found.append(WeakLabels.load(job.out / "test.parquet").probs)
    assert np.allclose(*found, rtol=1e-4)
