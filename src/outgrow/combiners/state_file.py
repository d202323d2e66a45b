"""A `State` as one file: NumPy's archive of plain arrays, with a JSON header for the names and a digest of everything.

The file is written atomically and read without pickle. A file of another version, or with another digest, is refused.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.combiners.em_accelerated import ExpectedCounts
from outgrow.combiners.incremental import State
from outgrow.errors import DataError
from outgrow.graph.output import whole_file
from outgrow.vote_table import VoteTable

VERSION = 3
COLUMNS = ("item", "source", "label", "probs", "seconds", "price", "gold")


def save_state(state: State, path: Path) -> None:
    """Write the state; when this returns, it is on the disk. Raises `DataError` where it cannot be written."""
    table = state.table
    header = {
        "version": VERSION,
        "method": state.method,
        "single": state.source,
        "items": table.items,
        "sources": list(table.sources),
        "classes": list(table.classes),
        "notes": list(table.notes),
    }
    arrays = {name: getattr(table, name) for name in COLUMNS if getattr(table, name) is not None}
    arrays["posterior"] = state.posterior
    if state.counted is not None:
        arrays |= {"counts": state.counted.counts, "shares": state.counted.shares}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    try:
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, digest=_digest(arrays), **arrays)
    except OSError as error:
        raise DataError(
            f"the state `{path}` cannot be written: {error.strerror or error}; choose another place"
        ) from error


def require_state(path: Path) -> None:
    """Raises `DataError` where there is no file."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such state; `--state {path.name}` lets `combine` write one")


def load_state(path: Path) -> State:
    """Read what `save_state` wrote. Raises `DataError` for anything else."""
    require_state(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
        digest = arrays.pop("digest", None)
        header: dict[str, Any] = json.loads(arrays["header"].tobytes())
        version, whole = header["version"], digest is not None and np.array_equal(digest, _digest(arrays))
    except Exception as error:  # NumPy, zipfile and json raise many kinds of errors for a damaged archive
        raise _unreadable(path) from error
    if version != VERSION:
        raise DataError(f"{path}: a state of version {version}, not {VERSION}; start anew from the votes")
    if not whole:
        raise _unreadable(path)
    table = VoteTable(
        items=header["items"],
        sources=tuple(header["sources"]),
        classes=tuple(header["classes"]),
        item=arrays["item"],
        source=arrays["source"],
        label=arrays["label"],
        probs=arrays.get("probs"),
        seconds=arrays.get("seconds"),
        price=arrays.get("price"),
        gold=arrays["gold"],
        notes=tuple(header["notes"]),
    )
    counted = ExpectedCounts(arrays["counts"], arrays["shares"]) if "counts" in arrays else None
    return State(header["method"], header["single"], table, arrays["posterior"], counted)


def _digest(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """32 bytes over names, types, shapes and contents."""
    hasher = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        hasher.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        hasher.update(np.ascontiguousarray(array).data)
    return np.frombuffer(hasher.digest(), dtype=np.uint8)


def _unreadable(path: Path) -> DataError:
    return DataError(
        f"{path}: is not a state that `--state` wrote, or was damaged or changed since; start anew from the votes"
    )
