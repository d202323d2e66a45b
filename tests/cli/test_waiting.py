"""Work that takes long says so on standard error, and says nothing where it is quick."""

import io
import time

import pytest
from rich.console import Console

from outgrow.cli.progress import waiting


def test_a_line_every_some_seconds_where_there_is_no_terminal():
    written = io.StringIO()
    with waiting(Console(file=written), "measuring 3 votes", every=0.05):
        time.sleep(0.4)
    lines = written.getvalue().splitlines()
    assert len(lines) >= 2
    assert all(line.startswith("measuring 3 votes: ") for line in lines)


def test_quick_work_says_nothing_and_an_error_ends_it():
    written = io.StringIO()
    with pytest.raises(ValueError, match="wrong"), waiting(Console(file=written), "combining", every=0.2):
        raise ValueError("wrong")
    time.sleep(0.3)
    assert not written.getvalue()


def test_on_a_terminal_one_line_is_renewed():
    written = io.StringIO()
    with waiting(Console(file=written, force_terminal=True), "combining"):
        time.sleep(0.3)
    assert "combining" in written.getvalue()
