"""The step that tunes a student on preferences: its loss is its definition, and the preferred texts gain."""

import json
import math

import numpy as np
import pytest
import torch
from tiny_texts import TextStudy, logprob, text_section, with_student
from transformers import AutoModelForCausalLM, AutoTokenizer

from drawn_seeds import SEEDS
from outgrow.align.spelling import spelling_of
from outgrow.errors import DataError
from outgrow.generation.causal_lm import load_trained
from outgrow.generation.prompting import prompter_of
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.pairs import Pairs
from outgrow.supervise.writer_steps import score_texts
from outgrow.texts import Candidate, WeakTexts, certain
from outgrow.training.preference_step import PairExamples, pair_rows, train_preference
from outgrow.training.text_tokenizer import TextTokenizer

PREFERENCE = {"loss": "cdpo", "beta": 0.5, "epsilon": 0.1, "logprobs": "sum"}
CPU = torch.device("cpu")


def answers(study):
    """A better and a worse text for every item of half B."""
    ids = [study.task.items.ids[row] for row in study.split.half_b.tolist()]
    return ids, study.gold().texts, [f"no idea {number}" for number in range(len(ids))]


def made_pairs(study, reference=(-3.0, -4.0), flip=0.1):
    ids, better, worse = answers(study)
    n = len(ids)
    return Pairs(ids, better, worse, np.full(n, flip), np.full(n, reference[0]), np.full(n, reference[1]))


def preferred(study, folder, name="preference", adapt="full", **changes):
    job = study.job(name)
    training = {**text_section(folder)["training"], "lr": 5e-3, **changes.pop("training", {})}
    preference = {**PREFERENCE, "training": training, **changes}
    train_preference(job, adapt=adapt, model=text_section(folder, adapt), preference=preference, seed=0)
    return job.out


def with_reference(study, folder):
    """Pairs whose reference is what the step `scores` says of the student."""
    ids, better, worse = answers(study)
    texts = [[[Candidate(text, certain(text)) for text in both]] for both in zip(better, worse, strict=True)]
    job = study.job("scores")
    (study.folder / "texts").mkdir()
    WeakTexts(ids, ("student",), texts).save(study.folder / "texts" / "half_b.parquet")
    inputs = {
        "pool": study.folder / "pool",
        "model": study.folder / "student",
        "texts.student": study.folder / "texts",
    }
    scored = type(job)(job.out, inputs, job.scratch, job.hints, job.report)
    score_texts(scored, model=text_section(folder), name="student")
    found = [row[0] for row in WeakTexts.load(job.out / "half_b.parquet").candidates]
    pairs = made_pairs(study)
    reference = {key: np.asarray([one[number].logprob for one in found]) for number, key in enumerate(["c", "r"])}
    return Pairs(ids, pairs.chosen, pairs.rejected, pairs.flip, reference["c"], reference["r"])


