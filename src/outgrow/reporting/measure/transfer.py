"""Who learned one capability only: the rows of a transfer matrix.

Train on i, test on j: if capabilities are independent, a student of one is no better at the others than the untouched
model. The matrix is made of the rows' own scores by capability (`RowResult.capabilities`); here is only told which row
learned what.
"""

from outgrow.config.method import Method
from outgrow.select import SELECTIONS
from outgrow.study.build import Study
from outgrow.study.method_rows import expanded, parts_of


def learned_alone(study: Study) -> dict[str, str]:
    """By row, the one capability whose labels all of its trainings saw."""
    methods = {method.name: _only(method) for method in expanded(study.experiment)}
    found = {row.name: methods[row.method] for row in study.rows if row.role == "method"}
    return {name: capability for name, capability in found.items() if capability is not None}


def _only(method: Method) -> str | None:
    seen = {
        () if part.select is None else SELECTIONS.of(part.select).needs(part.select).capabilities or ()
        for part in parts_of(method)
    }
    names = next(iter(seen))
    return names[0] if len(seen) == 1 and len(names) == 1 else None
