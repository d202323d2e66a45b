"""Escapes for text that Markdown, LaTeX or a spreadsheet would run or take for a command.

Names of models, methods and classes come from files, so every cell of a table goes through here.
"""

import re
from html import escape
from typing import Any

from outgrow.metrics.estimate import MINUS

_SPECIAL = re.compile(r"[\\`*\[\]|~#$]|(?<![^\W_])_|_(?![^\W_])")
"""Characters that Markdown takes for commands; an underscore within a word is not one."""


def markdown_text(text: str) -> str:
    """Text for Markdown, on one line, without commands and tags."""
    return _SPECIAL.sub(r"\\\g<0>", escape(" ".join(text.split()), quote=False))


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    MINUS: "$-$",
    "Δ": r"$\Delta$",
    "…": r"\dots{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def latex_text(text: str) -> str:
    """Text for LaTeX, on one line, without commands."""
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def disarmed(value: Any) -> Any:
    """A cell of CSV; text that a spreadsheet would run as a formula is preceded by an apostrophe."""
    risky = isinstance(value, str) and value.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r", "\n")
    return f"'{value}" if risky else value
