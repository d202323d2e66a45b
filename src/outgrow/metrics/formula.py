r"""Do two formulas mean the same? Asked of Math-Verify, which reads LaTeX into sympy.

`is_formula` says what is asked at all: an answer of words is none, or `listen` would be the product that `silent` is.
`1/2` and `\frac{1}{2}`, `2\sqrt{2}` and `\sqrt{8}`, `(x+1)^2` and `x^2+2x+1`, `{1, 2}` and `2, 1` are the same, as far
as sympy finds out; an equation is what it says of one side (`x = 5` is `5`); numbers are compared to six decimals.

What takes too long is not the same: Math-Verify's clock is a signal, which only a program's main thread can set, so
towers of powers, factorials of large numbers and formulas of more than `LONGEST` characters are not tried at all.
"""

import re
import threading
from functools import lru_cache
from typing import Any

SECONDS = 5
"""For reading a formula, and for comparing two."""
LONGEST = 300
"""Characters of a formula that is read."""

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
"""Words behind a formula."""
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
    """Signs and functions as LaTeX writes them, in an answer that may be typed plainly; units behind it are left out.

    >>> to_latex("2*sqrt(2) ≤ x^10")
    '2*\\\\sqrt{2} \\\\le  x^{10}'
    """
    plain = answer.translate(_SIGNS)
    for pattern, instead in _PLAIN:
        plain = pattern.sub(instead, plain)
    return _UNITS.sub("", _TEXT.sub(r" \1", plain)).strip()


def same_formula(one: str, other: str) -> bool:
    r"""Whether two answers that are formulas have one meaning; False where either cannot be read.

    >>> same_formula(r"\sqrt{8}", r"2\sqrt{2}")
    True
    """
    left, right = to_latex(one), to_latex(other)
    if any(_TOO_MUCH.search(side) for side in (left, right)) or not _same_base(left, right):
        return False
    # Brings sympy along: a second, for those who compare formulas.
    from math_verify import verify

    first, second = _parsed(left), _parsed(right)
    limit = _limit()
    return bool(first and second) and any(
        verify(list(gold), list(said), timeout_seconds=limit) for gold, said in ((first, second), (second, first))
    )


def _same_base(one: str, other: str) -> bool:
    """Whether numbers that name their base (`101_2`) name the same."""
    bases = [found[1] for found in map(_BASE.search, (one, other)) if found]
    return len(set(bases)) < 2


@lru_cache(maxsize=1 << 12)
def _parsed(latex: str) -> tuple[Any, ...]:
    """What Math-Verify reads; its second best, the text itself, is left out."""
    from math_verify import parse

    return tuple(parse(f"${latex}$", fallback_mode="no_fallback", parsing_timeout=_limit()))


def _limit() -> int | None:
    return SECONDS if threading.current_thread() is threading.main_thread() else None
