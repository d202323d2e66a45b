"""Do two formulas mean the same? Asked of Math-Verify, which reads LaTeX and plain arithmetic into sympy."""

import threading

SECONDS = 5
"""For reading a formula, and for comparing two; `9^{9^{9^9}}` is no answer to wait for."""


def has_formula(text: str) -> bool:
    """Whether a formula or a number can be read in a text."""
    from math_verify import parse

    return bool(parse(text, parsing_timeout=_limit()))


def same_formula(said: str, wanted: str) -> bool:
    """Whether the last formula of a text equals the gold one; False where either has none.

    >>> same_formula(r"so it is $\\frac{2}{4}$", "0.5")
    True
    """
    # Brings sympy along: a second, for those who measure formulas.
    from math_verify import parse, verify

    limit = _limit()
    gold = parse(wanted, parsing_timeout=limit) or parse(f"${wanted}$", parsing_timeout=limit)
    found = parse(said, parsing_timeout=limit)
    return bool(gold and found) and bool(verify(gold, found, timeout_seconds=limit))


def _limit() -> int | None:
    """Math-Verify's clock is a signal, which only a program's main thread can set."""
    return SECONDS if threading.current_thread() is threading.main_thread() else None
