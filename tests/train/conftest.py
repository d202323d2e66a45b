"""Fixtures for training tests."""

import pytest
from tiny_study import Study, colour_task, save_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """`tiny("llama")`, `tiny("gpt2")`, `tiny("bert")`: the folder of a tiny model."""
    made = {}

    def folder(family: str) -> str:
        if family not in made:
            made[family] = str(save_tiny(tmp_path_factory.mktemp(family), family))
        return made[family]

    return folder


@pytest.fixture
def study(tmp_path):
    """`study(kind)`: a fresh small study."""
    return lambda kind="classify", **options: Study(tmp_path / "study", colour_task(kind), **options)
