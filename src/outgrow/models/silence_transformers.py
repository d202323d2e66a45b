"""A context without the load reports, progress bars and known warnings of transformers and PEFT."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging

PEFT_WARNINGS = (".*gradient_checkpointing.*is deprecated", "fan_in_fan_out is set to False")
"""PEFT calls transformers by a deprecated name, and corrects GPT-2's transposed weights itself."""


@contextmanager
def silence_transformers() -> Iterator[None]:
    """Errors only, and no bars; restores the settings afterwards."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            for message in PEFT_WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
