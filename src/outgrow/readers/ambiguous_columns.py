"""Columns and labels that are probably no votes: an error asks, unless the columns or the classes are named.

Of wide tables: columns of dates, of other columns' names, of values that no other column has, and columns that count
votes. Of labels: dates, scores on a scale, free answers. The names of classes may well be numbers;
scores show by fractions, or by so many different numbers that sources hardly ever agree.
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
"""In fewer rows, columns that sum to one number do so by chance."""
ENOUGH_ROWS = 20
REPELLED = -0.1
"""Mean correlation of columns below which they are no sources."""
MANY_CLASSES = 20
"""More different labels than this may be free answers or scores."""
SEVERAL_CLASSES = 10
SPARSE = 3
"""Numbers of classes are all there; of scores up to 100 many are not given."""
VOTES_PER_CLASS = 3
LEAST_AGREEMENT = 0.25
"""Least share of pairs of votes on an item that agree, where numbers are the names of many classes."""


def doubt_of_columns(
    columns: Mapping[str, Categorical], origin: str, named: Sequence[str], ignored: Sequence[str] = ()
) -> str:
    """Why the columns of a wide table, the sources, may be none; empty where there is no doubt.

    `named` are the names of all columns of the table, `ignored` those that are left out already.
    """
    counts = _doubt_of_counts(columns, origin)
    if counts:
        return counts
    reasons = dict(_unlike_sources(columns, set(named)))
    sources = [name for name in columns if name not in reasons]
    if not reasons:
        return ""
    why = "; ".join(f"column `{name}` holds {reason}" for name, reason in list(reasons.items())[:3])
    rest = f"; so do {many(len(reasons) - 3, 'more column')}" if len(reasons) > 3 else ""
    ways = f"if they are votes all the same, name the sources with `votes={','.join(columns)}`"
    if sources:
        ways = f"leave {'it' if len(reasons) == 1 else 'them'} out with `{ignoring([*reasons], ignored)}`, or {ways}"
    return f"{origin}: {why}{rest}, which would be votes; {ways}"


def _unlike_sources(columns: Mapping[str, Categorical], named: set[str]) -> Iterator[tuple[str, str]]:
    """Columns that are hardly sources, with what they hold."""
    n_columns = Counter(name for cells in columns.values() for name in cells.names)
    common = [name for name, cells in columns.items() if any(n_columns[value] > 1 for value in cells.names)]
    dates = {name for name, cells in columns.items() if are_dates(cells.names)}
    alone = [name for name, cells in columns.items() if name not in common and len(columns) > 1 and _fills(cells)]
    if len(alone) == len(columns):  # of columns that have nothing in common, those with many values are no votes
        alone = [name for name in alone if _is_varied(columns[name])] or alone
    for name, cells in columns.items():
        if not cells.names or len(dates) == len(columns):  # dates all through may be what is voted for
            continue
        if name in dates:
            yield name, f"dates such as `{cells.names[0]}`"
        elif named.issuperset(cells.names):
            yield name, f"names of columns such as `{cells.names[0]}`"
        elif name in alone:
            yield name, f"`{cells.names[0]}` and the like, which no other column has"


def _fills(cells: Categorical) -> bool:
    """Whether a column has a value for most items; a rule that votes for one class seldom has."""
    return len(cells.code) >= FEW_ROWS and bool((cells.code != EMPTY).mean() > 0.5)


def _is_varied(cells: Categorical) -> bool:
    """Whether a column has many values, most of them once."""
    return MANY_CLASSES < len(cells.names) > len(cells.code) / 2


def _doubt_of_counts(columns: Mapping[str, Categorical], origin: str) -> str:
    """Whole numbers that sum to one number in every row, or to that of another column."""
    if len(columns) < 2 or not all(_are_counts(cells) for cells in columns.values()):
        return ""
    count = np.stack([np.asarray([*map(int, cells.names), 0])[cells.code] for cells in columns.values()], axis=1)
    names = list(columns)
    whole = count.sum(axis=1)
    total = next((at for at in range(len(names)) if len(names) > 2 and (2 * count[:, at] == whole).all()), None)
    classes = [name for at, name in enumerate(names) if at != total]
    if len(count) < FEW_ROWS or (count == count[0]).all():
        return ""
    if total is not None or (whole == whole[0]).all():
        pattern = f"sum to {whole[0] if total is None else f'column `{names[total]}`'} in every row"
    elif all(COUNT.fullmatch(name.lower()) for name in names) or _repel(count):
        pattern = "hold whole numbers of which one is the smaller the larger another is"
    else:
        return ""
    return (
        f"{origin}: columns {listed(classes)} {pattern}, as counts of the votes for each class do; if they are,"
        f" `probability={','.join(classes)}` with `--renormalise` reads their shares as one source's soft"
        f" votes; if each column is a source, `votes={','.join(classes)}`"
    )


def _repel(count: Int[np.ndarray, "row column"]) -> bool:
    """Whether columns are correlated negatively, as no sources are that vote on one question."""
    varied = count[:, count.std(axis=0) > 0]
    if len(varied) < ENOUGH_ROWS or varied.shape[1] < 2:
        return False
    paired = np.corrcoef(varied, rowvar=False)[np.triu_indices(varied.shape[1], 1)]
    return bool(paired.mean() < REPELLED)


def _are_counts(cells: Categorical) -> bool:
    return bool(cells.names) and all(name.isdecimal() and len(name) < 10 for name in cells.names)


def doubt_of_labels(label: Categorical, item: Categorical) -> str:
    """Why labels may be no classes, as a sentence; empty where there is no doubt."""
    names, n_votes = label.names, int((label.code != EMPTY).sum())
    if len(names) < 2:
        return ""
    if are_dates(names):
        return f"labels are dates such as {listed(names[:2])}"
    values = _values(names)
    if values is not None:
        span = values.max() - values.min()
        seldom = n_votes < VOTES_PER_CLASS * len(names)
        agreement = _agreement(label, item) if len(names) > SEVERAL_CLASSES else 1.0
        if len(names) > 2 and (2 * values != np.round(2 * values)).any():
            odd = names[int((2 * values != np.round(2 * values)).argmax())]
            return f"labels are numbers such as `{odd}`: scores on a scale, and no classes"
        many = len(names) > MANY_CLASSES and (seldom or agreement < LEAST_AGREEMENT)
        sparse = len(names) > SEVERAL_CLASSES and span >= SPARSE * len(names) and (seldom or agreement < 0.5)
        if many or sparse:
            return f"labels are {len(names)} different numbers, such as {listed(names[:3])}: scores on a scale"
        return ""
    few = len(names) >= SEVERAL_CLASSES and n_votes < 2 * len(names)
    if few or (len(names) > MANY_CLASSES and n_votes < VOTES_PER_CLASS * len(names)):
        return (
            f"there are {len(names)} different labels, such as {listed(names[:3])}, in {n_votes} votes: free answers"
        )
    return ""


def _values(names: Sequence[str]) -> np.ndarray | None:
    try:
        values = np.asarray([float(name) for name in names])
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _agreement(label: Categorical, item: Categorical) -> float:
    """The share of pairs of votes on one item that agree; 1 where there is no such pair."""
    voted = label.code != EMPTY
    each: Int[np.ndarray, vote] = item.code[voted] * len(label.names) + label.code[voted]
    same, pairs = _pairs(np.unique(each, return_counts=True)[1]), _pairs(np.bincount(item.code[voted]))
    return same / pairs if pairs else 1.0


def _pairs(counts: np.ndarray) -> float:
    return float((counts * (counts - 1.0) / 2).sum())
