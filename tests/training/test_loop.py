"""The Trainer: an update is the same however it is split, padded, interrupted."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from tiny_study import TRAINING, WORDS, colour_task

from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, StepFailed
from outgrow.losses.objective import Objective, make_objective
from outgrow.models.load_model import load_causal_lm, load_classifier, load_tokenizer
from outgrow.training.sampling import batches_of, sealed_randomness
from outgrow.training.trainer import history, train
from outgrow.training.training_examples import ClassExamples, read_items

CROSS_ENTROPY = make_objective({"type": "cross_entropy"}, None)
SELF_TRAINED = make_objective({"type": "cross_entropy"}, {"gamma_max": 0.5, "ramp": 1.0, "harden": "argmax"})
BALANCED = make_objective({"type": "cross_entropy"}, {"gamma_max": 1.0, "ramp": 0.01, "harden": "balanced"})
HINTS = {"device": "cpu"}


@dataclass(frozen=True)
class Replaced(Objective):
    """An objective whose loss is the given function, applied to whatever part of an update comes along."""

    call: Callable = None
    compares_examples = False

    def __call__(self, logits, target, progress, shares=None):
        return self.call(logits, target, progress, shares)


def replaced(call):
    return Replaced("replaced", {}, None, call)


def lesson(folder, kind="classify", n=20, dtype=torch.float32, seed=0):
    """A tiny model, and examples for it with soft targets and unequal weights."""
    items = colour_task(kind, n).items
    tokenizer = load_tokenizer(folder)
    model = load_causal_lm(folder) if kind == "choose" else load_classifier(folder, n_classes=3, seed=1)
    rng = np.random.default_rng(seed)
    targets = torch.tensor(rng.dirichlet(np.ones(3), n), dtype=torch.float32)
    weight = torch.tensor(rng.uniform(0.2, 2, n), dtype=torch.float32)
    reading = read_items(items, model, tokenizer, 48, dtype)
    return model, ClassExamples(reading, np.arange(n), targets, weight, CROSS_ENTROPY)


def trained(model, examples, scratch, objective=CROSS_ENTROPY, dtype="float32", report=lambda *_: None, **training):
    hints = {**HINTS, **training.pop("hints", {})}
    settings = {**TRAINING, "micro_batch_size": None, **training}
    return train(
        model,
        replace(examples, objective=objective),
        settings,
        dtype=dtype,
        seed=3,
        scratch=scratch,
        hints=hints,
        report=report,
    )


def losses(trainer):
    return [row["loss"] for row in history(trainer)]


def weights(trainer):
    return torch.cat([weight.detach().flatten() for weight in trainer.model.parameters()])


@pytest.mark.parametrize("kind", ["classify", "choose"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("objective", [CROSS_ENTROPY, SELF_TRAINED], ids=["plain", "self-training"])
def test_however_an_update_is_split_it_is_the_same(tiny, tmp_path, kind, parts, objective):
    """Batch 8 x 1 and 1 x 8; unequal parts, a last batch of 4, unequal weights. SGD shows gradients as they are."""
    runs = []
    for size in (8, parts):
        model, examples = lesson(tiny("llama"), kind)
        settings = {"optimizer": "sgd", "lr": 0.1, "micro_batch_size": size}
        runs.append(trained(model, examples, tmp_path / str(size), objective, **settings))
    assert losses(runs[0]) == pytest.approx(losses(runs[1]), abs=1e-5)
    assert torch.allclose(weights(runs[0]), weights(runs[1]), atol=1e-5)


def test_an_update_whose_examples_are_compared_is_the_same_too(tiny, tmp_path):
    runs = []
    for size in (8, 3):
        model, examples = lesson(tiny("llama"))
        settings = {"optimizer": "sgd", "lr": 0.1, "micro_batch_size": size}
        runs.append(trained(model, examples, tmp_path / str(size), BALANCED, **settings))
    assert losses(runs[0]) == pytest.approx(losses(runs[1]), abs=1e-5)
    assert torch.allclose(weights(runs[0]), weights(runs[1]), atol=1e-5)
    model, examples = lesson(tiny("llama"))
    careless = replaced(BALANCED)
    apart = trained(model, examples, tmp_path / "apart", careless, optimizer="sgd", lr=0.1, micro_batch_size=3)
    assert not torch.allclose(weights(runs[0]), weights(apart), atol=1e-5), "the objective does look at its batch"


@pytest.mark.parametrize("optimizer", ["sgd", "adamw_torch", "adafactor"])
def test_one_update_is_the_definition(tiny, tmp_path, optimizer):
    """Against plain torch: mean of weight times loss, one optimizer step at the first learning rate."""
    model, examples = lesson(tiny("llama"), n=8)
    reference, _ = lesson(tiny("llama"), n=8)
    run = trained(model, examples, tmp_path, epochs=1.0, lr=0.01, optimizer=optimizer)
    logits = examples.reading.logits(reference, list(range(8)), torch.device("cpu"))
    scaled = examples.weight / examples.weight.mean()
    loss = (scaled * -(examples.targets * logits.log_softmax(-1)).sum(-1)).mean()
    assert losses(run) == pytest.approx([loss.item()], abs=1e-5)
    if optimizer == "sgd":
        gradients = torch.autograd.grad(loss, list(reference.parameters()))
        pairs = zip(reference.parameters(), gradients, strict=True)
        expected = torch.cat([(weight - 0.01 * gradient).detach().flatten() for weight, gradient in pairs])
        assert torch.allclose(weights(run), expected, atol=1e-6)
    assert not torch.equal(weights(run), torch.cat([w.detach().flatten() for w in reference.parameters()]))


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_padding_does_not_change_an_examples_loss(tiny, family):
    model, examples = lesson(tiny(family))
    model.eval()
    everybody = list(range(20))
    assert len(set(examples.reading.lengths.tolist())) > 5
    together = examples.reading.logits(model, everybody, torch.device("cpu"))
    alone = torch.cat([examples.reading.logits(model, [row], torch.device("cpu")) for row in everybody])
    assert torch.allclose(together, alone, atol=1e-5)


def test_padding_does_not_change_a_questions_loss(tiny):
    model, examples = lesson(tiny("llama"), "choose")
    assert examples.reading.packed
    together = examples.reading.logits(model, list(range(20)), torch.device("cpu"))
    alone = torch.cat([examples.reading.logits(model, [row], torch.device("cpu")) for row in range(20)])
    assert torch.allclose(together, alone, atol=1e-4)


def interrupted_at(update):
    def report(message, share):
        if message.startswith(f"update {update} "):
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("update", [1, 2, 4])
def test_resumed_training_equals_uninterrupted_bit_for_bit(tiny, tmp_path, family, update):
    """GPT-2 has dropout; interrupted in the first update, inside and at the end of a pass over the data."""
    settings = {"hints": {"checkpoint_seconds": 0}, "warmup": 0.3}
    model, examples = lesson(tiny(family))
    whole = trained(model, examples, tmp_path / "whole", **settings)
    model, examples = lesson(tiny(family))
    with pytest.raises(KeyboardInterrupt):
        trained(model, examples, tmp_path / "cut", report=interrupted_at(update), **settings)
    model, examples = lesson(tiny(family))
    torch.rand(7)  # another process would be elsewhere in its random numbers
    seen = []
    resumed = trained(model, examples, tmp_path / "cut", report=lambda message, _: seen.append(message), **settings)
    assert seen[0].startswith(f"update {update} ")
    assert torch.equal(weights(whole), weights(resumed))
    assert list(history(whole)) == list(history(resumed))


def test_a_checkpoint_that_was_being_written_is_not_used(tiny, tmp_path):
    model, examples = lesson(tiny("llama"))
    settings = {"hints": {"checkpoint_seconds": 0}}
    with pytest.raises(KeyboardInterrupt):
        trained(model, examples, tmp_path, report=interrupted_at(3), **settings)
    half = tmp_path / "checkpoint-4"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"torn")
    model, examples = lesson(tiny("llama"))
    seen = []
    trained(model, examples, tmp_path, report=lambda message, _: seen.append(message), **settings)
    assert seen[0].startswith("update 3 ")


def short_of_memory(limit):
    """An objective for which more than `limit` examples at once do not fit."""

    def call(logits, *rest):
        if len(logits) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 TiB")
        return CROSS_ENTROPY(logits, *rest)

    return replaced(call)


def test_out_of_memory_halves_the_parts_and_keeps_the_update(tiny, tmp_path, caplog):
    model, examples = lesson(tiny("llama"), n=24)
    settings = {"optimizer": "sgd", "lr": 0.1}
    roomy = trained(model, examples, tmp_path / "roomy", **settings)
    model, examples = lesson(tiny("llama"), n=24)
    with caplog.at_level(logging.WARNING, "outgrow"):
        tight = trained(model, examples, tmp_path / "tight", short_of_memory(2), **settings)
    assert [record.getMessage()[:30] for record in caplog.records] == [
        "out of memory: 4 instead of 8 ",
        "out of memory: 2 instead of 4 ",
    ]
    assert losses(roomy) == pytest.approx(losses(tight), abs=1e-5)
    assert torch.allclose(weights(roomy), weights(tight), atol=1e-5)


def test_no_memory_for_one_example_is_a_clear_failure(tiny, tmp_path):
    model, examples = lesson(tiny("llama"))
    with pytest.raises(StepFailed, match="one example at a time"):
        trained(model, examples, tmp_path, short_of_memory(0))


def test_other_errors_are_not_mistaken_for_memory(tiny, tmp_path):
    def broken(logits, target, progress, shares):
        raise RuntimeError("something else")

    model, examples = lesson(tiny("llama"))
    with pytest.raises(RuntimeError, match="something else"):
        trained(model, examples, tmp_path, replaced(broken))


def test_a_loss_that_is_not_finite_stops_the_training(tiny, tmp_path):
    model, examples = lesson(tiny("llama"))
    with pytest.raises(StepFailed, match=r"lower training\.lr"):
        trained(model, examples, tmp_path, replaced(lambda logits, *_: logits.sum(-1) * float("nan")))


def test_progress_grows_from_zero_and_shares_are_the_targets(tiny, tmp_path):
    seen = []

    def watched(logits, target, progress, shares):
        seen.append((progress, shares))
        return CROSS_ENTROPY(logits, target, progress, shares)

    model, examples = lesson(tiny("llama"))
    trained(model, examples, tmp_path, replaced(watched))
    assert [progress for progress, _ in seen] == [step / 6 for step in range(6)]
    expected = (examples.weight[:, None] * examples.targets).sum(0) / examples.weight.sum()
    assert torch.allclose(seen[0][1], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("scheduler", "warmup", "expected"),
    [
        ("constant", 0.0, [1, 1, 1, 1, 1, 1]),
        ("linear", 0.0, [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        ("cosine", 0.0, [(1 + np.cos(np.pi * step / 6)) / 2 for step in range(6)]),
        ("constant", 0.5, [0, 1 / 3, 2 / 3, 1, 1, 1]),
    ],
)
def test_learning_rates_follow_the_schedule(tiny, tmp_path, scheduler, warmup, expected):
    model, examples = lesson(tiny("llama"))
    run = trained(model, examples, tmp_path, lr=0.01, scheduler=scheduler, warmup=warmup)
    rates = [row["learning_rate"] for row in history(run)]
    shifted = rates if rates[0] == pytest.approx(0.01 * expected[0]) else [0.01 * expected[0], *rates[:-1]]
    assert shifted == pytest.approx([0.01 * value for value in expected], abs=1e-9)


def test_global_random_numbers_are_left_alone(tiny, tmp_path):
    """Python's own are drawn from by the type checks of these tests, so they are looked at without a training."""
    numbers = np.random.get_state()[1].tolist(), torch.random.get_rng_state()
    model, examples = lesson(tiny("gpt2"))
    with sealed_randomness(5):
        trained(model, examples, tmp_path)
    assert np.random.get_state()[1].tolist() == numbers[0]
    assert torch.equal(torch.random.get_rng_state(), numbers[1])
    seal, before = sealed_randomness(5), random.getstate()
    with seal:
        first = random.random(), np.random.rand(), torch.rand(1)
    after = random.getstate()
    with sealed_randomness(5):
        assert (random.random(), np.random.rand(), torch.rand(1)) == first
    assert before == after


