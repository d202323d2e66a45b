"""A training that goes on from another one's weights, and one that makes up for a selection."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tiny_study import TUNE, model_section
from tiny_texts import PLAIN, SOFT, text_section

from outgrow.generation.causal_lm import load_trained
from outgrow.labels import Targets, WeakLabels
from outgrow.losses.objective import make_objective
from outgrow.texts import TextTargets
from outgrow.training.classifier_steps import train_student
from outgrow.training.heads import Affine, fit_heads
from outgrow.training.text_training_steps import train_text_student

STILL = {"lr": 1e-12, "epochs": 1.0}
"""A training that changes nothing to speak of."""
PROBE = {"l2": [0.1], "lr": None, "epochs": [40], "folds": 3, "select_by": "weak_accuracy"}


def teach_texts(study, folder, name, adapt="full", start=None, whole=None, **training):
    job = study.job(name)
    more = {"start": start, "whole": whole}
    job = replace(job, inputs={**job.inputs, **{key: path for key, path in more.items() if path is not None}})
    section = text_section(folder, adapt, **training)
    train_text_student(job, adapt=adapt, model=section, loss=PLAIN, soft_labels=SOFT, self_training=None, seed=0)
    return job.out


def teach_votes(study, model, name, adapt, start=None, whole=None, tune=TUNE, passes=1.0):
    job = study.job(name)
    more = {"start": start, "whole": whole}
    job = replace(job, inputs={**job.inputs, **{key: path for key, path in more.items() if path is not None}})
    loss = {"type": "cross_entropy"}
    train_student(
        job, adapt=adapt, model=model, loss=loss, self_training=None, tune=tune, seed=0, name="student", passes=passes
    )
    return job.out


def weights(folder, out):
    model = load_trained(text_section(folder), out / "model", "cpu")
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def updates(out):
    return len((out / "metrics.jsonl").read_text().splitlines())


@pytest.mark.parametrize("first", ["full", "lora"])
@pytest.mark.parametrize("second", ["full", "lora"])
def test_a_student_of_texts_goes_on_from_what_it_learned(text_study, writing, first, second):
    folder = writing("llama")
    before = teach_texts(text_study, folder, "one", first, lr=1e-2, epochs=4.0)
    after = teach_texts(text_study, folder, "two", second, start=before, **STILL)
    assert torch.allclose(weights(folder, before), weights(folder, after), atol=1e-6)
    fresh = teach_texts(text_study, folder, "fresh", second, **STILL)
    assert not torch.allclose(weights(folder, before), weights(folder, fresh), atol=1e-3)
    assert not (after / "model" / "adapter_config.json").exists()  # its base would be nowhere


def test_a_part_is_seen_as_often_as_the_whole_would_be(text_study, writing):
    folder, whole = writing("llama"), text_study.folder / "targets"
    everything = teach_texts(text_study, folder, "all", batch_size=2, epochs=2.0)
    part = text_study.folder / "part"
    part.mkdir()
    kept = TextTargets(*(getattr(text_study.targets, key)[:5] for key in ("items", "texts", "pieces", "weight")))
    kept.save(part / "targets.parquet")
    job = text_study.job("some")
    job = replace(job, inputs={**job.inputs, "targets": part, "whole": whole})
    section = text_section(folder, batch_size=2, epochs=2.0)
    train_text_student(job, adapt="full", model=section, loss=PLAIN, soft_labels=SOFT, self_training=None, seed=0)
    n = len(text_study.targets)
    assert updates(everything) == n / 2  # two passes of n / 2 items, two items per update
    passes = json.loads((job.out / "chosen.json").read_text())["chosen"]["epochs"]
    assert passes == pytest.approx(2 * (n / 2) / 3, abs=1 / 2)  # five texts are of three items


def test_a_selection_of_everything_is_no_selection(text_study, writing):
    folder, whole = writing("llama"), text_study.folder / "targets"
    plain = teach_texts(text_study, folder, "plain", epochs=3.0)
    chosen = teach_texts(text_study, folder, "chosen", whole=whole, epochs=3.0)
    files = sorted(path.name for path in (plain / "model").iterdir())
    assert all((plain / "model" / name).read_bytes() == (chosen / "model" / name).read_bytes() for name in files)


@pytest.mark.parametrize("adapt", ["full", "lora"])
@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_a_student_of_votes_goes_on_from_what_it_learned(study, tiny, adapt, kind):
    here, folder = study(kind), tiny("llama")
    before = teach_votes(here, model_section(folder, adapt, lr=1e-2, epochs=6.0), "one", adapt)
    after = teach_votes(here, model_section(folder, adapt, **STILL), "two", adapt, start=before)
    learned, kept = (WeakLabels.load(out / "test.parquet").probs for out in (before, after))
    assert np.allclose(learned, kept, atol=1e-5)
    fresh = WeakLabels.load(teach_votes(here, model_section(folder, adapt, **STILL), "x", adapt) / "test.parquet")
    assert not np.allclose(learned, fresh.probs, atol=1e-2)


@pytest.mark.parametrize("kind", ["classify", "choose"])
def test_a_probe_goes_on_from_what_it_learned(study, kind):
    here, model = study(kind), {"model": "bundled:none", "revision": None, "layer": None}
    before = teach_votes(here, model, "one", "probe", tune=PROBE)
    after = teach_votes(here, model, "two", "probe", start=before, tune={**PROBE, "lr": [1e-9]})
    heads = [load_file(out / "model" / "head.safetensors") for out in (before, after)]
    assert np.allclose(heads[0]["weight"], heads[1]["weight"], atol=1e-5)
    learned, kept = (WeakLabels.load(out / "test.parquet").probs for out in (before, after))
    assert np.allclose(learned, kept, atol=1e-5)


def test_a_share_is_of_the_passes(study, tiny):
    here = study()
    whole = teach_votes(here, model_section(tiny("llama"), epochs=4.0), "all", "full")
    half = teach_votes(here, model_section(tiny("llama"), epochs=4.0), "half", "full", passes=0.5)
    assert updates(half) * 2 == updates(whole)
    steps = teach_votes(here, {"model": "none", "revision": None, "layer": None}, "p", "probe", tune=PROBE, passes=0.5)
    assert updates(steps) == 20


def test_a_part_of_the_votes_is_seen_as_often(study, tiny):
    here = study()
    targets = Targets.load(here.folder / "targets" / "targets.parquet").collapse()
    targets.save(here.folder / "targets" / "targets.parquet")
    whole = here.folder / "whole"
    whole.mkdir()
    targets.save(whole / "targets.parquet")
    everything = teach_votes(here, model_section(tiny("llama"), batch_size=2, epochs=2.0), "all", "full")
    targets.keep(np.arange(len(targets.items)) < 8).save(here.folder / "targets" / "targets.parquet")
    some = teach_votes(here, model_section(tiny("llama"), batch_size=2, epochs=2.0), "some", "full", whole=whole)
    assert updates(some) == pytest.approx(updates(everything), abs=1)


@pytest.mark.parametrize("shape", [(30, 5), (30, 3, 5)], ids=["classify", "choose"])
def test_heads_begin_where_they_are_told(shape):
    rng = np.random.default_rng()
    features = torch.tensor(rng.normal(2, 3, shape))
    targets = torch.eye(3, dtype=torch.float64)[torch.tensor(rng.integers(0, 3, 30))]
    out = 3 if len(shape) == 2 else 1
    start = Affine(torch.tensor(rng.normal(size=(5, out))), torch.tensor(rng.normal(size=out)))
    lr = l2 = torch.tensor([1e-15, 1e-15], dtype=torch.float64)
    objective = make_objective({"type": "cross_entropy"}, None)
    heads = fit_heads(features, targets, torch.ones(30, dtype=torch.float64), objective, l2, lr, 2, start=start)
    other = torch.tensor(rng.normal(size=(7, *shape[1:])))
    expected = other @ start.weight + start.bias
    expected = expected if len(shape) == 2 else expected.squeeze(-1) - start.bias
    difference = heads.logits(other) - expected
    # Options share a constant, which no softmax sees.
    difference = difference - (difference.mean(dim=-1, keepdim=True) if len(shape) == 3 else 0)
    assert torch.allclose(difference, torch.zeros_like(difference), atol=1e-9)
