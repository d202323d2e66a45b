"""`About`: what was studied, as plain data; and what is to be known of the models in it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelFacts:
    """A model that was trained."""

    name: str
    adapt: str
    weights: int | None
    """None where nothing tells."""


@dataclass(frozen=True)
class About:
    """What was studied."""

    name: str
    task: str
    kind: str
    classes: tuple[str, ...]
    metric: str
    """What answers are measured by: `accuracy`, one of `metrics.text_score.TEXT_METRICS`, or `macro` of a mixture."""
    metric_title: str
    """The same for headings: `accuracy`, `SLU-F1`."""
    sizes: dict[str, int]
    """Items per seed in `half_a`, `half_b` and `test`."""
    seeds: tuple[int, ...]
    supervisors: tuple[str, ...]
    untaught: tuple[str, ...]
    """Those of them that learn no gold: they are asked as they are."""
    student: str
    models: dict[str, ModelFacts]
    """By row: supervisors that are language models, and the student under `ceiling`."""
    variants: tuple[str, ...]
    baseline: str | None
    """The method that others are compared with: the first row that is naive multi-weak."""
    resamples: int
    notes: tuple[str, ...]
    """What loading the data left out or changed."""
    measures: tuple[str, ...] = ()
    """*generate*: names of further measures."""
    plane: tuple[str, str] | None = None
    """Which two of them are drawn against each other."""
    scales: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Lowest and highest value of a judge's measures; others lie within 0 … 1."""
    capabilities: dict[str, str] = field(default_factory=dict)
    """Of a mixture: by capability, what its answers are measured by, for headings."""

    @property
    def of_texts(self) -> bool:
        """Whether answers are texts."""
        return self.kind == "generate"