def test_bfloat16_is_close_to_float32(tiny, tmp_path):
    runs = []
    for dtype in ("float32", "bfloat16"):
        model, examples = lesson(tiny("llama"), "choose", dtype=getattr(torch, dtype))
        runs.append(trained(model, examples, tmp_path / dtype, dtype=dtype))
    assert losses(runs[0]) == pytest.approx(losses(runs[1]), abs=0.05)
    assert losses(runs[0]) != losses(runs[1])
    assert {weight.dtype for weight in runs[1].model.parameters()} == {torch.float32}


def test_float16_needs_a_gpu_and_trackers_must_be_installed(tiny, tmp_path):
    model, examples = lesson(tiny("llama"))
    with pytest.raises(ConfigError, match="float16"):
        trained(model, examples, tmp_path, dtype="float16")
    with pytest.raises(ConfigError, match="pip install no-such-tracker"):
        trained(model, examples, tmp_path, hints={"report_to": ["no-such-tracker"]})


@pytest.mark.parametrize("seed", SEEDS)
def test_each_pass_sees_every_example_once_in_batches_of_similar_length(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 500, 300)
    item = np.arange(300)
    batches = batches_of(lengths, item, 16, 2.0, seed)
    assert len(batches) == 2 * 19
    for start in (0, 19):
        assert sorted(np.concatenate(batches[start : start + 19]).tolist()) == list(range(300))
    assert [b.tolist() for b in batches[:19]] != [b.tolist() for b in batches[19:]]
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.25 * 2 * lengths.sum(), "random batches would pad to about twice the tokens"
    assert [b.tolist() for b in batches_of(lengths, item, 16, 2.0, seed)] == [b.tolist() for b in batches]


def test_a_share_of_a_pass_is_its_first_batches():
    lengths = np.arange(40)
    whole, half = batches_of(lengths, lengths, 4, 1.0, 0), batches_of(lengths, lengths, 4, 0.5, 0)
    assert [b.tolist() for b in half] == [b.tolist() for b in whole[:5]]
    assert len(batches_of(lengths, lengths, 4, 0.01, 0)) == 1
    assert len(batches_of(lengths, lengths, 4, 2.5, 0)) == 25


def test_words_are_known_to_the_tiny_tokenizer(tiny):
    tokenizer = load_tokenizer(tiny("llama"))
    assert tokenizer("red and blue ?")["input_ids"] == [WORDS.index(word) for word in ("red", "and", "blue", "?")]
