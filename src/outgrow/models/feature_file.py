"""The files of a `features` step, read without torch."""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float

from outgrow.errors import DataError


def read_features(folder: Path, n_items: int) -> tuple[Float[np.ndarray, "item *option layer dim"], list[int]]:
    """The hidden states of every pool item, left on the disk until they are indexed, and the layers that they are of.

    Raises `DataError` for damaged files, or if they are of another number of items.
    """
    try:
        layers: list[int] = json.loads((folder / "features.json").read_text())["layers"]
        values = np.load(folder / "features.npy", mmap_mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{folder}: not a readable features folder ({error})") from error
    if len(values) != n_items or values.shape[-2] != len(layers):
        raise DataError(f"{folder}: features of shape {values.shape} do not fit {n_items} items, layers {layers}")
    return values, layers
