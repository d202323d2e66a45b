"""Checks of several keys together: whether the parts of an experiment fit each other."""

from collections.abc import Iterable, Iterator

from outgrow.config.experiment import Experiment
from outgrow.config.messages import FileLocation
from outgrow.config.method import Method
from outgrow.errors import ConfigError, suggest

RESERVED = ("student", "gold", "untouched")
"""Names that a study uses itself for columns of labels."""


def check(experiment: Experiment, place: FileLocation) -> None:
    """Raise `ConfigError` with all mistakes, one line each."""
    if complaints := list(_complaints(experiment, place)):
        raise ConfigError("\n".join(complaints))


def _complaints(experiment: Experiment, place: FileLocation) -> Iterator[str]:
    for name in experiment.supervisors:
        if name in RESERVED:
            yield f"{place.at('supervisors', name)}: the study itself uses this name; choose another"
    yield from _twice("seeds", experiment.seeds, place)
    yield from _twice("methods", [method.name for method in experiment.methods], place)
    if experiment.headline is not None and experiment.headline not in (names := [m.name for m in experiment.methods]):
        yield f"{place.at('headline')}: no method `{experiment.headline}`; {suggest(experiment.headline, names)}"
    for index, method in enumerate(experiment.methods):
        yield from _source_complaints(method, experiment, place.at("methods", index))
        for variant in method.variants or ():
            if variant not in experiment.variants:
                where = f"{place.at('methods', index)}.variants"
                yield f"{where}: `{variant}` is not among the study's `variants`; add it there"
    if "two_views" in experiment.variants and experiment.second_view is None:
        yield f"{place.at('variants')}: `two_views` needs a `second_view` (another model or layer)"
    if experiment.second_view is not None and "two_views" not in experiment.variants:
        yield f"{place.at('second_view')}: is not used; add `two_views` to `variants`"


def _twice(key: str, values: Iterable[object], place: FileLocation) -> Iterator[str]:
    seen: set[object] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield f"{place.at(key, index)}: `{value}` occurs twice; the values of `{key}` must differ"
        seen.add(value)


def _source_complaints(method: Method, experiment: Experiment, where: str) -> Iterator[str]:
    combine = method.combine
    weights = combine.named_weights
    named = list(weights) if combine.only_source is None else [combine.only_source]
    for name in method.sources or ():
        if name not in experiment.supervisors:
            yield f"{where}.sources: no supervisor `{name}`; {suggest(name, experiment.supervisors)}"
    if weights and (min(weights.values()) < 0 or not any(weights.values())):
        yield f"{where}.combine.weights: weights must be >= 0 and not all zero"
    sources = method.sources_among(experiment.supervisors)
    for name in named:
        if name not in experiment.supervisors:
            yield f"{where}.combine: no supervisor `{name}`; {suggest(name, experiment.supervisors)}"
        elif name not in sources:
            yield f"{where}.combine: `{name}` is not among the row's `sources`; add it there"
