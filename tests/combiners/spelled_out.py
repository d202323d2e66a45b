"""Compact votes as the table with a cell for every row and source."""

import numpy as np

from outgrow.combiners.votes import Votes


def shares_of(votes: Votes) -> np.ndarray:
    """[row, source, outcome]: the share of the vote that each outcome has; silence is 1 without an entry."""
    full = np.zeros((votes.n_rows, len(votes.sources), votes.n_outcomes))
    full[:, :, votes.n_classes :] = 1
    entries = votes.entries
    for row in range(votes.n_rows):
        for place in range(entries.start[row], entries.start[row + 1]):
            source, outcome = divmod(int(entries.column[place]), votes.n_outcomes)
            full[row, source, outcome] += 1 if entries.share is None else entries.share[place]
    return full


def classes_of(votes: Votes) -> np.ndarray:
    """[row, source]: the class of a hard vote, −1 where a source abstains."""
    shares = shares_of(votes)[:, :, : votes.n_classes]
    return np.where(shares.any(axis=2), shares.argmax(axis=2), -1)
