r"""Equality of two formulas, decided by Math-Verify, which parses LaTeX into sympy.

`is_formula` selects the answers that are compared so. Words are excluded, because sympy would read `listen` and
`silent` as the same product of letters. `1/2` and `\frac{1}{2}`, `2\sqrt{2}` and `\sqrt{8}`, `(x+1)^2` and `x^2+2x+1`,
`{1, 2}` and `2, 1` are equal as far as sympy can decide. An equation counts as its right side (`x = 5` is `5`).
Numbers are compared to six decimals.

A comparison that exceeds its time limit gives False. Math-Verify's limit is a signal, which only the main thread can
set. So towers of powers, factorials of large numbers and formulas of more than `LONGEST` characters are not compared.
"""

import re
import threading
from functools import lru_cache
from typing import Any

SECONDS = 5
"""Time limit for parsing a formula, and for comparing two."""
LONGEST = 300
"""Characters of a formula, at most."""

_NAMES = r"(?:(?:arc)?(?:sin|cos|tan)h?|cot|sec|csc|log|ln|exp|min|max|gcd|lcm|mod|sqrt|pi|infty|infinity)(?![A-Za-z])"
_PLAIN = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"√\s*(?:\(([^()]*)\)|(\w+))"), r"\\sqrt{\1\2}"),
    (re.compile(r"(?<![\\A-Za-z])sqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"\^\s*\(([^()]*)\)"), r"^{\1}"),
    (re.compile(r"\^\s*(-?\d{2,})"), r"^{\1}"),
    (re.compile(rf"(?<![\\A-Za-z])({_NAMES})"), r"\\\1"),
    (re.compile(r"\\infinity"), r"\\infty"),
    (re.compile(r"\\text\s*\{\s*(?:and|or)\s*\}|\s(?:and|or)\s"), ","),
    (re.compile(r"\^\{?\s*\\circ\s*\}?|\\degree|°|(?<!\\)\\[,!;: ]"), " "),
)
_SIGNS = str.maketrans(
    {
        "π": r"\pi ",
        "∞": r"\infty ",
        "≤": r"\le ",
        "≥": r"\ge ",
        "≠": r"\ne ",
        "×": r"\times ",
        "·": r"\cdot ",
        "÷": "/",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "±": r"\pm ",
        "\u2212": "-",
        "\u2013": "-",
    }
)
_COMMAND = re.compile(r"\\(?:begin|end)\{[a-z]+\}|\\[A-Za-z]+")
_TEXT = re.compile(r"\\(?:text|textbf|textrm|mathrm|mbox)\s*\{([^{}]*)\}")
_UNITS = re.compile(r"(?<=[\w})\]])(?!\s+[ap]\.?m\b)(?:\s+[A-Za-z.]{2,}(?:\^\{?[23]\}?)?)+\s*$")
"""Words after a formula."""
_WORD = re.compile(
    r"\d\s*[ap]\.?\s?m\b|(?<![A-Za-z])[A-Za-z]{4,}|(?:(?<=\s)|^)[A-Za-z]{2,3}(?=[\s'’]|[.,;:!?]?$)|[^\W\d_A-Za-zα-ωΑ-Ω]"
)
_TOO_MUCH = re.compile(r"\^\s*\{?[^{}^]{0,20}\^|\^\s*\{?\s*-?[\d\s]{5,}|\d{4,}\s*\)?\s*!|!\s*!|binom\s*\{?\s*\d{4,}")
_BASE = re.compile(r"\d_\{?(\d+)\}?")


def is_formula(answer: str) -> bool:
    r"""Whether a whole answer is mathematics: no words, and more than one letter.

    >>> is_formula(r"\frac{x}{2}"), is_formula("x = 2 or x = 3"), is_formula("two apples"), is_formula("Apollo 11")
    (True, True, False, False)
    """
    plain = to_latex(answer)
    bare = _COMMAND.sub(" ", plain)
    if len(plain) > LONGEST or _WORD.search(bare):
        return False
    return re.search(r"\d|\\[A-Za-z]|[A-Za-z]\W*[-+*/^=<>(,]\W*[A-Za-z]", plain) is not None


def to_latex(answer: str) -> str:
    """An answer with signs and functions in LaTeX, without the units after it.

    >>> to_latex("2*sqrt(2) ≤ x^10")
    '2*\\\\sqrt{2} \\\\le  x^{10}'
    """
    plain = answer.translate(_SIGNS)
    for pattern, replacement in _PLAIN:
        plain = pattern.sub(replacement, plain)
    return _UNITS.sub("", _TEXT.sub(r" \1", plain)).strip()


def same_formula(first_answer: str, second_answer: str) -> bool:
    r"""Whether two formulas are equal; False if one cannot be parsed.

    >>> same_formula(r"\sqrt{8}", r"2\sqrt{2}")
    True
    """
    sides = to_latex(first_answer), to_latex(second_answer)
    if any(_TOO_MUCH.search(side) for side in sides) or not _same_base(*sides):
        return False
    # Imports sympy, which takes a second.
    from math_verify import verify

    first, second = map(_parsed, sides)
    limit = _limit()
    return bool(first and second) and any(
        verify(list(gold), list(answer), timeout_seconds=limit) for gold, answer in ((first, second), (second, first))
    )


def _same_base(first_latex: str, second_latex: str) -> bool:
    """Whether numbers with a base (`101_2`) have the same base."""
    bases = [match[1] for match in map(_BASE.search, (first_latex, second_latex)) if match]
    return len(set(bases)) < 2


@lru_cache(maxsize=1 << 12)
def _parsed(latex: str) -> tuple[Any, ...]:
    """Math-Verify's parse, without its fallback, the text itself."""
    from math_verify import parse

    return tuple(parse(f"${latex}$", fallback_mode="no_fallback", parsing_timeout=_limit()))


def _limit() -> int | None:
    return SECONDS if threading.current_thread() is threading.main_thread() else None
