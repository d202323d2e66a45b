"""Find the checkpoint from which an interrupted training goes on.

The Trainer writes a checkpoint's files one after the other, `trainer_state.json` last. A folder in which that file is
missing or cut short was being written when the process died; it is removed, and an older one serves.
"""

import json
import shutil
from pathlib import Path


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint in `folder`; unfinished ones are deleted."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    whole = [path for path in found if is_whole(path)]
    for path in set(found) - set(whole):
        shutil.rmtree(path)
    return whole[-1] if whole else None


def is_whole(checkpoint: Path) -> bool:
    """Was the last file of this checkpoint written to its end?"""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return True
