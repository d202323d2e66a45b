"""Columns that hold the probability of one class each, or a mark: `p_spam`, `p(spam)`, `sentiment:::spam`."""

import re

PREFIX = re.compile(r"(p|prob|probs|probability)[_ (\[]+(?P<name>.+?)[)\]]?")
COUNT = re.compile(r"(n|num|count|counts|votes)[_ (\[]+(?P<name>.+?)[)\]]?")
"""`n_spam`: how many voted for it."""
SCHEMA = ":::"
"""What stands between a question and the class that a column is of, in exports of Potato."""
MARKS = {"true", "false"}


def class_named(column: str) -> str:
    """The class whose probability, or number of votes, a column holds.

    >>> class_named("p_spam"), class_named("n_spam"), class_named("spam")
    ('spam', 'spam', 'spam')
    """
    if SCHEMA in column:
        return column.rpartition(SCHEMA)[2]
    match = PREFIX.fullmatch(column.lower()) or COUNT.fullmatch(column.lower())
    return column if match is None else column[match.start("name") : match.end("name")]
