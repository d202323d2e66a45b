"""Real models, cut to a few layers so that tests are quick; the float32 conversion is made once per machine."""

import numpy as np
import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.models.load_model import load_backbone, load_causal_lm, load_tokenizer

SMOL, MINILM = "bundled:smollm2-135m@3", "bundled:minilm-l6"


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer(SMOL)


@pytest.fixture(scope="session")
def decoder() -> PreTrainedModel:
    return load_backbone(SMOL)


@pytest.fixture(scope="session")
def lm() -> PreTrainedModel:
    return load_causal_lm(SMOL)


@pytest.fixture(scope="session")
def encoder() -> PreTrainedModel:
    return load_backbone(MINILM)


@pytest.fixture(scope="session")
def encoder_tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer(MINILM)


@pytest.fixture
def rng() -> np.random.Generator:
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {seed}")
    return np.random.default_rng(seed)
