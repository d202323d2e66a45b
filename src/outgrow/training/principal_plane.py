"""Where the answers of labels lie, as a probe reads them: their two principal components, for the report to draw.

With X the answers' vectors less their mean, one row per label, and v₁, v₂ the two leading eigenvectors of XᵀX, a label
lies at (X v₁, X v₂). The sign of an eigenvector means nothing; it is chosen so that its largest entry is positive. A
label that the model could not read has no place (NaN).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy.linalg import eigh

NAME = "vectors.npy"


def save_plane(folder: Path, vectors: Sequence[Float[np.ndarray, "dim"] | None]) -> dict[str, list[float]]:
    """Write `vectors.npy`, float32 [label, 2]; returns what to note: the shares of the variance along the two axes."""
    places = np.full((len(vectors), 2), np.nan, dtype=np.float32)
    readable = [index for index, vector in enumerate(vectors) if vector is not None]
    explained = [0.0, 0.0]
    if readable:
        coordinates, explained = principal_plane(np.stack([vector for vector in vectors if vector is not None]))
        places[readable] = coordinates
    np.save(folder / NAME, places)
    return {"explained": explained}


def principal_plane(vectors: Float[np.ndarray, "row dim"]) -> tuple[Float[np.ndarray, "row 2"], list[float]]:
    """Coordinates along the two directions of the largest variance, and the share of all variance along each.

    `dim` is at least 2.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    moments = centred.T @ centred
    dim = len(moments)
    variance, axes = eigh(moments, subset_by_index=[dim - 2, dim - 1])
    axes = axes[:, ::-1] * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])[::-1]
    total = float(np.trace(moments))
    shares = [float(eigenvalue) / total if total > 0 else 0.0 for eigenvalue in variance[::-1]]
    return centred @ axes, shares
