"""The short form of the attack with damaged study files."""

from damaged_studies import run

from drawn_seeds import SEEDS

COUNT = 250


def test_damaged_studies_are_read_or_refused() -> None:
    tried, failures = run(COUNT, SEEDS[0])
    assert tried == COUNT
    assert failures == []
