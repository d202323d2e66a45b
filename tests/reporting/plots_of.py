"""The plots of a report, by name."""

from outgrow.reporting.results import Results
from outgrow.reporting.topics import topic_contents


def plots_of(results: Results) -> dict[str, str]:
    """Every plot as SVG."""
    return {plot.name: plot.svg for topic in topic_contents(results, draw=True) for plot in topic.drawings}
