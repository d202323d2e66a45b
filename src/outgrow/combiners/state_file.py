"""A `State` as one file: NumPy's archive of plain arrays, with a JSON header for the names.

It appears whole or not at all. Nothing in it is code: it is read without pickle. Another version is refused.
"""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.combiners.settle import Counted
from outgrow.combiners.update import State
from outgrow.errors import DataError
from outgrow.vote_table import VoteTable

VERSION = 1
COLUMNS = ("item", "source", "said", "probs", "seconds", "price", "gold")


def save_state(state: State, path: Path) -> None:
    """Write the state. Raises `DataError` where the file cannot be written."""
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
    packed = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, header=packed, **arrays)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"the state `{path}` cannot be written: {error.strerror}; choose another place") from error


def load_state(path: Path) -> State:
    """Read what `save_state` wrote. Raises `DataError` for anything else."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such state; `--state {path.name}` lets `combine` write one")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            header: dict[str, Any] = json.loads(archive["header"].tobytes())
            arrays = {name: archive[name] for name in archive.files if name != "header"}
        if header["version"] != VERSION:
            raise DataError(
                f"{path}: a state of version {header['version']}, not {VERSION}; start anew from the votes"
            )
        table = VoteTable(
            items=header["items"],
            sources=tuple(header["sources"]),
            classes=tuple(header["classes"]),
            item=arrays["item"],
            source=arrays["source"],
            said=arrays["said"],
            probs=arrays.get("probs"),
            seconds=arrays.get("seconds"),
            price=arrays.get("price"),
            gold=arrays["gold"],
            notes=tuple(header["notes"]),
        )
        counted = Counted(arrays["counts"], arrays["shares"]) if "counts" in arrays else None
        return State(header["method"], header["single"], table, arrays["posterior"], counted)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: is not a state that `--state` wrote, or is damaged; start anew from the votes"
        ) from error
