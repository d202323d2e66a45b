"""The step that learns what training changed in the supervisors: its loss is its definition, and it gets there."""

import json

import numpy as np
import pytest
import torch
from tiny_texts import logprob, text_section, with_student

from drawn_seeds import SEEDS
from outgrow.align.pieces import PieceTable
from outgrow.align.spelling import spelling_of
from outgrow.errors import DataError
from outgrow.generation.prompting import prompter_of
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.supervise.writer_steps import score_texts
from outgrow.texts import Candidate, TextTargets, WeakTexts, certain
from outgrow.training.ratio_step import RatioExamples, RatioRow, train_ratios
from outgrow.training.text_tokenizer import TextTokenizer, tokenize_targets

CPU = torch.device("cpu")


def in_groups(study, tokenizer, rng):
    """Half B's gold with random ratios and references of groups of one to three tokens."""
    gold, ratios, references = study.gold(), [], []
    reader = TextTokenizer(prompter_of(tokenizer), spelling_of(tokenizer.backend_tokenizer), 128)
    for item, text in zip(gold.items, gold.texts, strict=True):
        end = np.unique(reader.pieces(text, True, item).end)
        kept = np.append(end[:-1][rng.random(len(end) - 1) < 0.6], end[-1])
        ratios.append(PieceTable(kept, rng.normal(size=len(kept))))
        references.append(PieceTable(kept, -rng.exponential(size=len(kept))))
    weight = rng.uniform(0.5, 1, len(gold.items))
    both = [TextTargets(gold.items, gold.texts, pieces, weight) for pieces in (ratios, references)]
    prompts = dict(zip(study.task.items.ids, study.task.items.prompts, strict=True))
    read = [tokenize_targets(one, prompts, reader) for one in both]
    return both, prompts, [RatioRow(a, b.logprob) for a, b in zip(read[0].rows, read[1].rows, strict=True)]


def test_the_loss_of_texts_is_its_definition(text_study, writing):
    rng = np.random.default_rng(SEEDS[0])
    model, tokenizer = load_causal_lm(writing("llama")).double(), load_tokenizer(writing("llama"))
    (ratios, references), prompts, rows = in_groups(text_study, tokenizer, rng)
    reader = TextTokenizer(prompter_of(tokenizer), spelling_of(tokenizer.backend_tokenizer), 128)
    weight = torch.tensor(ratios.weight)
    examples, everybody = RatioExamples(rows, weight, 0, 0.7), torch.arange(len(rows))
    found = examples.loss(model, examples.outputs(model, everybody, CPU), everybody, weight, 0.3)
    expected = torch.zeros((), dtype=torch.float64)
    for number, (item, text) in enumerate(zip(ratios.items, ratios.texts, strict=True)):
        prompt, pieces = reader.prompter.ids(prompts[item]), reader.pieces(text, True, item)
        ids = pieces.ids.tolist()
        logs = model(input_ids=torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        each, groups, first = logs[torch.arange(len(ids)), torch.tensor(ids)], [], 0
        for group, end in enumerate(ratios.pieces[number].end.tolist()):
            last = int(np.searchsorted(pieces.end, end, side="right"))
            own = each[first:last].sum() - references.pieces[number].logprob[group]
            groups.append((0.7 * own - ratios.pieces[number].logprob[group]) ** 2)
            first = last
        expected = expected + weight[number] * torch.stack(groups).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    parameters = list(model.parameters())
    for ours, by_hand in zip(
        torch.autograd.grad(found, parameters), torch.autograd.grad(expected, parameters), strict=True
    ):
        torch.testing.assert_close(ours, by_hand, rtol=1e-7, atol=1e-9)


def with_ratios(study, folder, change):
    """Tables as the step `ratios` writes them: the student's own pieces, each raised by `change`."""
    gold = study.gold()
    texts = [[[Candidate(text, certain(text))]] for text in gold.texts]
    job = study.job("scores")
    (study.folder / "texts").mkdir()
    WeakTexts(gold.items, ("student",), texts).save(study.folder / "texts" / "half_b.parquet")
    inputs = {
        "pool": study.folder / "pool",
        "model": study.folder / "student",
        "texts.student": study.folder / "texts",
    }
    scored = type(job)(job.out, inputs, job.scratch, job.hints, job.report)
    score_texts(scored, model=text_section(folder), name="student")
    own = [row[0][0].pieces for row in WeakTexts.load(job.out / "half_b.parquet").candidates]
    raised = [PieceTable(one.end, np.full(len(one.end), change)) for one in own]
    (study.folder / "ratios").mkdir()
    for name, pieces in (("ratios", raised), ("reference", own)):
        TextTargets(gold.items, gold.texts, pieces, np.ones(len(own))).save(
            study.folder / "ratios" / f"{name}.parquet"
        )


def learned(study, folder, **changes):
    job = study.job("preference")
    inputs = {**job.inputs, "ratios": study.folder / "ratios"}
    training = {**text_section(folder)["training"], **changes}
    settings = {"loss": "wspo", "beta": 0.5, "training": training}
    train_ratios(
        type(job)(job.out, inputs, job.scratch, job.hints, job.report),
        adapt="full", model=text_section(folder), preference=settings, seed=0,
    )  # fmt: skip
    return [json.loads(line)["loss"] for line in (job.out / "metrics.jsonl").read_text().splitlines()]


def test_the_student_moves_as_its_supervisors_did(text_study, writing):
    """The first loss is the change squared: references come from the step that scores."""
    folder = writing("llama")
    with_student(text_study, folder, "full")
    with_ratios(text_study, folder, -0.2)
    losses = learned(text_study, folder, epochs=20.0, batch_size=5, lr=1e-3)
    assert losses[0] == pytest.approx(0.04, rel=1e-3)
    assert np.mean(losses[-2:]) < 0.02
    out = text_study.folder / "preference" / "out" / "model"
    tokenizer, items = load_tokenizer(folder), text_study.task.items
    after = load_causal_lm(str(out))
    before = load_causal_lm(str(text_study.folder / "student" / "model"))
    prompts, gold = dict(zip(items.ids, items.prompts, strict=True)), text_study.gold()
    with torch.no_grad():
        moved = [
            (logprob(after, tokenizer, prompts[item], text) - logprob(before, tokenizer, prompts[item], text)).item()
            for item, text in zip(gold.items, gold.texts, strict=True)
        ]
    assert np.mean(moved) < 0


def test_tables_of_different_texts_are_refused(text_study, writing):
    folder = writing("llama")
    with_student(text_study, folder, "full")
    with_ratios(text_study, folder, 0.1)
    path = text_study.folder / "ratios" / "reference.parquet"
    shorter = TextTargets.load(path)
    shorter.keep(np.arange(len(shorter)) > 0).save(path)
    with pytest.raises(DataError, match="different texts"):
        learned(text_study, folder)
