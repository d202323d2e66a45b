"""The commands and the Python of the pages run in the order of the reader, on a small version of the quickstart."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from small_study import ENVIRONMENT

ROOT = Path(__file__).parents[1]
PAGES = [
    "README.md",
    *(f"docs/{name}.md" for name in ("tour", "results-in-python", "your-data", "your-labels", "faq")),
]
PAGES += [f"docs/{name}.md" for name in ("skill/SKILL", "sweeps", "theory", "scale", "methods", "results", "concepts")]
NOT_RUN = {
    r"make (demo|test)": "they build the environment in which this test runs",
    r"outgrow run examples/generate_quickstart\.yaml": "40 minutes; tests/test_text_study_run.py runs small ones",
    r"outgrow (train|predict) ": "minutes of training; tests/deliver trains smaller models by the same commands",
    r"outgrow (ask|rules) ": "they need files of the reader; tests/asking and tests/supervise have such",
    r"outgrow store ": "they are for the folder of a study; tests/store_tools runs them",
    r"outgrow simulate ": "tests/test_simulate_run.py runs it",
    r".*\btensorboard": "the extra `trackers`; tests/reporting/test_report_trackers.py",
    r".*burns_heat_map\.yaml": "20 minutes; tests/test_suite_run.py runs small ones",
}
"""Commands that are parsed by `tests/test_docs.py` and not run here, with the reason."""
PYTHON_NOT_RUN = ("youtube/", "rules.yaml", "burns_heat_map.yaml")
"""Blocks with files of the reader or with a study of minutes."""
SMALL = {
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 60, "half_b": 90, "test": 120}},
    "supervisors": {
        "words": {"type": "ngram"},
        "letters": {"type": "ngram", "unit": "char", "longest": 3},
        "static": {"model": "bundled:wordllama", "dims": 32},
    },
    "student": {"model": "bundled:wordllama"},
    "methods": ["outgrow", "naive"],
    "variants": ["plain"],
    "tune": {"l2": [0.01, 0.1], "epochs": [20], "folds": 2},
    "seeds": [0, 1],
    "bootstrap": 100,
}
"""In place of the quickstart's own keys: the same names of rows, models that take seconds."""


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def commands(page: str) -> list[str]:
    """The lines of the shell, without comments."""
    text = "\n".join(re.sub(r"\\\n\s*", "", block) for block in blocks(page, "bash"))
    return [line.split(" #")[0].strip() for line in text.splitlines() if line.strip()]


def is_run(command: str) -> bool:
    return not any(re.match(pattern, command) for pattern in NOT_RUN)


def run(folder: Path, *words: str) -> None:
    ended = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, f"{shlex.join(words)}\n{ended.stderr}"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples, where the small quickstart has been run."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("runs", "answers"))
    quickstart = folder / "examples" / "quickstart.yaml"
    quickstart.write_text(yaml.safe_dump({**yaml.safe_load(quickstart.read_text()), **SMALL}, sort_keys=False))
    run(folder, sys.executable, "-m", "outgrow", "run", "examples/quickstart.yaml")
    return folder


def test_what_is_not_run_is_still_there() -> None:
    every = [command for page in PAGES for command in commands(page)]
    assert len([command for command in every if is_run(command)]) > 25
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in every), pattern


DONE: set[str] = set()


@pytest.mark.parametrize("page", [page for page in PAGES if any(map(is_run, commands(page)))])
def test_the_commands_of_a_page_run(checkout: Path, page: str) -> None:
    for command in commands(page):
        if is_run(command) and command not in DONE:
            words = shlex.split(command)
            assert words[0] == "outgrow", command
            run(checkout, sys.executable, "-m", *words)
            DONE.add(command)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_python_of_a_page_runs(checkout: Path, page: str) -> None:
    """All blocks of a page in one process. A second study, which two pages name, is run before."""
    told = [block for block in blocks(page, "python") if not any(name in block for name in PYTHON_NOT_RUN)]
    if not told:
        pytest.skip("the blocks need files of the reader, or minutes")
    if "examples/runs/tour" in "".join(told):
        (tour,) = (command for command in commands("docs/tour.md") if command.startswith("outgrow run "))
        run(checkout, sys.executable, "-m", *shlex.split(tour))
    run(checkout, sys.executable, "-c", "\n".join(told))
