"""A kill at any instant leaves a valid store, and the same command finishes."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "store_instants.py"


@pytest.mark.slow
@pytest.mark.parametrize("work", ["pack", "unpack", "remove"])
def test_the_store_is_valid_after_a_kill_at_every_instant(tmp_path: Path, work: str) -> None:
    found = subprocess.run([sys.executable, PROGRAM, work, tmp_path / "here"], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert int(found.stdout) > 20
