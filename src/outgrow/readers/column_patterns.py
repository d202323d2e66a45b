"""Patterns of column names and cells: dates, probabilities, counts, marks."""

import re
from collections.abc import Sequence

MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
FORMS = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]\d{1,2}:\d{2}.*)?",  # 2024-03-04T10:00:01Z
    r"\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([T ,]+\d{1,2}:\d{2}.*)?",  # 04.03.2024 10:00
    rf"((mon|tue|wed|thu|fri|sat|sun)\w*[ ,]+)?({MONTHS})\w* \d{{1,2}},? .*\d{{4}}.*",  # Mon Mar 04 10:00:01 PST 2024
    rf"((mon|tue|wed|thu|fri|sat|sun)\w*[ ,]+)?\d{{1,2}}[ -]({MONTHS})\w*[ -]\d{{2,4}}.*",  # 4 Mar 2024
    r"\d{1,2}:\d{2}:\d{2}(\.\d+)?",  # 10:00:01
)
DATE = re.compile("|".join(f"({form})" for form in FORMS), re.IGNORECASE)
LONGEST = 60
"""Characters of a date, at most."""


def are_dates(texts: Sequence[str]) -> bool:
    """Whether all texts are dates or times, and there is at least one.

    >>> are_dates(["2024-03-04", "2024-03-05T10:00:01Z"]), are_dates(["2024", "4"])
    (True, False)
    """
    return bool(texts) and all(len(text) <= LONGEST and DATE.fullmatch(text) for text in texts)


PREFIX = re.compile(r"(p|prob|probs|probability)[_ (\[]+(?P<name>.+?)[)\]]?")
COUNT = re.compile(r"(n|num|count|counts|votes)[_ (\[]+(?P<name>.+?)[)\]]?")
"""`n_spam`: the number of votes for `spam`."""
SCHEMA = ":::"
"""Separates question and class in column names of Potato's exports."""
LOGARITHMS = re.compile(r"log[_ ]?prob")
MARKS = {"true", "false"}


def class_named(column: str) -> str:
    """The class of a column of probabilities or counts.

    >>> class_named("p_spam"), class_named("n_spam"), class_named("spam")
    ('spam', 'spam', 'spam')
    """
    if SCHEMA in column:
        return column.rpartition(SCHEMA)[2]
    match = PREFIX.fullmatch(column.lower()) or COUNT.fullmatch(column.lower())
    return column if match is None else column[match.start("name") : match.end("name")]
