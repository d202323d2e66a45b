"""A short attack by faulty servers; `faulty_servers.py` runs longer ones."""

import os

from faulty_servers import KINDS, PER_TRY, run


def test_whatever_a_server_sends_is_an_answer_a_refusal_or_its_trouble() -> None:
    tried, failures = run(6 * PER_TRY, int(os.environ["OUTGROW_TEST_SEED"]))
    assert tried == 6 * PER_TRY
    assert len(set(KINDS[:6])) == len(set(KINDS)), "one try of every kind"
    assert failures == []
