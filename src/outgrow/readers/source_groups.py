"""Groups of sources that depend: the prompts of one judge, or its repeated answers."""

import numpy as np
from jaxtyping import Int

from outgrow.errors import DataError
from outgrow.readers.categorical import EMPTY
from outgrow.readers.vote_rows import VoteRows


def group_of_sources(vote_rows: VoteRows, rows: Int[np.ndarray, "kept"]) -> tuple[str, ...]:
    """The group of each source, its own name if it has none; empty where no group has two sources.

    Raises `DataError` for a source in two groups.
    """
    group, source = vote_rows.group, vote_rows.source
    if group is None:
        return ()
    of_source = np.full(len(source.names), EMPTY)
    of_source[source.code[rows]] = group.code[rows]
    differs = group.code[rows] != of_source[source.code[rows]]
    if differs.any():
        row = int(rows[differs][0])
        name = source.text(row)
        raise DataError(
            f"{vote_rows.place(row)}: source `{name}` is in two groups; give it one, or leave the column of groups out"
            " with `ignore=COLUMN`"
        )
    groups = tuple(
        name if code == EMPTY else group.names[code] for name, code in zip(source.names, of_source, strict=True)
    )
    return groups if len(set(groups)) < len(groups) else ()
