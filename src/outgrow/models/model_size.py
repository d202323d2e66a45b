"""A model's size, and whether it is a causal language model, without loading it and without a network.

Bundled models are known. A folder, or a copy in the local hub cache, is read for its `config.json` and the headers of
its safetensors. Otherwise the name is parsed ("7B", "135M", "1b1", "gpt2-large"), and width and depth are those of the
usual model of that size.
"""

import json
import math
import re
import struct
from pathlib import Path
from typing import Any

from outgrow.errors import DataError
from outgrow.models.model_names import BUNDLED, ModelName, ModelSize, known_folder, parse_name

USUAL = (
    ModelSize(14_000_000, 128, 6, 50_304),
    ModelSize(135_000_000, 576, 30, 49_152),
    ModelSize(500_000_000, 896, 24, 151_936),
    ModelSize(1_100_000_000, 2048, 22, 32_000),
    ModelSize(1_500_000_000, 1536, 28, 151_936),
    ModelSize(3_000_000_000, 3072, 28, 128_256),
    ModelSize(7_000_000_000, 4096, 32, 64_000),
    ModelSize(13_000_000_000, 5120, 40, 64_000),
    ModelSize(32_000_000_000, 5120, 64, 152_064),
    ModelSize(70_000_000_000, 8192, 80, 128_256),
)
"""Width, depth and vocabulary that go with a number of weights."""

BY_NAME = {
    "gpt2-xl": ModelSize(1_557_611_200, 1600, 48, 50_257),
    "gpt2-large": ModelSize(774_030_080, 1280, 36, 50_257),
    "gpt2-medium": ModelSize(354_823_168, 1024, 24, 50_257),
    "gpt2": ModelSize(124_439_808, 768, 12, 50_257),
    "tinyllama": ModelSize(1_100_048_384, 2048, 22, 32_000),
    "bert-base": ModelSize(109_482_240, 768, 12, 30_522),
    "bert-large": ModelSize(335_141_888, 1024, 24, 30_522),
    "roberta-base": ModelSize(124_645_632, 768, 12, 50_265),
    "roberta-large": ModelSize(355_359_744, 1024, 24, 50_265),
}
"""Models without a number in their name; longer names first where one begins another."""


def model_size(name: str, revision: str | None = None) -> ModelSize | None:
    """Weights, width, depth and vocabulary of a model; `None` if unknown.

    Raises `DataError` for an unknown bundled model, a missing folder, or a folder with an unreadable `config.json`.
    """
    parsed = parse_name(name)
    if parsed.place == "bundled":
        return _cut(BUNDLED[parsed.base].size, parsed)
    folder = known_folder(parsed, revision)
    size = None if folder is None else size_of_folder(folder)
    size = size or size_in_name(parsed.base)
    return None if size is None else _cut(size, parsed)


def _cut(size: ModelSize, name: ModelName) -> ModelSize:
    if name.layers is None or name.layers >= size.layers:
        return size
    embedding = size.vocab * size.hidden
    body = (size.n_params - embedding) * name.layers // size.layers
    return size._replace(n_params=embedding + body, layers=name.layers)


def size_in_name(name: str) -> ModelSize | None:
    """Read a size out of a name such as `Qwen/Qwen2.5-7B`, `bigscience/bloom-1b1` or `gpt2-large`.

    >>> size_in_name("EleutherAI/pythia-1.4b").n_params
    1400000000
    """
    last = name.lower().rsplit("/", 1)[-1]
    for part in re.split(r"[-_]", last):
        if match := re.fullmatch(r"(\d+(?:\.\d+)?)([bm])|(\d+)b(\d+)", part):
            number, unit, whole, tenths = match.groups()
            weights = float(number or f"{whole}.{tenths}") * (1e6 if unit == "m" else 1e9)
            usual = min(USUAL, key=lambda size: abs(math.log(size.n_params / weights)))
            return usual._replace(n_params=round(weights))
    return next((size for prefix, size in BY_NAME.items() if last.startswith(prefix)), None)


def size_of_folder(folder: Path) -> ModelSize | None:
    """Read a model folder's `config.json` and weight headers; `None` if the architecture names its sizes unusually."""
    size = size_in_config(read_config(folder))
    files = sorted(folder.glob("*.safetensors"))
    return size._replace(n_params=sum(map(count_weights, files))) if size is not None and files else size


def size_in_config(config: dict[str, Any]) -> ModelSize | None:
    """The same from the configuration alone; weights are those of the usual block."""
    inner = config.get("text_config")
    config = inner if isinstance(inner, dict) else config
    hidden = _first(config, "hidden_size", "n_embd", "d_model", "dim")
    layers = _first(config, "num_hidden_layers", "n_layer", "num_layers", "n_layers")
    vocab = _first(config, "vocab_size")
    if not (hidden and layers and vocab):
        return None
    return ModelSize(_weights_by_formula(config, hidden, layers, vocab), hidden, layers, vocab)


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a model folder. Raises `DataError` where it is missing or damaged."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable model configuration ({error})") from error
    if not isinstance(config, dict):
        raise DataError(f"{path}: not a model configuration, but {type(config).__name__}")
    return config


def count_weights(path: Path) -> int:
    """Numbers in a safetensors file, from its header: eight bytes of length, then JSON."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
        return sum(math.prod(about["shape"]) for name, about in header.items() if name != "__metadata__")
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a safetensors file ({error})") from error


def _first(config: dict[str, Any], *keys: str) -> int:
    return next((int(config[key]) for key in keys if isinstance(config.get(key), int)), 0)


def _weights_by_formula(config: dict[str, Any], hidden: int, layers: int, vocab: int) -> int:
    """The usual transformer block: four attention matrices (keys and values may be narrower) and an MLP."""
    heads = _first(config, "num_attention_heads", "n_head") or 1
    narrow = (_first(config, "num_key_value_heads") or heads) / heads
    inner = _first(config, "intermediate_size", "ffn_dim") or 4 * hidden
    gated = config.get("hidden_act") in ("silu", "swish", "gelu_pytorch_tanh")
    block = hidden * hidden * (2 + 2 * narrow) + (3 if gated else 2) * hidden * inner
    tables = 1 if config.get("tie_word_embeddings", True) else 2
    return round(layers * block + tables * vocab * hidden)


CAUSAL = ("ForCausalLM", "LMHeadModel")


def can_answer(name: str, revision: str | None = None) -> bool:
    """True for causal language models, and for a hub model of which nothing is known yet.

    Raises `DataError` for an unknown bundled model, a missing folder, or an unreadable `config.json`.
    """
    parsed = parse_name(name)
    if parsed.place == "bundled":
        return BUNDLED[parsed.base].answers
    folder = known_folder(parsed, revision)
    if folder is None:
        return True
    architectures = read_config(folder).get("architectures") or []
    return any(architecture.endswith(CAUSAL) for architecture in architectures)
