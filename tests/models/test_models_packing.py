"""Packed options give what separate passes give; where they would not, they are not packed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    BloomConfig,
    GPT2Config,
    GPTNeoXConfig,
    MambaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Qwen3Config,
)

from option_passes import option_hidden
from outgrow.errors import DataError
from outgrow.models.choices import Choices, opening_tokens, option_space, tokenize_choices
from outgrow.models.hidden import reads_forward
from outgrow.models.packing import attention_reach, may_pack, pack_batch, packed_option_logits, packing_holds
from outgrow.models.zero_shot import option_logprobs

WORDS = ["moon", "water", "acid", "the", "cat", "runs", "42", "Paris", "energy", "of", ",", "why", "?", "née", "日本"]
SIZES: dict[str, Any] = {"vocab_size": 49152, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 32}
WIDE: dict[str, Any] = {**SIZES, "intermediate_size": 48, "max_position_embeddings": 512}

Texts = Sequence[str]


def some_text(rng: np.random.Generator, shortest: int, longest: int) -> str:
    return " ".join(rng.choice(WORDS, size=int(rng.integers(shortest, longest + 1))).tolist())


@pytest.fixture
def items(rng: np.random.Generator) -> tuple[list[str], list[list[str]]]:
    prompts = [f"Question: {some_text(rng, 1, 25)}?\nAnswer:" for _ in range(9)]
    return prompts, [[some_text(rng, 1, 8) for _ in range(4)] for _ in prompts]


def tiny(config: PreTrainedConfig, seed: int = 0) -> PreTrainedModel:
    """A model with random weights, strong enough that positions and masks matter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        for weight in model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.3)
    return model


def brute_force(
    lm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str, option: str
) -> tuple[float, np.ndarray]:
    """One pass over one prompt with one option, token by token: log-likelihood, and the last state."""
    start = tokenizer(prompt)["input_ids"]
    tail = tokenizer(f" {option}")["input_ids"]
    with torch.no_grad():
        output = lm(torch.tensor([start + tail]), output_hidden_states=True)
    logs = output.logits[0].double().log_softmax(dim=-1)
    total = sum(logs[len(start) - 1 + place, token].item() for place, token in enumerate(tail))
    return total, output.hidden_states[-1][0, -1].numpy()


def test_log_likelihoods_are_those_of_single_passes(
    lm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, items: tuple[list[str], list[list[str]]]
) -> None:
    prompts, options = items
    expected = [[brute_force(lm, tokenizer, q, o)[0] for o in row] for q, row in zip(prompts, options, strict=True)]
    for packed in (True, False):
        scores = option_logprobs(lm, tokenizer, prompts, options, packed=packed, batch_tokens=300)
        np.testing.assert_allclose(scores.total, expected, rtol=1e-4)
    counts = [[len(tokenizer(f" {o}")["input_ids"]) for o in row] for row in options]
    np.testing.assert_allclose(scores.mean, np.asarray(expected) / counts, rtol=1e-4)


def test_hidden_states_are_those_of_single_passes(
    lm: PreTrainedModel,
    decoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: tuple[list[str], list[list[str]]],
) -> None:
    prompts, options = items
    expected = [[brute_force(lm, tokenizer, q, o)[1] for o in row] for q, row in zip(prompts, options, strict=True)]
    for packed in (True, False):
        states = option_hidden(decoder, tokenizer, prompts, options, packed=packed, batch_tokens=300)
        assert states.shape == (9, 4, 1, 576)
        np.testing.assert_allclose(states[:, :, 0], expected, atol=2e-3)


def test_options_do_not_see_each_other(
    decoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rng: np.random.Generator
) -> None:
    options = [some_text(rng, 2, 6) for _ in range(4)]
    states = option_hidden(decoder, tokenizer, ["Which?"], [options], packed=True)[0]
    other = [options[0], *(some_text(rng, 2, 6) for _ in range(3))]
    changed = option_hidden(decoder, tokenizer, ["Which?"], [other], packed=True)[0]
    np.testing.assert_allclose(changed[0], states[0], atol=1e-3)
    order = rng.permutation(4)
    mixed = option_hidden(decoder, tokenizer, ["Which?"], [[options[i] for i in order]], packed=True)[0]
    np.testing.assert_allclose(mixed, states[order], atol=2e-3)


