"""What no single field can know: whether the parts of an experiment fit each other."""

from collections.abc import Iterable

from outgrow.config.combine import KeepAll, LogPool, SingleSource
from outgrow.config.complaints import Place
from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.errors import ConfigError, suggest

RESERVED = ("student", "gold", "untouched")
"""Names that the study itself gives to columns of labels."""


def check(experiment: Experiment, place: Place) -> None:
    """Raise `ConfigError` at the first thing that cannot work."""
    for name in experiment.supervisors:
        if name in RESERVED:
            raise ConfigError(f"{place.at('supervisors', name)}: this name is taken by the study; choose another")
    _unique("seeds", experiment.seeds, place)
    _unique("methods", [method.name for method in experiment.methods], place)
    for number, method in enumerate(experiment.methods):
        _check_sources(method, experiment, place.at("methods", number))
        for variant in method.variants or ():
            if variant not in experiment.variants:
                where = f"{place.at('methods', number)}.variants"
                raise ConfigError(f"{where}: `{variant}` is not among the study's `variants`; add it there")
    if "two_views" in experiment.variants and experiment.second_view is None:
        raise ConfigError(f"{place.at('variants')}: `two_views` needs a `second_view` (another model or layer)")
    if experiment.second_view is not None and "two_views" not in experiment.variants:
        raise ConfigError(f"{place.at('second_view')}: is not used; add `two_views` to `variants`")


def _unique(key: str, values: Iterable[object], place: Place) -> None:
    seen: set[object] = set()
    for number, value in enumerate(values):
        if value in seen:
            raise ConfigError(f"{place.at(key, number)}: `{value}` stands twice; every one of `{key}` must differ")
        seen.add(value)


def _check_sources(method: Method, experiment: Experiment, where: str) -> None:
    combine = method.combine
    named: list[str] = []
    if isinstance(combine, SingleSource) and combine.source is not None:
        named = [combine.source]
    for name in method.sources or ():
        if name not in experiment.supervisors:
            raise ConfigError(f"{where}.sources: no supervisor `{name}`; {suggest(name, experiment.supervisors)}")
    if isinstance(combine, KeepAll | LogPool) and isinstance(combine.weights, dict):
        named = list(combine.weights)
        if any(weight < 0 for weight in combine.weights.values()) or not any(combine.weights.values()):
            raise ConfigError(f"{where}.combine.weights: weights are >= 0 and not all zero")
    teachers = method.teachers(experiment.supervisors)
    for name in named:
        if name not in experiment.supervisors:
            raise ConfigError(f"{where}.combine: no supervisor `{name}`; {suggest(name, experiment.supervisors)}")
        if name not in teachers:
            raise ConfigError(f"{where}.combine: `{name}` is not among the row's `sources`; add it there")
