"""An update is of whole items, whatever the number of their rows; its gradient is the sum over an item's rows."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_loop import lesson, losses, trained, weights
from tiny_texts import EVIDENTIAL, PLAIN, SOFT, TextStudy, guessed, text_section
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from drawn_seeds import SEEDS
from outgrow.generation.causal_lm import load_trained
from outgrow.losses.objective import make_objective
from outgrow.texts import TextTargets, certain
from outgrow.training.sampling import batches_of, parts_of
from outgrow.training.text_training_steps import train_text_student

MIXED = make_objective({"type": "evidential", "kl": "mixed", "kl_weight": 0.1}, None)
PRODUCT = make_objective({"type": "product"}, None)
BALANCED = make_objective({"type": "product"}, {"gamma_max": 1.0, "ramp": 0.01, "harden": "balanced"})


# ---- batches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_has_all_rows_of_its_items_wherever_they_are_in_the_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    item = rng.permutation(np.repeat(np.arange(50), rng.integers(1, 5, 50)))
    lengths = rng.integers(1, 90, len(item))
    batches = batches_of(lengths, item, 8, 2.0, seed)
    assert len(batches) == 2 * 7
    for start in (0, 7):
        assert sorted(np.concatenate(batches[start : start + 7]).tolist()) == list(range(len(item)))
    assert sorted(len(set(item[batch].tolist())) for batch in batches) == [2] * 2 + [8] * 12
    assert all(np.count_nonzero(np.diff(item[batch])) == len(set(item[batch].tolist())) - 1 for batch in batches)
    order = rng.permutation(len(item))
    moved = batches_of(lengths[order], item[order], 8, 2.0, seed)
    assert [sorted(order[batch].tolist()) for batch in moved] == [sorted(batch.tolist()) for batch in batches]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_items_of_a_batch_are_the_same_with_one_source_and_with_three(seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(1, 90, 50)
    one = batches_of(lengths, np.arange(50), 8, 1.5, seed)
    three = batches_of(np.repeat(lengths, 3), np.repeat(np.arange(50), 3), 8, 1.5, seed)
    assert [batch.tolist() for batch in one] == [(batch[::3] // 3).tolist() for batch in three]


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_cut_no_item_that_fits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for most in range(1, 8):
        item = np.repeat(np.arange(20), rng.integers(1, 6, 20))
        parts = parts_of(item, most)
        assert sum(parts) == len(item)
        assert 0 < min(parts) <= max(parts) <= most
        for start, end in zip(np.cumsum([0, *parts]), np.cumsum(parts), strict=False):
            cut = end < len(item) and item[end - 1] == item[end]
            assert not cut or np.count_nonzero(item == item[end]) > most
            assert start < end
    assert parts_of(np.asarray([4, 4, 7, 7, 9]), 4) == [4, 1]


# ---- votes ----------------------------------------------------------------------------------------------


def voted(folder: str, sources: int = 3, n: int = 20, seed: int = 0):
    """A tiny model, and examples with a row per item and source, a source's rows one after the other."""
    model, examples = lesson(folder, n=n, seed=seed)
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.2, 2, (sources, n))
    return model, replace(
        examples,
        item=np.tile(np.arange(n), sources),
        targets=torch.tensor(rng.dirichlet(np.ones(3), sources * n), dtype=torch.float32),
        weight=torch.tensor((weight / weight.sum(0)).ravel(), dtype=torch.float32),
    )


def taken(examples, rows):
    """Some of the rows, in that order."""
    chosen = torch.as_tensor(rows)
    item = examples.item[np.asarray(rows)]
    return replace(examples, item=item, targets=examples.targets[chosen], weight=examples.weight[chosen])


SGD = {"optimizer": "sgd", "lr": 0.1}


@pytest.mark.parametrize("objective", [MIXED, PRODUCT], ids=["mixed", "product"])
def test_the_gradient_of_one_update_of_votes_is_the_sum_over_sources(tiny, tmp_path, objective):
    model, examples = voted(tiny("llama"), n=8)
    reference, _ = voted(tiny("llama"), n=8)
    run = trained(model, examples, tmp_path, objective, epochs=1.0, **SGD)
    total = torch.zeros(())
    for row in range(24):
        logits = examples.reading.logits(reference, [int(examples.item[row])], torch.device("cpu"))
        total = total + examples.weight[row] * objective(logits, examples.targets[row : row + 1], 0.0)[0] / 8
    assert losses(run) == pytest.approx([total.item()], abs=1e-5)
    gradients = torch.autograd.grad(total, list(reference.parameters()))
    pairs = zip(reference.parameters(), gradients, strict=True)
    expected = torch.cat([(weight - 0.1 * gradient).detach().flatten() for weight, gradient in pairs])
    assert torch.allclose(weights(run), expected, atol=1e-5)


