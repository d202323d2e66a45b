"""Items that a model cannot take: left out with a warning, or an error that ends the step."""

import logging
from collections.abc import Sequence
from typing import Literal

from outgrow.errors import DataError

Unfit = Literal["skip", "stop"]
NAMED = 20
"""Items that a message or a record names."""

log = logging.getLogger(__name__)


def named(items: Sequence[str]) -> str:
    """`items q1, q7, …`"""
    return f"items {', '.join(items[:NAMED])}{', …' if len(items) > NAMED else ''}"


def warn_skipped(sentence: str, unfit: Unfit) -> None:
    """Log the sentence or, where the model's section has `unfit: stop`, raise it as a `DataError`."""
    if unfit == "stop":
        raise DataError(f"{sentence}; `unfit: skip` goes on without them")
    log.warning("%s", sentence)
