"""Labels and what is done with them, as dots: how right and sure they are, what is kept, how rewards order them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from outgrow.metrics.estimate import Estimate
from outgrow.render.canvas import BLUE, GREEN, ORANGE, PURPLE
from outgrow.render.dot_chart import DotChart, DotLine, Series, dot_chart
from outgrow.reporting.results import Results
from outgrow.reporting.tables.analyses import named
from outgrow.select import SELECTIONS

Measured = TypeVar("Measured")
GUESSING = 0.5


def labels(results: Results, width: int) -> str | None:
    """Accuracy, confidence and diversity of every teacher's labels; surer than right is overconfident."""
    chart = DotChart(
        name="labels",
        title="Accuracy, confidence and diversity of the labels",
        axis="labels of half B",
        series=(
            Series("accuracy", GREEN, "^"),
            Series("confidence", ORANGE, "o"),
            Series("share of distinct texts", PURPLE, "s"),
        ),
        lines=tuple(
            _line(one.name, one.measured, lambda part: (part.accuracy, part.confidence, part.distinct))
            for one in results.analyses.labels
        ),
        capabilities=tuple(results.about.capabilities),
    )
    return dot_chart(chart, width)


def selections(results: Results, width: int) -> str | None:
    """Accuracy of what was kept beside that of all labels; not of those chosen for what they are about."""
    chart = DotChart(
        name="selections",
        title="Accuracy of the labels that were kept, and of all",
        axis="accuracy of the labels",
        series=(Series("all labels", ORANGE, "o"), Series("kept", BLUE, "D")),
        lines=tuple(
            _line(
                f"{'oracle: ' * (one.oracle and 'oracle' not in one.methods)}{named(one.methods)}",
                one.measured,
                lambda part: (part.everything, part.kept),
            )
            for one in results.analyses.selections
            if SELECTIONS[one.type].by_content
        ),
        capabilities=tuple(results.about.capabilities),
    )
    return dot_chart(chart, width)


def reward_models(results: Results, width: int) -> str | None:
    """AUROC of rewards beside that of the writers' confidence."""
    chart = DotChart(
        name="reward_models",
        title="How well rewards tell right labels from wrong ones",
        axis="AUROC against gold",
        series=(Series("writers' confidence", ORANGE, "o"), Series("reward", BLUE, "D")),
        lines=tuple(
            _line(named(one.methods), one.measured, lambda part: (part.confidence, part.reward))
            for one in results.analyses.rewards
        ),
        capabilities=tuple(results.about.capabilities),
        guide=GUESSING,
    )
    return dot_chart(chart, width)


def consistency(results: Results, width: int) -> str | None:
    """How right labels are where the strong model agrees, and both where it does not."""
    chart = DotChart(
        name="consistency",
        title="Accuracy where the strong model agrees with a weak label, and where it does not",
        axis="accuracy against gold",
        series=(
            Series("both, where they agree", GREEN, "^"),
            Series("weak label, where they do not", ORANGE, "o"),
            Series("strong answer, where they do not", BLUE, "D"),
        ),
        lines=tuple(
            _line(
                named(one.methods),
                one.measured,
                lambda part: (part.weak_if_agree, part.weak_if_not, part.strong_if_not),
            )
            for one in results.analyses.consistency
        ),
        capabilities=tuple(results.about.capabilities),
    )
    return dot_chart(chart, width)


def _line(name: str, measured: Mapping[str, Measured], dots: Callable[[Measured], Sequence[Estimate]]) -> DotLine:
    return DotLine(name, {block: dots(part) for block, part in measured.items()})