@pytest.mark.parametrize("objective", [MIXED, BALANCED], ids=["mixed", "compared"])
def test_splits_order_and_copies_of_rows_change_no_update_of_votes(tiny, tmp_path, objective):
    model, examples = voted(tiny("llama"))
    if objective is BALANCED:  # labels of rows with equal logits, as those of one item, depend on their order
        examples = taken(examples, list(range(20)))
    whole = trained(model, examples, tmp_path / "whole", objective, **SGD)
    assert whole.state.max_steps == 6, "two passes of 20 items in batches of 8"
    order = np.random.default_rng(SEEDS[0]).permutation(60).tolist()
    others = {"parts": (examples, 5)}
    if objective is MIXED:
        others["moved"] = (taken(examples, order), 24)
        copied = taken(examples, [*range(60), *range(20)])
        halved = torch.cat([torch.full((20,), 0.5), torch.ones(40), torch.full((20,), 0.5)])
        others["copied"] = (replace(copied, weight=copied.weight * halved), 32)
    for name, (rows, size) in others.items():
        model, _ = voted(tiny("llama"))
        other = trained(model, rows, tmp_path / name, objective, micro_batch_size=size, **SGD)
        assert losses(other) == pytest.approx(losses(whole), abs=1e-5), name
        assert torch.allclose(weights(other), weights(whole), atol=1e-5), name


# ---- texts ----------------------------------------------------------------------------------------------


def learned(study: TextStudy, folder: str, name: str, targets: TextTargets | None = None, loss=PLAIN, **training):
    """Losses by update, and the weights that a student of these targets ends with."""
    if targets is not None:
        study.teach(targets)
    job = study.job(name)
    section = text_section(folder, "full", **{"optimizer": "sgd", "lr": 0.05, **training})
    train_text_student(job, adapt="full", model=section, loss=loss, soft_labels=SOFT, self_training=None, seed=0)
    model = load_trained(section, job.out / "model", "cpu")
    lines = (job.out / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines], torch.cat([w.detach().flatten() for w in model.parameters()])


def two_sources(study: TextStudy, seed: int = 0, sure: bool = False) -> TextTargets:
    """Two texts of every item of half B, with weights that sum to 1."""
    gold, rng = study.gold(), np.random.default_rng(seed)
    texts = [text for pair in zip(gold.texts, reversed(gold.texts), strict=True) for text in pair]
    share = rng.uniform(0.1, 0.9, len(gold))
    pieces = [certain(text) if sure else guessed(text, rng) for text in texts]
    items = [item for item in gold.items for _ in range(2)]
    return TextTargets(items, texts, pieces, np.stack([share, 1 - share], axis=1).ravel())


def rows_at(targets: TextTargets, rows: list[int], factor: float | np.ndarray = 1.0) -> TextTargets:
    columns = ([getattr(targets, key)[row] for row in rows] for key in ("items", "texts", "pieces"))
    return TextTargets(*columns, targets.weight[rows] * factor)


def test_the_gradient_of_one_update_of_texts_is_the_sum_over_sources(text_study, writing):
    """Certain texts, so that plain cross-entropy is the definition."""
    folder, targets = writing("llama"), two_sources(text_study, SEEDS[0], sure=True)
    found, after = learned(text_study, folder, "one", targets, batch_size=10, epochs=1.0)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    prompts = dict(zip(text_study.task.items.ids, text_study.task.items.prompts, strict=True))
    total = torch.zeros(())
    for item, text, weight in zip(targets.items, targets.texts, targets.weight.tolist(), strict=True):
        prompt = tokenizer(prompts[item] + "\n")["input_ids"]
        answer = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
        logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
        total = total + weight * cross_entropy(logits, torch.tensor(answer)) / 10
    assert found == pytest.approx([total.item()], rel=1e-5)
    gradients = torch.autograd.grad(total, list(model.parameters()))
    expected = [(w - 0.05 * g).detach().flatten() for w, g in zip(model.parameters(), gradients, strict=True)]
    assert torch.allclose(after, torch.cat(expected), atol=1e-5)


@pytest.mark.parametrize("loss", [PLAIN, {**EVIDENTIAL, "kl_weight": 0.1}], ids=["naive", "bayesian"])
def test_order_and_copies_of_rows_change_no_update_of_texts(text_study, writing, loss):
    folder, targets = writing("llama"), two_sources(text_study, SEEDS[1])
    settings = {"loss": loss, "batch_size": 4}
    whole = learned(text_study, folder, "whole", targets, **settings)
    assert len(whole[0]) == 6, "two passes of 10 items in batches of 4"
    order = np.random.default_rng(SEEDS[1]).permutation(20).tolist()
    first = list(range(0, 20, 2))
    halved = np.concatenate([np.tile([0.5, 1.0], 10), np.full(10, 0.5)])
    for name, other in {
        "moved": rows_at(targets, order),
        "copied": rows_at(targets, [*range(20), *first], halved),
    }.items():
        found = learned(text_study, folder, name, other, **settings)
        assert found[0] == pytest.approx(whole[0], rel=1e-4), name
        assert torch.allclose(found[1], whole[1], atol=1e-5), name


def test_as_many_updates_with_one_text_per_item_as_with_two(text_study, writing):
    targets = two_sources(text_study)
    alone = rows_at(targets, list(range(0, 20, 2)))
    settings = {"batch_size": 4, "epochs": 1.0}
    assert len(learned(text_study, writing("llama"), "one", alone, **settings)[0]) == 3
    assert len(learned(text_study, writing("llama"), "two", targets, **settings)[0]) == 3
