"""The short form of the attack with damaged files."""

from damaged_files import run

from drawn_seeds import SEEDS

COUNT = 120


def test_damaged_files_are_read_or_refused() -> None:
    tried, failures = run(COUNT, SEEDS[0])
    assert tried == COUNT
    assert failures == []