def losses(out):
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("kind", ["cdpo", "robust", "ipo", "weighted"])
@pytest.mark.parametrize("per_token", [False, True])
def test_the_loss_of_pairs_is_its_definition(text_study, writing, kind, per_token):
    rng = np.random.default_rng(SEEDS[0])
    model, tokenizer = load_causal_lm(writing("llama")).double(), load_tokenizer(writing("llama"))
    reader = TextTokenizer(prompter_of(tokenizer), spelling_of(tokenizer.backend_tokenizer), 128)
    ids, better, worse = answers(text_study)
    flip, chosen, rejected = rng.uniform(0, 0.4, 10), rng.normal(-9, 2, 10), rng.normal(-9, 2, 10)
    pairs = Pairs(ids, better, worse, flip, chosen, rejected)
    prompts = dict(zip(text_study.task.items.ids, text_study.task.items.prompts, strict=True))
    rows, left_out = pair_rows(pairs, prompts, reader)
    assert not any(left_out.values())
    examples = PairExamples(rows, 0, 0.7, kind, per_token)
    everybody, weight = torch.arange(10), torch.tensor(rng.uniform(0.5, 1, 10))
    found = examples.loss(model, examples.outputs(model, everybody, CPU), everybody, weight, 0.3)
    expected = 0.0
    for number, item in enumerate(ids):
        texts = (better[number], worse[number])
        ours, theirs = (logprob(model, tokenizer, prompts[item], text, per_token) for text in texts)
        margin = (ours - chosen[number]) - (theirs - rejected[number])
        right, wrong = -(0.7 * margin).sigmoid().log(), -(-0.7 * margin).sigmoid().log()
        e = flip[number]
        one = {
            "cdpo": (1 - e) * right + e * wrong,
            "robust": ((1 - e) * right - e * wrong) / (1 - 2 * e),
            "ipo": (1 - e) * (margin - 1 / 1.4) ** 2 + e * (-margin - 1 / 1.4) ** 2,
            "weighted": (1 - 2 * e) * right,
        }[kind]
        expected = expected + weight[number] * one
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    parameters = list(model.parameters())
    by_hand = torch.autograd.grad(expected, parameters)
    reverse = everybody.flip(0)
    again = examples.loss(model, examples.outputs(model, reverse, CPU), reverse, weight.flip(0), 0.3)
    for ours in (torch.autograd.grad(found, parameters), torch.autograd.grad(again, parameters)):
        largest = max(abs(one).max() for one in by_hand)  # references and chances are kept in single precision
        assert max(abs(one - other).max() for one, other in zip(ours, by_hand, strict=True)) < 1e-5 * largest


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize(("before", "adapt"), [("full", "full"), ("lora", "lora"), ("lora", "full"), ("full", "lora")])
def test_preferences_start_from_the_student_and_raise_the_margin(text_study, writing, before, adapt):
    """The first loss is ln 2: reference log-probabilities come from the step that scores."""
    folder = writing("llama")
    with_student(text_study, folder, before)
    with_reference(text_study, folder).save(text_study.folder / "pairs" / "pairs.parquet")
    settings = {"epochs": 6.0, "batch_size": 5, "lr": {"full": 3e-4, "lora": 3e-3}[adapt]}
    out = preferred(text_study, folder, adapt=adapt, training=settings)
    assert losses(out)[0] == pytest.approx(math.log(2), abs=1e-5)
    assert np.mean(losses(out)[-2:]) < 0.6, "the last pass over the pairs"
    assert not (out / "model" / "adapter_config.json").exists(), "a plain folder"
    tokenizer, items = AutoTokenizer.from_pretrained(out / "model"), text_study.task.items
    models = [
        load_trained(text_section(folder), text_study.folder / "student" / "model", "cpu"),
        AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32),
    ]
    prompts = dict(zip(items.ids, items.prompts, strict=True))
    with torch.no_grad():
        margins = [
            [
                (logprob(model, tokenizer, prompts[item], good) - logprob(model, tokenizer, prompts[item], bad)).item()
                for item, good, bad in zip(*answers(text_study), strict=True)
            ]
            for model in models
        ]
    assert all(after > first for first, after in zip(*margins, strict=True))


def with_pairs(study, folder, pairs):
    with_student(study, folder, "full")
    pairs.save(study.folder / "pairs" / "pairs.parquet")


def test_however_an_update_is_split_it_is_the_same(text_study, writing):
    folder = writing("llama")
    with_pairs(text_study, folder, made_pairs(text_study))
    outs = []
    for size in (8, 1, 3):
        settings = {"micro_batch_size": size, "optimizer": "sgd"}
        outs.append(losses(preferred(text_study, folder, f"of-{size}", training=settings)))
    assert outs[1] == pytest.approx(outs[0], rel=1e-5)
    assert outs[2] == pytest.approx(outs[0], rel=1e-5)


def test_the_best_pass_may_be_kept_by_held_out_pairs(text_study, writing):
    folder = writing("llama")
    with_pairs(text_study, folder, made_pairs(text_study))
    about = json.loads((preferred(text_study, folder, training={"keep": "best"}) / "chosen.json").read_text())
    assert (about["learned"], about["held_out"]) == (8, 2)
    assert [one["updates"] for one in about["held_out_loss"]] == [1, 2]


def test_pairs_that_do_not_fit_are_left_out_and_named(text_study, writing):
    folder, pairs = writing("llama"), made_pairs(text_study)
    pairs.rejected[3] = "word " * 300
    with_pairs(text_study, folder, pairs)
    about = json.loads((preferred(text_study, folder) / "chosen.json").read_text())
    assert about["learned"] == 9
    assert about["left_out"] == {"too_long": [pairs.item[3]]}


def test_a_reference_that_is_no_number_stops_the_step(text_study, writing):
    folder, pairs = writing("llama"), made_pairs(text_study)
    pairs.reference_rejected[2] = np.nan
    with_pairs(text_study, folder, pairs)
    with pytest.raises(DataError, match=f"item `{pairs.item[2]}`: log-probabilities -3 and nan"):
        preferred(text_study, folder)


def test_without_a_whole_pair_there_is_nothing_to_prefer(tmp_path, writing):
    study, folder = TextStudy(tmp_path / "study", n=6), writing("llama")
    pairs = made_pairs(study)
    pairs.rejected[:] = ["word " * 300] * len(pairs)
    with_pairs(study, folder, pairs)
    with pytest.raises(DataError, match="no pair is left"):
        preferred(study, folder)
