"""outgrow: train a strong language model from several weaker supervisors, and measure how far it outgrows them.

    import outgrow

    outgrow.plan("examples/quickstart.yaml")
    result = outgrow.run("examples/quickstart.yaml", "seeds=0,1")
    result.to_pandas("main")
    result = outgrow.load("examples/runs/quickstart")        # later, in another process
    outgrow.compare(result["outgrow"], result["naive"])

Names are loaded when they are first used, so that importing outgrow costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from outgrow.api import compare, load, plan, report, run
    from outgrow.api_ask import ask
    from outgrow.api_results import Result, ResultRow
    from outgrow.api_students import predict
    from outgrow.api_types import Plan
    from outgrow.api_votes import combine, combine_answers, read_answers, read_labels, train, trust, update
    from outgrow.config.experiment import Experiment
    from outgrow.config.load import read_experiment
    from outgrow.data.task import Items, Split, Task
    from outgrow.deliver.combined import Combined
    from outgrow.deliver.train import TrainedStudent
    from outgrow.errors import ConfigError, DataError, OutgrowError, StepFailed
    from outgrow.labels import Anchors, Targets, WeakLabels
    from outgrow.metrics.estimate import Estimate
    from outgrow.plugins import load_plugins
    from outgrow.study.build import Study, build_study
    from outgrow.suite import SuiteResult, load_suite, run_suite
    from outgrow.trust_report.findings import Trust
    from outgrow.vote_table import VoteTable

_HOMES = {
    "outgrow.api": ("compare", "load", "plan", "report", "run"),
    "outgrow.api_ask": ("ask",),
    "outgrow.api_students": ("predict",),
    "outgrow.api_results": ("Result", "ResultRow"),
    "outgrow.api_types": ("Plan",),
    "outgrow.config.experiment": ("Experiment",),
    "outgrow.config.load": ("read_experiment",),
    "outgrow.data.task": ("Items", "Split", "Task"),
    "outgrow.deliver.combined": ("Combined",),
    "outgrow.api_votes": (
        "combine",
        "combine_answers",
        "read_answers",
        "read_labels",
        "train",
        "trust",
        "update",
    ),
    "outgrow.deliver.train": ("TrainedStudent",),
    "outgrow.errors": ("ConfigError", "DataError", "OutgrowError", "StepFailed"),
    "outgrow.labels": ("Anchors", "Targets", "WeakLabels"),
    "outgrow.metrics.estimate": ("Estimate",),
    "outgrow.plugins": ("load_plugins",),
    "outgrow.trust_report.findings": ("Trust",),
    "outgrow.study.build": ("Study", "build_study"),
    "outgrow.suite": ("SuiteResult", "load_suite", "run_suite"),
    "outgrow.vote_table": ("VoteTable",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: RUF022 - in the order of use
    "run", "plan", "report", "load", "compare", "run_suite", "load_suite",
    "Result", "ResultRow", "SuiteResult", "Plan",
    "ask", "read_labels", "trust", "combine", "update", "train", "predict", "read_answers", "combine_answers",
    "VoteTable", "Trust", "Combined", "TrainedStudent",
    "read_experiment", "Experiment", "build_study", "Study", "load_plugins",
    "Task", "Items", "Split", "WeakLabels", "Anchors", "Targets", "Estimate",
    "OutgrowError", "ConfigError", "DataError", "StepFailed",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `outgrow` has no `{name}`")
    return vars(import_module(_HOME[name]))[name]


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
