"""One fresh seed per test run, the same for all processes; `OUTGROW_TEST_SEED=…` repeats a run."""

import os
import secrets
from collections.abc import Generator

import pytest


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("OUTGROW_TEST_SEED", str(secrets.randbelow(2**32)))


def pytest_report_header(config: pytest.Config) -> str:
    return f"fresh inputs: OUTGROW_TEST_SEED={os.environ['OUTGROW_TEST_SEED']}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test's report ends with the command that runs it on the same inputs."""
    report = yield
    if report.failed:
        seed = os.environ["OUTGROW_TEST_SEED"]
        report.sections.append(("same inputs again", f"OUTGROW_TEST_SEED={seed} python -m pytest '{item.nodeid}'"))
    return report
