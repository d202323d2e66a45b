"""Hidden states that an earlier `features` step of the same store has computed: a study with more items computes only
those of the new ones.

Items are read in blocks: `BLOCK` items of one part that stand in a row in the pool, a last one perhaps smaller. The
values of a block depend only on its texts and the step's parameters, because its items are batched among
themselves. The pool of a larger study begins with the items of the smaller one (`data/pool.py`), so that all blocks
but the smaller one's last are in both. A result names its blocks by hashes of their texts; it is the same to the last
bit whether a block was computed or taken over.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from outgrow.data.task import Items
from outgrow.graph.done import Damaged, Done, read_done, verify
from outgrow.graph.step import Json

VERSION = 2
"""Of the step `features`; results of other versions are not taken over."""
BLOCK = 128
Rows = Int[np.ndarray, "row"]


def blocks_of(parts: Sequence[str]) -> list[Rows]:
    """Row numbers of every block, in order."""
    runs = (
        np.asarray([row for row, _ in run]) for _, run in groupby(enumerate(parts), key=lambda numbered: numbered[1])
    )
    return [run[start : start + BLOCK] for run in runs for start in range(0, len(run), BLOCK)]


def names_of(blocks: Sequence[Rows], items: Items, read: Json) -> list[str]:
    """A hash per block: of its texts, and of how they are read."""
    return [_name(items, block, read) for block in blocks]


def known_blocks(
    blocks: Sequence[Rows], names: Sequence[str], params: Mapping[str, Json], store: Path
) -> list[tuple[Rows, Float[np.ndarray, "row ..."]]]:
    """The rows of blocks that an earlier step has computed, with their values.

    Args:
        blocks: row numbers of every block.
        names: of `names_of`.
        params: the step's parameters but the model's name, for which its `identity` stands.
        store: the folder of all steps.
    """
    missing = dict(zip(names, blocks, strict=True))
    computed = []
    for folder in sorted(store.glob("features-*")):
        if not missing:
            break
        for name, values in _of_result(folder, missing, params):
            computed.append((missing.pop(name), values))
    return computed


def _of_result(
    folder: Path, missing: Mapping[str, Rows], params: Mapping[str, Json]
) -> list[tuple[str, Float[np.ndarray, "row ..."]]]:
    """The missing blocks that one finished step has; none if the step is of another kind, or not whole."""
    try:
        done = read_done(folder)
        if not _is_alike(done, params):
            return []
        about = json.loads((folder / "features.json").read_text())
        starts = np.cumsum([0, *(size for _, size in about["blocks"])])
        stored = [(name, start, size) for (name, size), start in zip(about["blocks"], starts, strict=False)]
        stored = [block for block in stored if block[0] in missing]
        if not stored:
            return []
        verify(done, folder, thorough=True)
        values = np.load(folder / "features.npy", mmap_mode="r")
        return [(name, values[start : start + size]) for name, start, size in stored]
    except (OSError, ValueError, KeyError, TypeError, Damaged):
        return []


def _is_alike(done: Done, params: Mapping[str, Json]) -> bool:
    same = all(done.params.get(key) == value for key, value in params.items())
    return done.name == "features" and done.version == VERSION and same and params["identity"] is not None


def _name(items: Items, block: Rows, read: Json) -> str:
    rows = block.tolist()
    options = None if items.options is None else [items.options[row] for row in rows]
    content = json.dumps([read, [items.prompts[row] for row in rows], options], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
