"""One seed for all inputs that tests draw, the same in every run; `OUTGROW_TEST_SEED=any` draws another one."""

import os
import secrets
from collections.abc import Generator

import pytest

USUAL_SEED = "20261201"  # statements about chance hold in most draws; a change must not fail by an unlucky one


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.setdefault("OUTGROW_TEST_SEED", USUAL_SEED) == "any":
        os.environ["OUTGROW_TEST_SEED"] = str(secrets.randbelow(2**32))


def pytest_report_header(config: pytest.Config) -> str:
    return f"drawn inputs: OUTGROW_TEST_SEED={os.environ['OUTGROW_TEST_SEED']}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test's report ends with the command that runs it on the same inputs."""
    report = yield
    if report.failed:
        seed = os.environ["OUTGROW_TEST_SEED"]
        report.sections.append(("same inputs again", f"OUTGROW_TEST_SEED={seed} python -m pytest '{item.nodeid}'"))
    return report
