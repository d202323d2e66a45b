"""`About`: what was studied, as plain data."""

from dataclasses import dataclass, field

from outgrow.config.experiment import Experiment
from outgrow.config.model import LanguageModel, local_model, remote_model
from outgrow.config.presets import DEFAULT
from outgrow.config.section import Section
from outgrow.data.task import Split, Task
from outgrow.errors import DataError
from outgrow.judge.options import JudgeMeasure
from outgrow.metrics.text_score import TEXT_METRICS, score_of
from outgrow.models.model_size import model_size
from outgrow.study.method_rows import expanded
from outgrow.supervise.sources import SOURCES

REMOTE = "behind a server"
"""How a model is trained that is not on this machine."""


@dataclass(frozen=True)
class ModelFacts:
    """A model that was trained."""

    name: str
    adapt: str
    weights: int | None
    """None if unknown."""


@dataclass(frozen=True)
class About:
    """What was studied."""

    name: str
    task: str
    kind: str
    classes: tuple[str, ...]
    metric: str
    """The metric of the answers: `accuracy`, one of `metrics.text_score.TEXT_METRICS`, or `macro` of a mixture."""
    metric_title: str
    """The same for headings: `accuracy`, `SLU-F1`."""
    sizes: dict[str, int]
    """Items per seed in `half_a`, `half_b` and `test`."""
    seeds: tuple[int, ...]
    supervisors: tuple[str, ...]
    untaught: tuple[str, ...]
    """Supervisors that learn no gold."""
    student: str
    models: dict[str, ModelFacts]
    """By row: supervisors that are language models, and the student under `ceiling`."""
    variants: tuple[str, ...]
    baseline: str | None
    """The method that others are compared with: the first row that is naive multi-weak."""
    headline: str | None
    """The method that the headline is about."""
    resamples: int
    notes: tuple[str, ...]
    """What loading the data left out or changed."""
    measures: tuple[str, ...] = ()
    """*generate*: names of further measures."""
    plane: tuple[str, str] | None = None
    """The two measures that are drawn against each other."""
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest value of a judge's measures; others lie within 0 … 1."""
    capabilities: dict[str, str] = field(default_factory=dict)
    """Of a mixture: the title of the metric, by capability."""

    @property
    def of_texts(self) -> bool:
        """Whether answers are texts."""
        return self.kind == "generate"


def make_about(experiment: Experiment, task: Task, splits: list[Split | None], baseline: str | None) -> About:
    """From the settings and the items."""
    finished = [split for split in splits if split is not None]
    first = finished[0] if finished else None
    sizes = {} if first is None else {part: len(getattr(first, part)) for part in ("half_a", "half_b", "test")}
    return About(
        name=experiment.name,
        task=task.name,
        kind=task.kind,
        classes=task.classes,
        metric=task.metric,
        metric_title=score_of(task).title if task.kind == "generate" else "accuracy",
        sizes=sizes,
        seeds=tuple(experiment.seeds),
        supervisors=tuple(experiment.supervisors),
        untaught=tuple(
            name for name, section in experiment.supervisors.items() if not SOURCES.of(section).trained(section)
        ),
        student=_model_and_training(experiment.student),
        models=_models(experiment),
        variants=tuple(experiment.variants),
        baseline=baseline,
        headline=headline_name(experiment),
        resamples=experiment.bootstrap,
        notes=task.notes,
        measures=tuple(measure_names(experiment)),
        plane=measure_plane(experiment),
        scales=measure_scales(experiment),
        capabilities={name: TEXT_METRICS[metric].score.title for name, metric in task.metrics.items()},
    )


def headline_name(experiment: Experiment) -> str | None:
    """The method that the headline is about: named, `outgrow`, or the first with several supervisors."""
    methods = [method for method in expanded(experiment) if method.half_a_gold == "unused"]
    candidates = [
        *(method.name for method in methods if method.name.partition(": ")[0] == (experiment.headline or DEFAULT)),
        *(method.name for method in methods if len(method.sources_among(experiment.supervisors)) > 1),
        *(method.name for method in methods),
    ]
    return next(iter(candidates), None)


def _model_and_training(section: LanguageModel) -> str:
    """`model (adapt)`."""
    model = local_model(section)
    return f"{section.model} ({REMOTE if model is None else model.adapt})"


def _models(experiment: Experiment) -> dict[str, ModelFacts]:
    sections = {"ceiling": experiment.student, **experiment.supervisors}
    facts = {row: _facts(section) for row, section in sections.items()}
    return {row: model for row, model in facts.items() if model is not None}


def _facts(section: Section) -> ModelFacts | None:
    """`None` for a source that is no language model."""
    model, remote = local_model(section), remote_model(section)
    if model is None:
        return None if remote is None else ModelFacts(remote.model, REMOTE, None)
    try:
        size = model_size(model.model, model.revision)
    except DataError:  # a broken model has no result either, and its step says why
        size = None
    return ModelFacts(model.model, model.adapt, None if size is None else size.n_params)


# ---- further measures -----------------------------------------------------------------------------------


def measure_names(experiment: Experiment) -> list[str]:
    """Names of all further measures, in the order of the file."""
    return [*experiment.measures, *(name for judge in experiment.judges.items() for name in judged_names(*judge))]


def judged_names(name: str, judge: JudgeMeasure) -> list[str]:
    """The measures of a judge: its scales or, if it compares, its own name."""
    return list(judge.scales) if judge.against is None else [name]


def measure_scales(experiment: Experiment) -> dict[str, tuple[float, float]]:
    """The ends of the scales of judges that rate single answers."""
    rating = [judge for judge in experiment.judges.values() if judge.against is None]
    return {name: ends for judge in rating for name, ends in judge.scales.items()}


def measure_plane(experiment: Experiment) -> tuple[str, str] | None:
    """The two measures that are drawn against each other."""
    names = measure_names(experiment)
    return experiment.plane or ((names[0], names[1]) if len(names) > 1 else None)
