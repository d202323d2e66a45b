"""A student of texts that learns by the marginal likelihood over an item's candidates."""

import json

import numpy as np
import pytest
import torch
from tiny_texts import SOFT, TextStudy, text_section
from transformers import AutoModelForCausalLM, AutoTokenizer

from drawn_seeds import SEEDS
from outgrow.generation.causal_lm import load_trained
from outgrow.texts import TextTargets, certain
from outgrow.training.text_training_steps import train_text_student

MARGINAL = {"type": "marginal_likelihood"}
OWN = {"gamma_max": 0.5, "ramp": 0.5, "harden": "argmax"}
SGD = {"optimizer": "sgd", "lr": 0.05}


def learned(study: TextStudy, folder: str, name: str, adapt="full", own=None, **training):
    """Losses by update, and the weights that a student of the study's targets ends with."""
    job, section = study.job(name), text_section(folder, adapt, **training)
    train_text_student(job, adapt=adapt, model=section, loss=MARGINAL, soft_labels=SOFT, self_training=own, seed=0)
    model = load_trained(section, job.out / "model", "cpu")
    lines = (job.out / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines], torch.cat([w.detach().flatten() for w in model.parameters()])


def candidates(study: TextStudy, seed: int) -> TextTargets:
    """One to four candidates of unequal length for every item of half B, with likelihoods that sum to 1."""
    gold, rng = study.gold(), np.random.default_rng(seed)
    items, texts, weight = list[str](), list[str](), list[float]()
    for item, right in zip(gold.items, gold.texts, strict=True):
        pool = list(dict.fromkeys([right, *rng.choice([*gold.texts, "no", "at noon, I think"], 3).tolist()]))
        items += [item] * len(pool)
        texts += pool
        weight += rng.dirichlet(np.ones(len(pool))).tolist()
    return TextTargets(items, texts, [certain(text) for text in texts], np.asarray(weight))


def defined_loss(study: TextStudy, model: torch.nn.Module, tokenizer, targets: TextTargets) -> torch.Tensor:
    """−ln Σ_c ℓ_c exp(mean ln p of the candidate's tokens and its end), averaged over items."""
    prompts = dict(zip(study.task.items.ids, study.task.items.prompts, strict=True))
    likelihood: dict[str, torch.Tensor] = {}
    for item, text, weight in zip(targets.items, targets.texts, targets.weight.tolist(), strict=True):
        prompt = tokenizer(prompts[item] + "\n")["input_ids"]
        answer = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        logs = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        mean = logs[torch.arange(len(answer)), torch.tensor(answer)].mean()
        likelihood[item] = likelihood.get(item, torch.zeros(())) + weight * mean.exp()
    return -torch.stack(list(likelihood.values())).log().mean()


@pytest.mark.parametrize("size", [None, 3, 1])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_one_update_is_the_definition_however_it_is_split(text_study, writing, family, size):
    """In parts of three and of one candidate, items are cut; GPT-2 ties its output layer to its input."""
    folder = writing(family)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    if family == "gpt2":
        folder = without_dropout(model, tokenizer, text_study)
    text_study.teach(candidates(text_study, SEEDS[0]))
    found, after = learned(text_study, folder, "one", batch_size=10, epochs=1.0, micro_batch_size=size, **SGD)
    wanted = defined_loss(text_study, model, tokenizer, text_study.targets)
    assert found == pytest.approx([wanted.item()], rel=1e-5)
    gradients = torch.autograd.grad(wanted, list(model.parameters()))
    expected = [(w - 0.05 * g).detach().flatten() for w, g in zip(model.parameters(), gradients, strict=True)]
    assert torch.allclose(after, torch.cat(expected), atol=1e-5)


def without_dropout(model, tokenizer, study: TextStudy) -> str:
    """The same weights in a folder whose configuration has no dropout."""
    for key in ("resid_pdrop", "embd_pdrop", "attn_pdrop"):
        setattr(model.config, key, 0.0)
    folder = study.folder / "no-dropout"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_several_updates_with_own_labels_are_the_same_however_they_are_split(text_study, writing):
    text_study.teach(candidates(text_study, SEEDS[1]))
    folder, settings = writing("llama"), {"own": OWN, "batch_size": 4, **SGD}
    whole = learned(text_study, folder, "whole", micro_batch_size=16, **settings)
    assert len(whole[0]) == 6
    for size in (4, 1):
        other = learned(text_study, folder, f"of-{size}", micro_batch_size=size, **settings)
        assert other[0] == pytest.approx(whole[0], rel=1e-4)
        assert torch.allclose(other[1], whole[1], atol=1e-5)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("adapt", ["full", "lora"])
def test_the_loss_falls(text_study, writing, adapt):
    text_study.teach(candidates(text_study, SEEDS[2]))
    losses, _ = learned(text_study, writing("llama"), "student", adapt, lr=1e-2, epochs=15.0, keep="best")
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
