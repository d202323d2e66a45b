"""Tiny models that write: random weights, byte-level tokenizers trained here."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import (
    CohereConfig,
    CohereForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

VOCAB = 320
SIZE = {"vocab_size": VOCAB, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1}
DECODER = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "head_dim": 8,
}


def fresh_model(family: str) -> PreTrainedModel:
    """Random weights, large enough that predictions differ from uniform; gpt2 drops out, phi has a bias."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if family == "gpt2":
            model = GPT2LMHeadModel(GPT2Config(**SIZE, n_embd=32, n_layer=2, n_head=4, n_positions=128))
        elif family == "phi":
            model = PhiForCausalLM(PhiConfig(**SIZE, **{k: v for k, v in DECODER.items() if k != "head_dim"}))
        elif family == "gemma2":
            model = Gemma2ForCausalLM(Gemma2Config(**SIZE, **DECODER, sliding_window=64))
        elif family == "gemma3":
            model = Gemma3ForCausalLM(Gemma3TextConfig(**SIZE, **DECODER, sliding_window=64))
        elif family == "cohere":
            model = CohereForCausalLM(CohereConfig(**SIZE, **{k: v for k, v in DECODER.items() if k != "head_dim"}))
        else:
            model = LlamaForCausalLM(LlamaConfig(**SIZE, **DECODER, initializer_range=0.3))
        if family == "phi":
            torch.nn.init.normal_(model.lm_head.bias)
    return model


def save_writer(folder: Path, family: str, texts: Iterable[str], vocab: int = VOCAB - 10) -> Path:
    """A model of the family with a byte-level tokenizer of at most `vocab` tokens that knows words of `texts`."""
    fresh_model(family).save_pretrained(folder)
    words = Tokenizer(BPE())
    words.pre_tokenizer, words.decoder = ByteLevel(add_prefix_space=False), ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=vocab,
        special_tokens=["<pad>", "<end>"],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    words.train_from_iterator(texts, trainer)
    PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>").save_pretrained(folder)
    return folder
