"""The guides are true: paths, functions and commands exist, and the picture of the package is that of its imports."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "outgrow"
GUIDES = [
    *(ROOT / name for name in ("AGENTS.md", "CONTRIBUTING.md", "README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PAPERS = ROOT / "docs" / "papers.md"
OWN_FILES = {
    "my_rules.py",
    "rules.py",
    "my_loss.py",
    "my_combiner.py",
    "my_metric.py",
    "my_topic.py",
    "study.yaml",
    "judges.yaml",
}
"""Files of a reader, by which an example goes."""


def quoted(guide: Path) -> list[str]:
    """What is in backticks outside of blocks."""
    text = re.sub(r"```.*?```", "", guide.read_text(), flags=re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


def named_paths(guide: Path) -> list[str]:
    """Files and folders of the repository that a guide names."""
    found = [text for text in quoted(guide) if re.fullmatch(r"[\w./*-]+(?:\.(?:py|md|yaml)|/)", text)]
    return [
        text
        for text in found
        if text not in OWN_FILES and not text.startswith(("runs/", "answers/", "model/", "student/"))
    ]


def exists(name: str, guide: Path) -> bool:
    """From the root, the package, the page, or anywhere for a bare file name."""
    places = (ROOT, SOURCE, SOURCE / "config", guide.parent, ROOT / "examples")
    if any(list(place.glob(name.rstrip("/"))) for place in places):
        return True
    folders = (ROOT / "src", ROOT / "tests", ROOT / "examples")
    return "/" not in name and any(True for folder in folders for _ in folder.rglob(name))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_named_paths_exist(guide: Path) -> None:
    assert not [name for name in named_paths(guide) if not exists(name, guide)]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_named_functions_exist(guide: Path) -> None:
    for text in quoted(guide):
        found = re.fullmatch(r"(outgrow(?:\.\w+)+):(\w+)", text)
        if found:
            assert hasattr(import_module(found[1]), found[2]), text


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_make_targets_and_tests_exist(guide: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for text in quoted(guide):
        if target := re.match(r"make ([a-z]+)\b", text):
            assert re.search(rf"^{target[1]}:", makefile, re.MULTILINE), text
        if tests := re.search(r"-m pytest (tests/\S+)", text):
            assert (ROOT / tests[1]).exists(), text


# ---- the picture ------------------------------------------------------------------------------------------


def layers() -> list[set[str]]:
    """The lines of the picture, from the top."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    picture = re.search(r"## The package in one picture.*?```text\n(.*?)```", text, re.DOTALL)
    assert picture is not None
    return [set(re.split(r"\s{3,}", line)[0].split(" · ")) for line in picture[1].splitlines()]


def exceptions() -> set[tuple[str, str]]:
    """Imports against the order that the page lists: `* `a → b, c`: reason`."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    listed = re.findall(r"^\* `(\w+) → ([\w, ]+)`: \w", text, re.MULTILINE)
    return {(upper, lower) for upper, names in listed for lower in names.split(", ")}


def unit(path: Path) -> str:
    """The folder of a module, or a module beside the folders."""
    parts = path.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(path: Path) -> Iterator[str]:
    """The folders and top modules that a module imports, at its top or within a function; types do not count."""
    tree = ast.parse(path.read_text())
    types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in types:
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"outgrow.{name}" for name in names] if node.module == "outgrow" else [node.module or ""]
        yield from (name.split(".")[1] for name in names if name.startswith("outgrow."))


def units() -> set[str]:
    found = {unit(path) for path in SOURCE.rglob("*.py")}
    return found - {"__init__", "__main__"}


def test_the_picture_has_every_folder_once() -> None:
    listed = [name for layer in layers() for name in layer]
    assert sorted(listed) == sorted(units())


def test_no_import_goes_against_the_picture() -> None:
    height = {name: -index for index, layer in enumerate(layers()) for name in layer}
    wrong = {
        f"{path.relative_to(SOURCE)} → {imported}"
        for path in SOURCE.rglob("*.py")
        for imported in imports(path)
        if unit(path) in height
        and imported in height
        and height[imported] > height[unit(path)]
        and (unit(path), imported) not in exceptions()
    }
    assert not wrong


# ---- the seed ---------------------------------------------------------------------------------------------


def test_a_failing_test_prints_the_seed_that_repeats_it(tmp_path: Path) -> None:
    for name in ("conftest.py", "drawn_seeds.py"):
        (tmp_path / name).write_text((ROOT / "tests" / name).read_text())
    (tmp_path / "test_it.py").write_text("from drawn_seeds import SEEDS\n\n\ndef test_it():\n    assert SEEDS == []\n")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"],
        cwd=tmp_path,
        env={**environment, "OUTGROW_TEST_SEED": "1234"},
        capture_output=True,
        text=True,
    )
    assert "OUTGROW_TEST_SEED=1234 python -m pytest 'test_it.py::test_it'" in done.stdout


def test_the_tables_and_figures_of_the_papers_are_those_of_the_report() -> None:
    """Every recipe exists, and every table and figure has its name somewhere in the code of reports."""
    rows = [line.split("|")[1:-1] for line in PAPERS.read_text().splitlines() if line.startswith("| ")]
    code = "\n".join(path.read_text() for path in (SOURCE / "reporting").rglob("*.py"))
    names = set(re.findall(r'"([a-z_]+)"', code)) | {f"curve_{name}" for name in ("noise", "share")}
    cells = [cell for _, _, cell in rows]
    assert len(cells) > 20
    assert [name for cell in cells for name in re.findall("`([^`]+)`", cell) if name not in names] == []
    files = [name for _, cell, _ in rows for name in re.findall(r"`([\w/]+\.yaml)`", cell)]
    assert [name for name in files if not (ROOT / "examples" / name).is_file()] == []
