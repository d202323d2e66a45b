"""A metric that is a function of the user: when are two answers the same?

    def answer(text):                what a text answers; texts with the same answer are equal, None is no answer
    def same(text, other):           whether two texts answer the same (true, or a number of 0.5 or more)

A comparison is taken both ways round and transitively, so that no order of the texts matters.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from outgrow.errors import ConfigError
from outgrow.metrics.text_score import TEXT_METRICS, MetricRecord, mean_metric
from outgrow.plugins import import_function, line_in

Answers = list[str | None]


def metric_named(name: str) -> str:
    """The name of a metric of the registry; `FILE.py:FUNCTION` is added to it first.

    Raises `ConfigError` for an unknown name, and for a function that is missing or does not take one or two texts.
    """
    file, _, function = name.rpartition(":")
    if not file.endswith(".py"):
        return TEXT_METRICS.named(name).name
    if name in TEXT_METRICS:
        TEXT_METRICS.remove(name)
    TEXT_METRICS.add(function_metric(name, Path(file), import_function(Path(file), function)))
    return name


def function_metric(name: str, file: Path, function: Callable[..., Any]) -> MetricRecord:
    """The record of a user's function."""
    n_texts = _n_required(function)
    if n_texts not in (1, 2):
        raise ConfigError(
            f"{name}: a metric takes one text and returns its answer, or two texts and returns whether they answer the"
            f" same; this function takes {n_texts}"
        )
    call = partial(_called, name, file, function)
    answers = partial(_given if n_texts == 1 else _compared, call)

    def each(predicted: Sequence[str], gold: Sequence[str]) -> Float[np.ndarray, "item"]:
        pairs = [answers(pair) for pair in zip(predicted, gold, strict=True)]
        return np.asarray([one is not None and one == other for one, other in pairs], dtype=float)

    return mean_metric(name, each, function.__name__, answers=answers)


def _n_required(function: Callable[..., Any]) -> int:
    """How many arguments a function needs."""
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(parameter.kind in kinds and parameter.default is parameter.empty for parameter in parameters)


def _called(name: str, file: Path, function: Callable[..., Any], *texts: str) -> Any:
    try:
        return function(*texts)
    except Exception as error:
        shown = ", ".join(f"{text!r:.60}" for text in texts)
        raise ConfigError(f"{file}{line_in(file, error)}: `{name}` fails on {shown}: {error!r:.200}") from error


def _given(call: Callable[[str], Any], texts: Sequence[str]) -> Answers:
    """What the function says that each text answers."""
    answers = [call(text) for text in texts]
    return [None if answer is None else str(answer) for answer in answers]


def _compared(call: Callable[[str, str], Any], texts: Sequence[str]) -> Answers:
    """The first text in alphabetical order that answers the same as a text, over any number of comparisons."""
    different = sorted(set(texts))
    group = {text: text for text in different}
    for index, text in enumerate(different):
        for other in different[:index]:
            if group[text] != group[other] and (_is_same(call(text, other)) or _is_same(call(other, text))):
                kept, lost = sorted((group[text], group[other]))
                group = {member: kept if first == lost else first for member, first in group.items()}
    return [group[text] if text.strip() else None for text in texts]


def _is_same(value: Any) -> bool:
    return bool(value) if isinstance(value, bool | np.bool_) or value is None else float(value) >= 0.5
