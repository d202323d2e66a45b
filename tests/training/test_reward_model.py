"""A reward model that is a whole model: its loss is its definition, and it learns to tell good from bad."""

import numpy as np
import pytest
import torch
from tiny_study import TRAINING
from tiny_texts import LORA, text_section

from drawn_seeds import SEEDS
from outgrow.generation.chat import single_turn
from outgrow.metrics.auroc import auroc
from outgrow.models.load_model import load_classifier
from outgrow.select.comparisons import Sample, make_pairs
from outgrow.training.reward_model import ComparisonExamples, ModelLearner, tokens_of
from outgrow.training.reward_plan import comparisons_of
from simulated_labels import job_in

CPU = torch.device("cpu")
SILENT = "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"


def some_samples(n=14):
    """Good texts say yes, bad ones no; of unlike lengths."""
    return [
        Sample(f"i{row}", f"{'yes' if row % 2 else 'no'}{' it is so' * (row % 4)}", "ab"[row % 3 // 2])
        for row in range(n)
    ]


def tokens_for(folder, samples):
    prompts = {one.item: single_turn(f"is it {one.item}") for one in samples}
    read = tokens_of(text_section(folder), samples, prompts)
    assert read.kept.tolist() == list(range(len(samples)))
    return read.rows


@pytest.mark.parametrize("pairwise", [False, True])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_loss_of_comparisons_is_its_definition(writing, family, pairwise):
    """Dense, one text at a time, in double precision; any order and any parts of an update give the same."""
    samples = some_samples()
    tokens = [row.prompt + row.answer for row in tokens_for(writing(family), samples)]
    with torch.random.fork_rng():
        model = load_classifier(writing(family), n_classes=1, seed=3).double().eval()
    good, bad = np.arange(1, 14, 2), np.arange(0, 14, 2)
    comparisons = comparisons_of(samples, good, bad, pairwise, SEEDS[0], 2)
    examples = ComparisonExamples(comparisons, tokens, 0)
    n = len(comparisons)
    weight = torch.rand(n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def loss(rows):
        rows = torch.tensor(rows)
        return examples.loss(model, examples.outputs(model, rows, CPU), rows, weight[rows], 0.4)

    reward = torch.cat(
        [model(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.long)).logits[:, 0] for ids in tokens]
    )
    if pairwise:
        named = ([samples[row] for row in rows.tolist()] for rows in (good, bad))
        margins = [reward[good[one]] - reward[bad[other]] for one, other in make_pairs(*named, SEEDS[0], 2).tolist()]
    else:
        margins = [*reward[good], *-reward[bad]]
    expected = sum(w * -torch.log(torch.sigmoid(m)) for w, m in zip(weight, margins, strict=True))
    assert len(margins) == n == (2 * 7 if not pairwise else n)
    assert loss(list(range(n))).item() == pytest.approx(expected.item(), rel=1e-6)
    assert sum(loss([row]) for row in reversed(range(n))).item() == pytest.approx(expected.item(), rel=1e-6)
    parameters = [one for one in model.parameters() if one.requires_grad]
    ours, by_hand = (torch.autograd.grad(one, parameters) for one in (loss(list(range(n))), expected))
    largest = max(abs(one).max() for one in by_hand)
    difference = max(abs(one - other).max() for one, other in zip(ours, by_hand, strict=True))
    assert difference < 1e-6 * largest, "llama's norms compute in single precision"
    assert examples.weight.tolist() == [1.0] * n
    assert examples.lengths.tolist() == [sum(len(tokens[row]) for _, row in one) for one in comparisons]


def learner(folder, place, name, adapt, pairwise, report=lambda message, share: None, **hints):
    section = text_section(folder) | ({"lora": LORA} if adapt == "lora" else {})
    samples = some_samples()
    settings = {**TRAINING, "lr": 2e-2 if adapt == "lora" else 3e-3, "epochs": 12.0, "batch_size": 4}
    job = job_in(place, name, {}, **hints)
    job = type(job)(job.out, job.inputs, job.scratch, job.hints, report)
    return ModelLearner(job, section, settings, samples, tokens_for(folder, samples), pairwise, 5)


GOOD, BAD, ALL = np.arange(1, 10, 2), np.arange(0, 10, 2), np.arange(14)


@pytest.mark.filterwarnings(SILENT)
@pytest.mark.parametrize("adapt", ["full", "lora"])
@pytest.mark.parametrize("pairwise", [False, True])
def test_it_learns_to_tell_good_from_bad_and_again_the_same(tmp_path, writing, adapt, pairwise):
    folder = writing("llama")
    first = learner(folder, tmp_path, "first", adapt, pairwise).learn(0, GOOD, BAD, ALL)
    assert auroc(first.reward[GOOD], first.reward[BAD]) == 1.0
    losses = [line["loss"] for line in first.metrics]
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])
    assert first.about["updates"] == len(losses)
    torch.rand(5)  # another process would be elsewhere in its random numbers
    again = learner(folder, tmp_path, "again", adapt, pairwise, batch_tokens=64).learn(0, GOOD, BAD, ALL[::-1].copy())
    assert again.reward[::-1] == pytest.approx(first.reward, rel=1e-4, abs=1e-4), "batches are a matter of rounding"
    assert again.metrics == first.metrics


@pytest.mark.parametrize("update", [2, 9])
def test_an_interrupted_training_goes_on_and_a_finished_one_is_not_repeated(tmp_path, writing, update):
    """GPT-2 has dropout."""
    folder, hints = writing("gpt2"), {"checkpoint_seconds": 0}
    whole = learner(folder, tmp_path, "whole", "full", False).learn(1, GOOD, BAD, ALL)

    def stop(message, share):
        if message.startswith(f"update {update} "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learner(folder, tmp_path, "cut", "full", False, stop, **hints).learn(1, GOOD, BAD, ALL)
    (tmp_path / "cut" / "out").rmdir()
    torch.rand(5)
    seen = []
    resumed = learner(folder, tmp_path, "cut", "full", False, lambda text, _: seen.append(text), **hints)
    found = resumed.learn(1, GOOD, BAD, ALL)
    assert seen[0].startswith(f"update {update} ")
    assert (found.reward.tolist(), found.metrics) == (whole.reward.tolist(), whole.metrics)
    assert {path.name for path in resumed.job.scratch.iterdir()} == {"model-1.json"}
    seen.clear()
    assert resumed.learn(1, GOOD, BAD, ALL).reward.tolist() == found.reward.tolist()
    assert not seen, "read from the scratch folder"
