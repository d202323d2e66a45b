"""Whether a combiner would take minutes on a table of votes, by the limits in its record."""

from outgrow.combiners import COMBINERS, section_named
from outgrow.combiners.votes import Votes


def too_large(name: str, votes: Votes) -> str:
    """The size for which a combiner would take minutes; empty if it would not."""
    limits = COMBINERS.of(section_named(name)).limits
    n_rows, n_sources, n_classes = votes.n_rows, len(votes.sources), votes.n_classes
    if n_sources * n_classes**2 > limits.matrices:
        return f"{n_sources} sources of {n_classes} classes"
    if n_sources > limits.sources or n_rows * n_classes * n_sources**2 > limits.meetings:
        return f"{n_sources} sources"
    if max(n_entries(votes), n_rows * n_classes) > limits.entries:
        return f"{n_entries(votes)} different votes for {n_classes} classes"
    return ""


def n_entries(votes: Votes) -> int:
    """Votes on different rows; a soft vote counts once for every class."""
    return votes.n_different * (1 if not votes.soft else votes.n_classes)
