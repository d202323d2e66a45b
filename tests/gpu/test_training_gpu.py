"""Training on a GPU in bfloat16 agrees with the CPU in float32: an update, a probe, an evaluation. Skipped without."""

import numpy as np
import pytest
import torch

from outgrow.data.task import Items
from outgrow.losses.objective import make_objective
from outgrow.models.load_model import DTYPES, load_causal_lm, load_classifier, load_tokenizer
from outgrow.training.heads import fit_heads
from outgrow.training.trainer import ExampleTrainer, history, train
from outgrow.training.training_examples import ClassExamples, read_items

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

MODEL = "bundled:smollm2-135m@2"
PLACES = [("cpu", "float32"), ("cuda", "bfloat16")]
WORDS = ["plants", "breathe", "in", "carbon", "dioxide", "the", "sky", "is", "blue", "and", "stones", "sink"]
TRAINING = {
    "lr": 1e-3,
    "epochs": 1.0,
    "batch_size": 8,
    "micro_batch_size": 3,
    "scheduler": "constant",
    "warmup": 0.0,
    "optimizer": "sgd",
    "weight_decay": 0.0,
    "max_grad_norm": 0.0,
}


def items(kind: str) -> Items:
    rng = np.random.default_rng(0)
    prompts = [" ".join(rng.choice(WORDS, size=rng.integers(3, 40)).tolist()) for _ in range(8)]
    options = [rng.choice(WORDS, size=3, replace=False).tolist() for _ in range(8)] if kind == "choose" else None
    return Items([str(i) for i in range(8)], prompts, rng.integers(0, 3, 8), options)


def one_update(kind: str, device: str, dtype: str, scratch) -> ExampleTrainer:
    """The model after one update of eight examples, on a device and in a precision."""
    tokenizer = load_tokenizer(MODEL)
    model = load_causal_lm(MODEL) if kind == "choose" else load_classifier(MODEL, n_classes=3, seed=0)
    model = model.to(device)
    reading = read_items(items(kind), model, tokenizer, 64, DTYPES[dtype])
    targets = torch.tensor(np.random.default_rng(1).dirichlet(np.ones(3), 8), dtype=torch.float32)
    return train(
        model,
        ClassExamples(reading, np.arange(8), targets, torch.ones(8), make_objective({"type": "cross_entropy"}, None)),
        TRAINING,
        dtype=dtype,
        seed=0,
        scratch=scratch,
        hints={"device": device},
        report=lambda message, share: None,
    )


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_an_update_and_the_answers_after_it_agree(kind, tmp_path) -> None:
    losses, norms, answers = [], [], []
    for device, dtype in PLACES:
        trainer = one_update(kind, device, dtype, tmp_path / device)
        [update] = history(trainer)
        losses.append(update["loss"])
        norms.append(update["gradient_norm"])
        trainer.model.eval()
        with torch.inference_mode():
            answers.append(trainer.outputs(trainer.model, torch.arange(8)).softmax(-1).cpu().numpy())
    assert losses[1] == pytest.approx(losses[0], rel=0.03)
    assert norms[1] == pytest.approx(norms[0], rel=0.1)
    assert abs(answers[1] - answers[0]).max() < 0.1


def test_a_probe_agrees() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(200, 32, generator=generator)
    targets = torch.softmax(features @ torch.randn(32, 4, generator=generator), dim=1)
    l2 = torch.tensor([1.0, 0.01])
    found = []
    for device, _ in PLACES:
        inputs = [tensor.to(device) for tensor in (features, targets, torch.ones(200))]
        objective = make_objective({"type": "cross_entropy"}, None)
        heads = fit_heads(*inputs, objective, l2.to(device), (0 * l2 + 0.05).to(device), 100)
        found.append(heads.probs(inputs[0]).cpu())
    assert torch.allclose(*found, atol=5e-3)
