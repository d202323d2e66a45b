"""A plan as text: a line per step, and what all of them take."""

from collections import Counter

from outgrow.api import Plan, PlannedStep

UNKNOWN = "?"


def plan_text(plan: Plan) -> str:
    """Aligned columns: state, step, weights, tokens, memory, time; totals at the end."""
    rows = [("state", "step", "weights", "tokens", "memory", "time"), *map(_row, plan.steps)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([*lines, "", _total(plan)])


def _row(step: PlannedStep) -> tuple[str, ...]:
    cost = step.cost
    return (
        step.state,
        f"{step.name} {step.label}".strip()[:64],
        amount(cost.params),
        amount(cost.tokens),
        amount(cost.memory, "B"),
        duration(cost.seconds) if step.state == "new" else "",
    )


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    left = (row[column].ljust(widths[column]) for column in (0, 1))
    right = (row[column].rjust(widths[column]) for column in (2, 3, 4, 5))
    return "  ".join((*left, *right)).rstrip()


def _total(plan: Plan) -> str:
    counts = Counter(step.state for step in plan.steps)
    unknown = sum(step.cost.seconds is None for step in plan.new)
    largest = max((step.cost.memory or 0 for step in plan.steps), default=0)
    text = f"{len(plan.steps)} steps: {counts['cached']} cached, {counts['new']} new"
    text += f"; about {duration(plan.seconds)} on this machine class, largest model state {amount(largest, 'B')}"
    text += f"; {unknown} steps of unknown length, as their model is not on this machine" if unknown else ""
    paid = sum(step.cost.money for step in plan.new)
    text += f"; at most {paid:.2f} of money, by the `prices` in the file" if paid else ""
    return text + ". Nothing was executed."


def amount(value: float | None, unit: str = "") -> str:
    """`7.6 G`, `135 M`; an empty cell for nothing."""
    if value is None:
        return UNKNOWN
    if not value:
        return ""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * factor:  # as 999.9 k would be shown in three digits
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value:.0f} {unit}".strip()


def duration(seconds: float | None) -> str:
    """`0.1 s`, `3 min`, `2.5 h`, `12 d`."""
    if seconds is None:
        return UNKNOWN
    for factor, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * factor:
            return f"{seconds / factor:.1f} {unit}"
    return f"{seconds:.1f} s"
