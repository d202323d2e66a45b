"""Columns and labels that are probably no votes. They are errors, unless the columns or the classes are named.

In wide tables: columns of dates, of names of columns, of values that no other column has, and of counts of votes.
Among labels: dates, scores on a scale, free answers. Numbers may be the names of classes. Scores are recognised by
fractions, or by so many different numbers that sources rarely agree.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Int

from outgrow.readers.categorical import EMPTY, Categorical
from outgrow.readers.column_hints import ignoring
from outgrow.readers.column_patterns import COUNT, are_dates
from outgrow.text_format import listed, many

FEW_ROWS = 4
"""In fewer rows, a constant sum of columns may be chance."""
ENOUGH_ROWS = 20
REPELLED = -0.1
"""Mean correlation below which columns are not sources."""
MANY_CLASSES = 20
"""With more different labels, they may be free answers or scores."""
SEVERAL_CLASSES = 10
SPARSE = 3
"""Class numbers are dense. Scores are sparse: their range is at least this many times their number."""
VOTES_PER_CLASS = 3
LEAST_AGREEMENT = 0.25
"""Share of agreeing pairs of votes below which many different numbers are not classes."""
AS_SCORES = "`--kind scores score=COLUMN` reads them as such"


def doubt_of_columns(
    columns: Mapping[str, Categorical], origin: str, named: Sequence[str], ignored: Sequence[str] = ()
) -> str:
    """Why the columns of a wide table may not be sources; empty without a reason.

    `named` are the names of all columns of the table, `ignored` those that are already left out.
    """
    counts = _doubt_of_counts(columns, origin)
    if counts:
        return counts
    reasons = dict(_unlike_sources(columns, set(named)))
    sources = [name for name in columns if name not in reasons]
    if not reasons:
        return ""
    description = "; ".join(f"column `{name}` contains {reason}" for name, reason in list(reasons.items())[:3])
    others = f"; and {many(len(reasons) - 3, 'more column')}" if len(reasons) > 3 else ""
    fix = f"if they are votes, name the sources with `votes={','.join(columns)}`"
    if sources:
        fix = f"leave {'it' if len(reasons) == 1 else 'them'} out with `{ignoring([*reasons], ignored)}`, or {fix}"
    return f"{origin}: {description}{others}, which are probably no votes; {fix}"


def _unlike_sources(columns: Mapping[str, Categorical], named: set[str]) -> Iterator[tuple[str, str]]:
    """Columns that are probably not sources, with a description of their content."""
    n_columns = Counter(name for cells in columns.values() for name in cells.names)
    sharing = [name for name, cells in columns.items() if any(n_columns[value] > 1 for value in cells.names)]
    dates = {name for name, cells in columns.items() if are_dates(cells.names)}
    unshared = [name for name, cells in columns.items() if name not in sharing and len(columns) > 1 and _fills(cells)]
    if len(unshared) == len(columns):  # if no columns share values, those with many values are no votes
        unshared = [name for name in unshared if _is_varied(columns[name])] or unshared
    for name, cells in columns.items():
        if not cells.names or len(dates) == len(columns):  # if all columns are dates, the dates may be classes
            continue
        if name in dates:
            yield name, f"dates such as `{cells.names[0]}`"
        elif named.issuperset(cells.names):
            yield name, f"names of columns such as `{cells.names[0]}`"
        elif name in unshared:
            yield name, f"values such as `{cells.names[0]}`, which no other column has"


def _fills(cells: Categorical) -> bool:
    """Whether a column has a value for most items; a rule for one class usually has not."""
    return len(cells.code) >= FEW_ROWS and bool((cells.code != EMPTY).mean() > 0.5)


def _is_varied(cells: Categorical) -> bool:
    """Whether a column has many values, most of which occur once."""
    return MANY_CLASSES < len(cells.names) > len(cells.code) / 2


def _doubt_of_counts(columns: Mapping[str, Categorical], origin: str) -> str:
    """The reason for columns of counts: their sum is constant, or is another column."""
    if len(columns) < 2 or not all(_are_counts(cells) for cells in columns.values()):
        return ""
    count = np.stack([np.asarray([*map(int, cells.names), 0])[cells.code] for cells in columns.values()], axis=1)
    names = list(columns)
    row_sum = count.sum(axis=1)
    total = next(
        (index for index in range(len(names)) if len(names) > 2 and (2 * count[:, index] == row_sum).all()), None
    )
    classes = [name for index, name in enumerate(names) if index != total]
    if len(count) < FEW_ROWS or (count == count[0]).all():
        return ""
    if total is not None or (row_sum == row_sum[0]).all():
        pattern = f"sum to {row_sum[0] if total is None else f'column `{names[total]}`'} in every row"
    elif all(COUNT.fullmatch(name.lower()) for name in names) or _repel(count):
        pattern = "contain integers with a negative correlation"
    else:
        return ""
    return (
        f"{origin}: columns {listed(classes)} {pattern}, as counts of votes per class do; if they are counts,"
        f" `probability={','.join(classes)}` with `--renormalise` reads their shares as soft votes of one"
        f" source; if each column is a source, `votes={','.join(classes)}`"
    )


def _repel(count: Int[np.ndarray, "row column"]) -> bool:
    """Whether columns have a negative correlation, unlike sources that vote on one question."""
    varied = count[:, count.std(axis=0) > 0]
    if len(varied) < ENOUGH_ROWS or varied.shape[1] < 2:
        return False
    correlations = np.corrcoef(varied, rowvar=False)[np.triu_indices(varied.shape[1], 1)]
    return bool(correlations.mean() < REPELLED)


def _are_counts(cells: Categorical) -> bool:
    return bool(cells.names) and all(name.isdecimal() and len(name) < 10 for name in cells.names)


def doubt_of_labels(label: Categorical, item: Categorical) -> str:
    """Why labels may not be classes, as a sentence; empty without a reason."""
    names, n_votes = label.names, int((label.code != EMPTY).sum())
    if len(names) < 2:
        return ""
    if are_dates(names):
        return f"labels are dates such as {listed(names[:2])}"
    values = _values(names)
    if values is not None:
        span = values.max() - values.min()
        few_votes = n_votes < VOTES_PER_CLASS * len(names)
        agreement = _agreement(label, item) if len(names) > SEVERAL_CLASSES else 1.0
        if len(names) > 2 and (2 * values != np.round(2 * values)).any():
            fraction = names[int((2 * values != np.round(2 * values)).argmax())]
            return f"labels are numbers such as `{fraction}`: scores on a scale, not classes ({AS_SCORES})"
        is_scattered = len(names) > MANY_CLASSES and (few_votes or agreement < LEAST_AGREEMENT)
        is_sparse = len(names) > SEVERAL_CLASSES and span >= SPARSE * len(names) and (few_votes or agreement < 0.5)
        if is_scattered or is_sparse:
            examples = f"{len(names)} different numbers, such as {listed(names[:3])}"
            return f"labels are {examples}: scores on a scale ({AS_SCORES})"
        return ""
    is_free_text = len(names) >= SEVERAL_CLASSES and n_votes < 2 * len(names)
    if is_free_text or (len(names) > MANY_CLASSES and n_votes < VOTES_PER_CLASS * len(names)):
        return (
            f"there are {len(names)} different labels, such as {listed(names[:3])}, in {n_votes} votes: free answers"
            " (`--kind texts` reads them as such)"
        )
    return ""


def _values(names: Sequence[str]) -> np.ndarray | None:
    try:
        values = np.asarray([float(name) for name in names])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _agreement(label: Categorical, item: Categorical) -> float:
    """The share of agreeing pairs of votes on one item; 1 without a pair."""
    voted = label.code != EMPTY
    vote_code: Int[np.ndarray, vote] = item.code[voted] * len(label.names) + label.code[voted]
    agreeing, pairs = _pairs(np.unique(vote_code, return_counts=True)[1]), _pairs(np.bincount(item.code[voted]))
    return agreeing / pairs if pairs else 1.0


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1.0) / 2).sum())
