"""Prompt and option as one vector, for models that embed each text on its own.

With q and o the unit vectors of prompt and option, a *choose* item's options are [q ∘ o, o, |q - o|]: a linear scorer
then sees how the two agree, dimension by dimension. For sentence encoders this answers more questions than reading
"prompt option" as one text, and costs one short pass per option instead of a long one.
"""

import numpy as np
from jaxtyping import Float


def compare(
    prompts: Float[np.ndarray, "item *layer dim"], options: Float[np.ndarray, "item option *layer dim"]
) -> Float[np.ndarray, "item option *layer three_dim"]:
    """[q ∘ o, o, |q - o|] of unit vectors q (prompt) and o (option), three times as long as they are."""
    q, o = unit(prompts)[:, None], unit(options)
    return np.concatenate([q * o, o, abs(q - o)], axis=-1)


def unit(vectors: Float[np.ndarray, "*batch dim"]) -> Float[np.ndarray, "*batch dim"]:
    """Vectors of length 1; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length == 0, 1, length))
