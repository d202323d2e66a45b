"""Registries of extensions, and files of settings that name them."""

from typing import Annotated, Literal

import pytest
from pydantic import ValidationError

from outgrow.config.messages import FileLocation, error_messages
from outgrow.config.section import Section
from outgrow.errors import ConfigError
from outgrow.extensions import OneOf, Record, Registry, function_of


class Plain(Section):
    """Nothing to set."""

    type: Literal["plain"]


class Sharp(Section):
    """Sharpened by an exponent.

    More is said below.
    """

    type: Literal["sharp"]
    exponent: float = 2.0


class Late(Section):
    """Comes later."""

    type: Literal["late"]


REGISTRY: Registry[Record] = Registry(
    "weighting", Record, [Record(Plain), Record(Sharp, paper="Somebody 2020, eq. 1")]
)


class Settings(Section):
    weighting: Annotated[Section, OneOf(REGISTRY)] = Sharp(type="sharp")
    other: Annotated[Section, OneOf(REGISTRY)] | None = None


def message(tree: object) -> str:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(tree)
    return error_messages(caught.value, FileLocation("file.yaml"), Settings)


def test_a_record_reads_its_name_and_summary_off_the_section() -> None:
    assert list(REGISTRY) == ["plain", "sharp"]
    assert REGISTRY["sharp"].summary == "Sharpened by an exponent."


def test_a_field_takes_the_section_of_any_extension() -> None:
    read = Settings.model_validate({"weighting": {"type": "sharp", "exponent": 3}})
    assert read.weighting == Sharp(type="sharp", exponent=3)
    assert REGISTRY.of(read.weighting) is REGISTRY["sharp"]
    assert read.model_dump()["weighting"] == {"type": "sharp", "exponent": 3.0}


@pytest.mark.parametrize("key", ["weighting", "other"])
def test_mistakes_are_told_with_key_and_suggestion(key: str) -> None:
    assert f"{key}.type: `shrp` is unknown; did you mean `sharp`" in message({key: {"type": "shrp"}})
    assert f"{key}.exponent" in message({key: {"type": "sharp", "exponent": "many"}})
    assert "did you mean `exponent`" in message({key: {"type": "sharp", "exponant": 2}})
    assert "`weighting.exponent`" in message({"exponent": 2})


def test_a_name_is_given_once_and_unknown_ones_are_suggested() -> None:
    with pytest.raises(ConfigError, match="`plain`"):
        REGISTRY.add(Record(Plain))
    with pytest.raises(ConfigError, match="`sharp`"):
        REGISTRY.named("sharpp")


def test_an_extension_that_comes_later_is_taken_after_a_rebuild() -> None:
    REGISTRY.add(Record(Late))
    try:
        Settings.model_rebuild(force=True)
        assert Settings.model_validate({"weighting": {"type": "late"}}).weighting == Late(type="late")
    finally:
        REGISTRY.remove("late")
        Settings.model_rebuild(force=True)
    assert "`late` is unknown" in message({"weighting": {"type": "late"}})


def test_a_function_may_be_named_as_text() -> None:
    assert function_of("math:sqrt")(4.0) == function_of(abs)(-2) == 2
