"""Features and answers on a GPU in bfloat16 agree with the CPU in float32. Skipped where there is no GPU."""

import numpy as np
import pytest
import torch

from option_passes import option_hidden
from outgrow.models.hidden import text_states
from outgrow.models.load_model import load_backbone, load_causal_lm, load_tokenizer
from outgrow.models.packing import packing_holds
from outgrow.models.token_batches import pad, tokenize
from outgrow.models.zero_shot import option_logprobs, softmax

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]

MODEL = "bundled:smollm2-135m@8"
PROMPTS = ["Question: What do plants breathe in?\nAnswer:", "The sky on a clear day is", "1, 2, 3,"]
OPTIONS = [["carbon dioxide", "stone"], ["blue", "made of very old wood"], ["4", "purple"]]


def similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosine of corresponding vectors, after their common mean is taken away."""
    one, other = one - one.mean(axis=0), other - one.mean(axis=0)
    return np.asarray((one * other).sum(-1) / np.linalg.norm(one, axis=-1) / np.linalg.norm(other, axis=-1))


def test_text_features_agree() -> None:
    tokenizer = load_tokenizer(MODEL)
    ids = tokenize(tokenizer, PROMPTS, 64).ids
    found = []
    for device, dtype in (("cpu", "float32"), ("cuda", "bfloat16")):
        model = load_backbone(MODEL, dtype=dtype, device=device)
        batch = pad(ids, tokenizer.pad_token_id, device)
        found.append(text_states(model, batch, [2, 8], 8, causal=True).cpu().numpy())
    assert similarity(*found).min() > 0.98


def test_option_features_agree_and_are_packed() -> None:
    tokenizer = load_tokenizer(MODEL)
    found = []
    for device, dtype in (("cpu", "float32"), ("cuda", "bfloat16")):
        model = load_backbone(MODEL, dtype=dtype, device=device)
        assert packing_holds(model, tokenizer)
        states = option_hidden(model, tokenizer, PROMPTS, OPTIONS, [8])
        found.append(states.reshape(6, -1))
    assert similarity(*found).min() > 0.98


def test_answers_agree() -> None:
    tokenizer = load_tokenizer(MODEL)
    found = []
    for device, dtype in (("cpu", "float32"), ("cuda", "bfloat16")):
        lm = load_causal_lm(MODEL, dtype=dtype, device=device)
        found.append(softmax(option_logprobs(lm, tokenizer, PROMPTS, OPTIONS).total))
    np.testing.assert_allclose(*found, atol=0.1)
