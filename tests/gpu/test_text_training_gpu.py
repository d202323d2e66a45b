"""Training on texts on a GPU in bfloat16 agrees with the CPU in float32. Skipped without."""

import numpy as np
import pytest
import torch

from outgrow.align.spelling import spelling_of
from outgrow.generation.prompting import prompter_of
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.texts import TextTargets, certain
from outgrow.training.preference_step import PairExamples, PairRow
from outgrow.training.text_examples import TextExamples, TextLoss
from outgrow.training.text_tokenizer import TextTokenizer, TokenizedTargets, tokenize_targets
from outgrow.training.trainer import ExampleTrainer, history, train

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

MODEL = "bundled:smollm2-135m@2"
PLACES = [("cpu", "float32"), ("cuda", "bfloat16")]
SOFT = {"unit": "word", "split": "confidence", "temperature": 1.0, "rest": "student"}
LOSSES = {
    "cross_entropy": {"type": "cross_entropy"},
    "evidential": {"type": "evidential", "kl": "mixed", "kl_weight": 1e-4, "kl_clamp": 2e5, "kl_anneal": False},
}
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


def tokenized() -> tuple[TokenizedTargets, int]:
    """Eight texts of unlike lengths, and the id to pad with."""
    texts = [" ".join(["stones sink", "plants breathe in", "the sky is blue"][number % 3 :]) for number in range(8)]
    items = [f"i{number}" for number in range(8)]
    tables = [certain(text) for text in texts]
    for number, table in enumerate(tables):
        table.logprob[0] = -0.1 * number
    tokenizer = load_tokenizer(MODEL)
    reader = TextTokenizer(prompter_of(tokenizer), spelling_of(tokenizer.backend_tokenizer), 256)
    prompts = {item: f"say it {item} times" for item in items}
    return tokenize_targets(TextTargets(items, texts, tables, np.ones(8)), prompts, reader), tokenizer.pad_token_id


def one_update(examples, device: str, dtype: str, scratch) -> ExampleTrainer:
    model = load_causal_lm(MODEL).to(device)
    hints = {"device": device}
    return train(
        model,
        examples,
        TRAINING,
        dtype=dtype,
        seed=0,
        scratch=scratch,
        hints=hints,
        report=lambda message, share: None,
    )


def both_places(examples, tmp_path) -> list[dict[str, float]]:
    return [next(history(one_update(examples, *place, tmp_path / place[0]))) for place in PLACES]


@pytest.mark.parametrize("loss", LOSSES)
def test_an_update_on_texts_agrees(loss, tmp_path) -> None:
    read, pad_id = tokenized()
    examples = TextExamples(read.rows, np.arange(8), torch.ones(8), pad_id, TextLoss(LOSSES[loss], SOFT))
    here, there = both_places(examples, tmp_path)
    assert there["loss"] == pytest.approx(here["loss"], rel=0.03)
    assert there["gradient_norm"] == pytest.approx(here["gradient_norm"], rel=0.1)


def test_an_update_on_pairs_agrees(tmp_path) -> None:
    read, pad_id = tokenized()
    pairs = [PairRow(f"i{n}", read.rows[n], read.rows[(n + 1) % 8], 0.1, 0.0) for n in range(8)]
    here, there = both_places(PairExamples(pairs, pad_id, 0.1, "cdpo", True), tmp_path)
    assert there["loss"] == pytest.approx(here["loss"], rel=0.05)
