"""The named methods of `methods.yaml`, and those of a study that names none."""

from functools import cache
from importlib.resources import files

import yaml

from outgrow.config.method import Method
from outgrow.config.yaml_text import Tree

DEFAULT = "outgrow"
"""The method that the headline is about where a study has it and names no other."""
DEFAULT_METHODS = (DEFAULT, "single", "naive", "bayesian")
"""The methods of a study that names none."""


@cache
def presets() -> dict[str, Tree]:
    """The named methods of `methods.yaml`, as trees."""
    text = (files("outgrow.config") / "methods.yaml").read_text()
    return dict(yaml.safe_load(text))


def preset(name: str) -> Method:
    """A named method."""
    return Method.model_validate({"name": name, **presets()[name]})


def default_methods() -> list[Method]:
    """The methods of a study that names none."""
    return [preset(name) for name in DEFAULT_METHODS]
