"""The wheel and the source archive: everything that runs is in them, and nothing else."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

import outgrow

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: `pip install -c constraints.txt -e '.[dev]'`")
    folder = tmp_path_factory.mktemp("dist")
    made = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    return folder


def tracked() -> list[str]:
    """The files of the repository, also those that are not committed yet."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git repository")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_the_wheel_has_every_file_of_the_package_and_its_recipes(built: Path) -> None:
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    wanted = {name.removeprefix("src/") for name in tracked() if name.startswith("src/")}
    wanted |= {f"outgrow/{name}" for name in tracked() if name.startswith(("examples/", "docs/"))}
    wanted -= {f"outgrow/docs/{path.name}" for kind in ("*.py", "*.toml") for path in (ROOT / "docs").glob(kind)}
    assert not wanted - names
    assert {"outgrow/py.typed", "outgrow/docs/llms.txt", "outgrow/docs/skill/SKILL.md"} <= names
    assert not [name for name in names if name.startswith("outgrow/docs/") and name.endswith((".py", ".toml"))]
    assert {name.split("/")[0] for name in names} == {"outgrow", f"outgrow-{outgrow.__version__}.dist-info"}
    assert not [name for name in names if "test" in Path(name).name and name.endswith(".py")]


def test_the_wheel_says_what_it_is(built: Path) -> None:
    wheel = zipfile.ZipFile(next(built.glob("*.whl")))
    about = f"outgrow-{outgrow.__version__}.dist-info"
    metadata = wheel.read(f"{about}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert wheel.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert re.findall(r"^Provides-Extra: (.+)$", metadata, re.MULTILINE) == sorted(PROJECT["optional-dependencies"])
    assert "outgrow = outgrow.cli:main" in wheel.read(f"{about}/entry_points.txt").decode()


def test_the_source_archive_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = next(tmp_path.iterdir())
    names = {path.relative_to(folder).parts[0] for path in folder.rglob("*")}
    assert {"src", "examples", "LICENSE", "README.md", "CHANGELOG.md", "constraints.txt"} <= names
    assert not names & {"tests", "bench", ".venv", ".github"}
    again = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "again"]
    made = subprocess.run(again, cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    first, second = (checksums(next(place.glob("*.whl"))) for place in (built, tmp_path / "again"))
    assert first == second


def test_what_runs_of_examples_leave_is_not_packed(built: Path, tmp_path: Path) -> None:
    """Reports, the store, and answers that were paid for lie beside the recipes."""
    used = tmp_path / "used"
    for name in tracked():
        (used / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, used / name)
    for left in ("runs/quickstart/report.html", "papers/runs/steps/a/done.json", "answers/server/b.json"):
        (used / "examples" / left).parent.mkdir(parents=True)
        (used / "examples" / left).write_text("left by a run")
    command = [sys.executable, "-m", "hatchling", "build", "-d", tmp_path / "dist"]
    made = subprocess.run(command, cwd=used, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    first, second = (checksums(next(place.glob("*.whl"))) for place in (built, tmp_path / "dist"))
    assert first == second
    with tarfile.open(next((tmp_path / "dist").glob("*.tar.gz"))) as archive:
        assert not [name for name in archive.getnames() if "/runs/" in name or "/answers/" in name]


def checksums(wheel: Path) -> dict[str, int]:
    """Of every file, without the list of files."""
    return {one.filename: one.CRC for one in zipfile.ZipFile(wheel).infolist() if "RECORD" not in one.filename}


def test_one_version_everywhere() -> None:
    version = PROJECT["version"]
    assert outgrow.__version__ == version
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == version  # type: ignore[index]


def test_every_extra_has_its_exact_versions() -> None:
    rows = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {re.sub(r"[_.]", "-", row.split("==")[0]).lower() for row in rows if "==" in row}
    named = [name for extra in PROJECT["optional-dependencies"].values() for name in extra]
    for requirement in [*PROJECT["dependencies"], *named]:
        name = re.sub(r"[_.]", "-", re.split(r"[\[<>=~!; ]", requirement)[0]).lower()
        assert name in pinned, requirement
