"""Boosted writers (EnsemW2S): weights of experts and tokens, the mixture that they write with, and the training."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_texts import TextStudy, text_section

from drawn_seeds import SEEDS
from outgrow.combiners.token_boosting import LEAST_ERROR, expert_weight, next_weights
from outgrow.generation.causal_lm import CausalLM, forced, load_writer
from outgrow.generation.local_generator import draw, generation_config
from outgrow.generation.token_ensemble import MEMBERS, TokenEnsemble
from outgrow.models.load_model import load_causal_lm
from outgrow.training.boosting_step import train_boosted_supervisor

SEARCH = {"beams": 1, "candidates": 1, "sample": False, "max_new_tokens": 5, "stop": []}


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_are_those_of_samme(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_classes, weight = int(rng.integers(2, 50)), rng.dirichlet(np.ones(40))
    is_wrong = rng.random(40) < 0.3
    is_wrong[:2] = (True, False)
    error = sum(w for w, wrong in zip(weight.tolist(), is_wrong.tolist(), strict=True) if wrong)
    alpha = expert_weight(weight, is_wrong, n_classes)
    assert alpha == pytest.approx(math.log((1 - error) / error * (n_classes - 1)))
    raised = [w * (math.exp(alpha) if wrong else 1) for w, wrong in zip(weight, is_wrong.tolist(), strict=True)]
    following = next_weights(weight, is_wrong, alpha)
    np.testing.assert_allclose(following, np.asarray(raised) / sum(raised), rtol=1e-12)
    # The next expert meets a question that this one answers as well as chance.
    assert following[is_wrong].sum() == pytest.approx((n_classes - 1) / n_classes)


def test_a_faultless_expert_and_a_hopeless_one_have_finite_weights() -> None:
    weight = np.full(4, 0.25)
    faultless = expert_weight(weight, np.zeros(4, dtype=bool), 2)
    assert faultless == pytest.approx(math.log((1 - LEAST_ERROR) / LEAST_ERROR))
    assert expert_weight(weight, np.ones(4, dtype=bool), 2) == pytest.approx(-faultless)
    np.testing.assert_allclose(next_weights(weight, np.zeros(4, dtype=bool), faultless), weight)


def ensemble(folders: list[str], weights: list[float]) -> CausalLM:
    """A writer of several models with the tokenizer of the first one."""
    one = load_writer(text_section(folders[0]), None, "cpu")
    models = [load_causal_lm(folder, None, dtype="float32", device="cpu") for folder in folders]
    return CausalLM(one.prompter, one.spelling, one.longest, lm=TokenEnsemble(models, weights).eval())


@pytest.fixture(scope="module")
def writers(writing, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two models that differ, with one tokenizer."""
    first = Path(writing("llama"))
    second = tmp_path_factory.mktemp("second")
    model = load_causal_lm(str(first), None, dtype="float32", device="cpu")
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight) * weight.std())
    model.save_pretrained(second)
    for path in first.iterdir():
        if "token" in path.name:
            (second / path.name).write_bytes(path.read_bytes())
    return [str(first), str(second)]


@torch.no_grad()
def test_the_mixture_is_that_of_probabilities_and_writes_the_same_in_a_padded_batch(writers: list[str]) -> None:
    weights = [0.3, 0.7]
    both = ensemble(writers, weights)
    prompts = both.prompts(["a train to Ulm", "to Bern at noon please"])
    written = draw(both, prompts, generation_config(both, SEARCH), [0])
    for prompt, tokens in zip(prompts, written, strict=True):
        so_far = list(prompt)
        for token in tokens:
            mixed = sum(
                weight * member(torch.tensor([so_far])).logits[0, -1].softmax(-1)
                for weight, member in zip(weights, both.lm.members, strict=True)
            )
            assert token == int(mixed.argmax())
            so_far.append(token)
    _, run = forced(both, prompts, [[tokens] for tokens in written])
    found = run(np.arange(2))
    for row, (prompt, tokens) in enumerate(zip(prompts, written, strict=True)):
        logits = [member(torch.tensor([[*prompt, *tokens]])).logits[0] for member in both.lm.members]
        mixed = sum(weight * one.softmax(-1) for weight, one in zip(weights, logits, strict=True))
        by_hand = [math.log(mixed[len(prompt) - 1 + step, token]) for step, token in enumerate(tokens)]
        np.testing.assert_allclose(found[row][0], by_hand, atol=1e-4)


def test_every_expert_learns_what_the_last_one_got_wrong(writing, tmp_path: Path) -> None:
    study, folder = TextStudy(tmp_path / "study"), writing("llama")
    section = text_section(folder, lr=1e-2, epochs=2.0)
    job = study.job("boosted")
    train_boosted_supervisor(job, adapt="full", model=section, rounds=2, seed=0)
    first, second = json.loads((job.out / "chosen.json").read_text())["experts"]
    assert 0 < first["error"] < 1
    assert second["alpha"] > 0
    shares = json.loads((job.out / "model" / MEMBERS).read_text())
    assert list(shares) == ["expert-0", "expert-1"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["expert-0"] / shares["expert-1"] == pytest.approx(first["alpha"] / second["alpha"])
    writer = load_writer(section, job.out / "model", "cpu")
    assert isinstance(writer.lm, TokenEnsemble)
    # Both start from one model and see the same texts: what differs is the weights of the tokens (and the order).
    one, two = (dict(member.named_parameters()) for member in writer.lm.members)
    assert any(not torch.equal(one[name], two[name]) for name in one)


def test_a_finished_expert_is_not_trained_again(writing, tmp_path: Path) -> None:
    study, section = TextStudy(tmp_path / "study"), text_section(writing("llama"), lr=1e-2, epochs=1.0)
    job = study.job("boosted")
    train_boosted_supervisor(job, adapt="full", model=section, rounds=1, seed=0)
    made = (job.scratch / "expert-0" / "expert.json").stat().st_mtime_ns
    job.out.rename(tmp_path / "first")
    again = study.job("boosted")
    train_boosted_supervisor(again, adapt="full", model=section, rounds=2, seed=0)
    assert (again.scratch / "expert-0" / "expert.json").stat().st_mtime_ns == made
    weights = [next((tmp_path / "first" / "model").rglob("*.safetensors")), again.out / "model" / "expert-0"]
    assert weights[0].read_bytes() == next(weights[1].glob("*.safetensors")).read_bytes()
