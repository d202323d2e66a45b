"""Where models run: the key `device` of every file of settings."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from outgrow.config.section import complaint

UNTRIED = {"mps": "Apple's GPUs", "xpu": "Intel's GPUs"}
"""Devices of torch on which no result of this package has been compared with the CPU's."""


def _refuse_untried(value: Any) -> Any:
    if isinstance(value, str) and value in UNTRIED:
        raise complaint(
            f"`{value}` ({UNTRIED[value]}) is not supported: no result has been compared there; use `cpu`, or"
            " `cuda` on a machine with such a GPU"
        )
    return value


Device = Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(_refuse_untried)]
"""`auto`: a GPU where there is one."""
