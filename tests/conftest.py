"""One fresh seed per test run, the same for all processes; `OUTGROW_TEST_SEED=…` repeats a run."""

import os
import secrets

import pytest


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("OUTGROW_TEST_SEED", str(secrets.randbelow(2**32)))


def pytest_report_header(config: pytest.Config) -> str:
    return f"fresh inputs: OUTGROW_TEST_SEED={os.environ['OUTGROW_TEST_SEED']}"
