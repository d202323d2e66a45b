"""The short form of the attack on finished studies: `damaged_stores.py` runs it longer."""

from damaged_stores import run

from drawn_seeds import SEEDS


def test_damaged_studies_are_noticed_and_made_again() -> None:
    tried, failures = run(2, SEEDS[0])
    assert tried == 2
    assert not failures
