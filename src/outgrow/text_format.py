"""Names and numbers in sentences: long names are shortened, counts have the right plural.

Used for messages, notes, tables, pages and cards, and not for data.
"""

import re
from collections.abc import Iterable, Sequence

MOST_LETTERS = 80
"""Of a displayed name."""
MOST_QUOTED = 300
"""Of text in backticks; long enough for a whole path."""
MOST_LISTED = 12
"""Names in one list."""
QUOTED = re.compile(r"`([^`]*)`")


CONTROLS, DIRECTIONS, HALVES = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f",
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069",
    "\ud800-\udfff",
)
HALF_CHARACTER = re.compile(f"[{HALVES}]")
"""A lone surrogate: a JSON escape can produce it, and UTF-8 cannot encode it."""
STEERING = re.compile(f"[{CONTROLS}{DIRECTIONS}{HALVES}]")
"""Characters that control a terminal (colours, titles, the direction of writing), and lone surrogates; without tab and
line end."""


def harmless(text: str) -> str:
    """A text in which each character that controls a terminal is replaced by the replacement character.

    >>> harmless("ada\\x1b[31m")
    'ada�[31m'
    """
    return STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def short(value: object, most: int = MOST_LETTERS) -> str:
    """A name for display: whole, or the beginning and the end of a long one.

    >>> short("a" * 50 + "b" * 50, most=9)
    'aaaaa…bbb'
    """
    text = str(value)
    end = most // 3
    return text if len(text) <= most else f"{text[: most - end - 1]}…{text[-end:]}"


def shortened(sentence: str, names: Iterable[str] = ()) -> str:
    """A sentence with `names` and texts in backticks shortened."""
    for name in names:
        if len(name) > MOST_LETTERS:
            sentence = sentence.replace(name, short(name))
    if len(sentence) <= MOST_QUOTED:
        return sentence
    return QUOTED.sub(lambda match: f"`{short(match[1], MOST_QUOTED)}`", sentence)


def listed(names: Sequence[str], most: int = MOST_LISTED) -> str:
    """The first of several names, in backticks, and how many more there are.

    >>> listed(["ada", "ben", "cleo"], most=2)
    '`ada`, `ben` and 1 more'
    """
    shown = ", ".join(f"`{short(name)}`" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def many(count: int, one: str, several: str = "") -> str:
    """A count with its noun.

    >>> many(1, "vote"), many(2, "vote"), many(0, "class", "classes")
    ('1 vote', '2 votes', '0 classes')
    """
    return f"{count} {one if count == 1 else several or f'{one}s'}"
