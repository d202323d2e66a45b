"""The documentation is true: generated pages are fresh, commands exist, experiments in prose parse, examples run."""

import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer
import yaml

import outgrow
from outgrow.cli.verbs import app
from outgrow.config.suite import read_studies
from outgrow.data.tasks import TASKS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = typer.main.get_command(app)


def blocks(language: str) -> list[tuple[Path, str]]:
    """Every fenced block of a language, with its page."""
    fence = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [(page, text) for page in PAGES for text in fence.findall(page.read_text())]


def outgrow_commands() -> list[str]:
    lines = [line for _, text in blocks("bash") for line in re.sub(r"\\\n\s*", "", text).splitlines()]
    recipes = [path.read_text().splitlines()[0].lstrip("# ") for path in sorted((ROOT / "examples").rglob("*.yaml"))]
    return [line.split(" #")[0].strip() for line in [*lines, *recipes] if line.startswith("outgrow ")]


def test_generated_pages_are_fresh() -> None:
    """In a process of its own, where no test has added an extension."""
    check = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True)
    assert check.returncode == 0, f"run `make docs`\n{check.stderr}"


@pytest.mark.parametrize("line", outgrow_commands())
def test_every_documented_command_is_one(line: str) -> None:
    verb, *words = shlex.split(line.split("    ")[0])[1:]
    command = COMMAND.commands[verb]
    if isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    arguments = command.make_context(verb, words).params
    file = arguments.get("file")
    if verb in ("labels", "combine"):
        assert outgrow.read_labels(ROOT / str(file), *(arguments["words"] or [])).n_votes
    elif file is not None and verb not in ("suite", "rules"):
        read_studies(ROOT / file, arguments["words"] or [])


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = re.findall(r"^make (\w+)", "\n".join(text for _, text in blocks("bash")), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.parametrize(
    "text",
    [
        text
        for _, text in blocks("yaml")
        if {"supervisors", "student"} <= set(re.findall(r"^(\w+):", text, re.MULTILINE)) and "plugins:" not in text
    ],
)
def test_experiments_in_prose_parse(text: str) -> None:
    read_studies(yaml.safe_load(text))


def test_the_readme_counts_the_tasks() -> None:
    found = re.search(r"(\d+) tasks are known by name", (ROOT / "README.md").read_text())
    assert found is not None
    assert int(found[1]) == len(TASKS)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_public_names_exist() -> None:
    for name in outgrow.__all__:
        assert getattr(outgrow, name) is not None


def test_no_package_has_the_name_of_a_function() -> None:
    """A package that is imported takes the place of a function of the same name."""
    assert not {found.name for found in pkgutil.iter_modules(outgrow.__path__)} & set(outgrow.__all__)


def test_examples_in_docstrings_are_true() -> None:
    tried = 0
    for found in pkgutil.walk_packages(outgrow.__path__, "outgrow."):
        if found.name != "outgrow.__main__":
            outcome = doctest.testmod(importlib.import_module(found.name))
            assert not outcome.failed, found.name
            tried += outcome.attempted
    assert tried > 5
