"""One seed for all inputs that tests draw, the same in every run; `OUTGROW_TEST_SEED=any` draws another one.

Tests on the clock are run again, up to twice, if they fail: a fault of the code fails three times.
"""

import os
import secrets
from collections.abc import Generator

import pytest

USUAL_SEED = "20261201"  # statements about chance hold in most draws; a change must not fail by an unlucky one

# Modules whose tests send signals at some instant, wait for processes, servers and browsers, or measure time.
ON_THE_CLOCK = {
    "test_api.py",
    "test_attack.py",
    "test_batch.py",
    "test_cli.py",
    "test_client.py",
    "test_data_pool.py",
    "test_deadline.py",
    "test_deliver_at_once.py",
    "test_engine_model.py",
    "test_engine_process.py",
    "test_engine_study.py",
    "test_file_lock.py",
    "test_final_answer.py",
    "test_graph_kill.py",
    "test_graph_lease.py",
    "test_graph_lifeline.py",
    "test_graph_output.py",
    "test_graph_plan.py",
    "test_graph_ray.py",
    "test_graph_run.py",
    "test_graph_slots.py",
    "test_graph_store.py",
    "test_kill_and_resume.py",
    "test_local_generator.py",
    "test_losses_self_training.py",
    "test_metrics_bootstrap.py",
    "test_models_features.py",
    "test_processes_end.py",
    "test_remote_student.py",
    "test_report_browser.py",
    "test_report_patterns.py",
    "test_report_row_picker.py",
    "test_report_trust_page.py",
    "test_site_browser.py",
    "test_sharding.py",
    "test_stated_choice.py",
    "test_supervise_rules.py",
    "test_text_answers.py",
    "test_transport.py",
}


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.setdefault("OUTGROW_TEST_SEED", USUAL_SEED) == "any":
        os.environ["OUTGROW_TEST_SEED"] = str(secrets.randbelow(2**32))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in ON_THE_CLOCK:
            item.add_marker(pytest.mark.flaky(reruns=2))


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
