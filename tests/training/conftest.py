"""Fixtures for training tests."""

import pytest
from tiny_study import Study, colour_task, save_tiny
from tiny_texts import TextStudy, save_trains


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """`tiny("llama")`, `tiny("gpt2")`, `tiny("bert")`: the folder of a tiny model."""
    made = {}

    def folder(family: str) -> str:
        if family not in made:
            made[family] = str(save_tiny(tmp_path_factory.mktemp(family), family))
        return made[family]

    return folder


@pytest.fixture(scope="session")
def writing(tmp_path_factory):
    """`writing("llama")` and other families of `tiny_texts`: the folder of a tiny model that can write texts."""
    made = {}

    def folder(family: str) -> str:
        if family not in made:
            made[family] = str(save_trains(tmp_path_factory.mktemp(f"writing-{family}"), family))
        return made[family]

    return folder


@pytest.fixture
def study(tmp_path):
    """`study(kind)`: a fresh small study."""
    return lambda kind="classify", **options: Study(tmp_path / "study", colour_task(kind), **options)


@pytest.fixture
def text_study(tmp_path):
    """A fresh small study of texts."""
    return TextStudy(tmp_path / "text-study")
