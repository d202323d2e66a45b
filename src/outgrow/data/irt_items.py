"""Item parameters of a benchmark from a file, for `metrics/irt.py`."""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.errors import DataError
from outgrow.metrics.irt import IrtItems
from outgrow.readers.json_files import refuse_deep
from outgrow.readers.raw_file import decode, read_bytes

SUM_TOLERANCE = 1e-6
"""How far the weights of the anchors may be from adding up to one."""
AXES = {"a": ("item", "dim"), "b": ("item",), "anchors": ("anchor",), "weights": ("anchor",), "lambda": ()}
"""The keys of a file of item parameters, and their axes; only `lambda` may be missing."""


def read_items(path: Path) -> IrtItems:
    """Item parameters from a `.npz` or `.json` file with the keys of `IrtItems`, λ' as `lambda` (it may be missing).

    Keys: `a` [item, dim], `b` [item], `anchors` [anchor] (positions from 0), `weights` [anchor], `lambda` (a number);
    others are ignored. Raises `DataError`, naming file and key, for anything that `IrtItems` does not allow.
    """
    stored = _stored(path)
    arrays = {key: _array(stored[key], key, path) for key in AXES if key in stored}
    for key in AXES:
        if key not in arrays and key != "lambda":
            raise DataError(f"{path}: the key `{key}` is missing")
    _check_lengths(arrays, path)
    _check_anchors(arrays["anchors"], len(arrays["b"]), path)
    _check_shares(arrays, path)
    a, b, weights = (arrays[key].astype(np.float64) for key in ("a", "b", "weights"))
    irt_share = float(arrays["lambda"]) if "lambda" in arrays else None
    return IrtItems(a, b, arrays["anchors"].astype(np.int64), weights, irt_share)


def _stored(path: Path) -> Mapping[str, Any]:
    if path.suffix not in (".npz", ".json"):
        raise DataError(f"{path}: item parameters are a `.npz` or a `.json` file")
    raw = read_bytes(path)
    try:
        if path.suffix == ".npz":
            with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
                return {key: archive[key] for key in AXES if key in archive}
        text = decode(raw, str(path))
        refuse_deep(text, str(path))
        stored = json.loads(text)
    except (OSError, ValueError, TypeError, EOFError, RecursionError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as item parameters ({error})") from error
    if not isinstance(stored, dict):
        raise DataError(f"{path}: expected one object with the keys {', '.join(f'`{key}`' for key in AXES)}")
    return stored


def _array(value: Any, key: str, path: Path) -> np.ndarray:
    """The value of a key as finite numbers along the axes that it should have."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{path}: `{key}` is not a table of numbers ({error})") from error
    if array.size and array.dtype.kind not in "iuf":
        raise DataError(f"{path}: `{key}` holds something other than numbers")
    if array.ndim != len(AXES[key]) or not array.size:
        wanted = f"[{', '.join(AXES[key])}], none of them empty" if AXES[key] else "a single number"
        raise DataError(f"{path}: `{key}` has the shape {array.shape}; expected {wanted}")
    _check_finite(array, key, path)
    return array


def _check_finite(array: np.ndarray, key: str, path: Path) -> None:
    unusable = np.argwhere(~np.isfinite(array))
    if len(unusable):
        place = f"[{', '.join(map(str, unusable[0]))}]" if array.ndim else ""
        raise DataError(f"{path}: `{key}`{place} is {array[tuple(unusable[0])]}; every number must be finite")


def _check_lengths(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    for key, like, noun in (("b", "a", "items"), ("weights", "anchors", "anchors")):
        if len(arrays[key]) != len(arrays[like]):
            raise DataError(f"{path}: `{key}` is for {len(arrays[key])} {noun}, `{like}` for {len(arrays[like])}")


def _check_anchors(anchors: np.ndarray, n_items: int, path: Path) -> None:
    if anchors.dtype.kind == "f":
        raise DataError(f"{path}: `anchors` must be whole numbers, the positions of items")
    outside = anchors[(anchors < 0) | (anchors >= n_items)]
    if len(outside):
        raise DataError(
            f"{path}: `anchors` names item {outside[0]}; with {n_items} items, they go from 0 to {n_items - 1}"
        )
    names, times = np.unique(anchors, return_counts=True)
    if len(names) < len(anchors):
        raise DataError(f"{path}: `anchors` names item {names[times > 1][0]} more than once")


def _check_shares(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    weights, share = arrays["weights"], arrays.get("lambda", np.zeros(()))
    if weights.min() < 0:
        raise DataError(f"{path}: `weights` has {weights.min():g}; a weight is never below 0")
    if abs(weights.sum() - 1) > SUM_TOLERANCE:
        raise DataError(f"{path}: `weights` sum to {weights.sum():.8g}; they must sum to 1")
    if not 0 <= share <= 1:
        raise DataError(f"{path}: `lambda` is {share:g}; it must lie within 0 to 1")