def test_gradients_are_those_of_separate_rows(
    tokenizer: PreTrainedTokenizerBase, items: tuple[list[str], list[list[str]]]
) -> None:
    lm = tiny(Qwen3Config(**WIDE, num_key_value_heads=1, head_dim=16)).double()
    choices = tokenize_choices(tokenizer, *items, max_length=64)
    gradients = []
    for packed in (True, False):
        batch = pack_batch(choices, tokenizer.pad_token_id, packed=packed, dtype=torch.float64)
        lm.zero_grad()
        packed_option_logits(lm, batch).log_softmax(dim=1)[:, 0].sum().backward()
        gradients.append([p.grad.clone() for p in lm.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_only_needed_positions_reach_the_language_head(
    lm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    choices = tokenize_choices(tokenizer, ["A long prompt of many words, is it not? Answer:"], [["yes", "no"]], 64)
    batch = pack_batch(choices, tokenizer.pad_token_id, packed=True)
    assert batch.predicting.sum() == 1  # Both first tokens are predicted by the prompt's last one.
    assert batch.token_counts.tolist() == [[1, 1]]
    assert lm(**batch.inputs, logits_to_keep=batch.predicting).logits.shape == (1, 49152)


@pytest.mark.parametrize(
    ("config", "holds"),
    [
        (GPT2Config(vocab_size=49152, n_layer=2, n_head=2, n_embd=32), True),
        (OPTConfig(**SIZES, ffn_dim=48, word_embed_proj_dim=32), True),
        (GPTNeoXConfig(**WIDE, rotary_pct=0.5), True),
        (Qwen3Config(**WIDE, num_key_value_heads=1, head_dim=16), True),
        (BloomConfig(vocab_size=49152, n_layer=2, n_head=2, hidden_size=32), False),
        (MambaConfig(vocab_size=49152, num_hidden_layers=2, hidden_size=32), False),
    ],
    ids=lambda value: getattr(value, "model_type", None),
)
def test_packing_is_used_where_it_is_exact(
    config: PreTrainedConfig,
    holds: bool,
    tokenizer: PreTrainedTokenizerBase,
    items: tuple[list[str], list[list[str]]],
) -> None:
    lm = tiny(config)
    assert packing_holds(lm, tokenizer) == holds
    expected = [[brute_force(lm, tokenizer, q, o)[0] for o in row] for q, row in zip(*items, strict=True)]
    np.testing.assert_allclose(option_logprobs(lm, tokenizer, *items).total, expected, rtol=2e-3)


def test_encoders_are_never_packed(encoder: PreTrainedModel, encoder_tokenizer: PreTrainedTokenizerBase) -> None:
    assert not packing_holds(encoder, encoder_tokenizer)
    assert not reads_forward(encoder)


def test_trying_leaves_the_model_in_its_mode(decoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    decoder.train()
    assert packing_holds(decoder, tokenizer)
    assert decoder.training
    decoder.eval()


def test_half_precision_holds_as_well(tokenizer: PreTrainedTokenizerBase) -> None:
    lm = tiny(Qwen3Config(**WIDE, num_key_value_heads=1, head_dim=16)).to(torch.bfloat16)
    assert packing_holds(lm, tokenizer)


def test_rows_beyond_a_sliding_window_are_not_packed(
    tokenizer: PreTrainedTokenizerBase, items: tuple[list[str], list[list[str]]]
) -> None:
    lm = tiny(MistralConfig(**WIDE, num_key_value_heads=1, head_dim=16, sliding_window=80))
    assert attention_reach(lm) == 80
    items = ([f"{prompt} {'and so on ' * 30}" for prompt in items[0]], items[1])
    assert not may_pack(lm, tokenizer, tokenize_choices(tokenizer, *items, max_length=256))
    short = tokenize_choices(tokenizer, ["Is it?"], [["yes", "no"]], max_length=64)
    assert may_pack(lm, tokenizer, short)
    expected = [[brute_force(lm, tokenizer, q, o)[0] for o in row] for q, row in zip(*items, strict=True)]
    np.testing.assert_allclose(option_logprobs(lm, tokenizer, *items).total, expected, rtol=2e-3)


def test_prompts_lose_their_beginning_and_options_their_end(tokenizer: PreTrainedTokenizerBase) -> None:
    prompt = " ".join(str(number) for number in range(60))
    choices = tokenize_choices(tokenizer, [prompt, "Short:"], [["yes", "no " * 40], ["yes", "no"]], max_length=24)
    longest = [len(q) + max(map(len, row)) for q, row in zip(choices.prefixes, choices.options, strict=True)]
    assert longest[0] == 24
    assert choices.truncated == 1
    assert prompt.endswith(tokenizer.decode(choices.prefixes[0]))
    assert tokenizer.decode(choices.options[0][1]).startswith(" no no")


def test_an_empty_prompt_still_predicts(lm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    scores = option_logprobs(lm, tokenizer, [""], [["yes", "no"]])
    assert np.isfinite(scores.total).all()


def test_an_option_without_tokens_is_refused(encoder_tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match="without any text"):
        tokenize_choices(encoder_tokenizer, ["Which?"], [["yes", ""]], max_length=32)


def test_spaces_and_openings(tokenizer: PreTrainedTokenizerBase, encoder_tokenizer: PreTrainedTokenizerBase) -> None:
    assert option_space(tokenizer) == " "
    assert opening_tokens(tokenizer) == []
    assert opening_tokens(encoder_tokenizer) == [encoder_tokenizer.cls_token_id]


def test_lengths_are_those_of_the_batch(rng: np.random.Generator) -> None:
    choices = Choices(
        [rng.integers(5, 9, size=int(n)).tolist() for n in rng.integers(1, 9, size=6)],
        [[rng.integers(5, 9, size=int(n)).tolist() for n in rng.integers(1, 5, size=3)] for _ in range(6)],
    )
    for row in range(6):
        one = choices.take(np.asarray([row]))
        for packed in (True, False):
            ids = pack_batch(one, 0, packed=packed).inputs["input_ids"]
            assert ids.numel() == choices.lengths(packed)[row]


def test_backbones_without_head_are_read_too(tokenizer: PreTrainedTokenizerBase) -> None:
    model = AutoModel.from_config(GPT2Config(vocab_size=49152, n_layer=2, n_head=2, n_embd=32)).eval()
    assert packing_holds(model, tokenizer)
    assert reads_forward(model)
