"""A plan as text: a line per step, the total cost, servers and their keys, code in the file."""

import os
from collections import Counter

from outgrow.api_types import Plan, PlannedStep
from outgrow.text_format import short

UNKNOWN = "?"
HEAD = ("state", "step", "weights", "tokens", "memory", "disk", "time", "devices", "GPU hours")
SHORTEST = 0.05
"""Seconds; less is shown as `< 0.1 s`."""


def plan_text(plan: Plan) -> str:
    """Aligned columns, those of devices only if a step asks for one; totals at the end."""
    rows = [HEAD, *map(_row, plan.steps)]
    rows = rows if plan.most_gpus else [row[: HEAD.index("devices")] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([*lines, "", _total(plan), *_servers(plan), *remarks(plan)])


def remarks(plan: Plan) -> list[str]:
    """Notes, code in the file, and what this machine lacks."""
    return [*plan.notes, *_code(plan), *_lacking(plan)]


def _row(step: PlannedStep) -> tuple[str, ...]:
    cost = step.cost
    return (
        f"{step.state}, code changed" if step.code_changed else step.state,
        f"{step.name} {step.label}".strip()[:64],
        amount(cost.params),
        amount(cost.tokens),
        amount(cost.memory, "B"),
        amount(cost.disk, "B"),
        duration(cost.seconds) if step.state == "new" else "",
        _devices(step),
        _hours(step.gpu_hours) if step.state == "new" and step.gpus else "",
    )


def _devices(step: PlannedStep) -> str:
    """`2 × 62 GB`: the number and what the model's state takes of each."""
    return f"{step.gpus:g} × {amount(step.memory_per_device, 'B') or '0 B'}" if step.gpus else ""


def _hours(hours: float | None) -> str:
    return UNKNOWN if hours is None else "< 0.01" if hours < 0.01 else f"{hours:.3g}"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    left = (row[column].ljust(widths[column]) for column in (0, 1))
    right = (row[column].rjust(widths[column]) for column in range(2, len(row)))
    return "  ".join((*left, *right)).rstrip()


def _total(plan: Plan) -> str:
    counts = Counter(step.state for step in plan.steps)
    changed = sum(step.code_changed for step in plan.new)
    again = f" ({changed} finished before with other code)" if changed else ""
    parts = [f"{len(plan.steps)} steps: {counts['cached']} cached, {counts['new']} new{again}"]
    if any(step.cost.seconds for step in plan.new):
        parts.append(f"about {duration(plan.seconds)} on this type of machine, one after another")
    largest = max((step.cost.memory or 0 for step in plan.steps), default=0)
    parts += [f"largest model state {amount(largest, 'B')}"] if largest else []
    parts += [f"results of about {amount(plan.disk, 'B')}"] if plan.disk else []
    parts += _device_total(plan)
    paid = sum(step.cost.money for step in plan.new)
    parts += [f"at most {paid:.2f} in the currency of `prices`"] if paid else []
    return "; ".join([*parts, *_unknown(plan)]) + ". Nothing was executed."


def _device_total(plan: Plan) -> list[str]:
    if not plan.most_gpus:
        return []
    largest = max(step.memory_per_device or 0 for step in plan.steps)
    of_each = f", with {amount(largest, 'B')} of model state on one of {amount(plan.device_memory, 'B')}"
    most = f"at most {plan.most_gpus:g} device{'s' * (plan.most_gpus > 1)} per step{of_each}"
    return [most, f"{_hours(plan.gpu_hours)} GPU hours"] if plan.new else [most]


def _unknown(plan: Plan) -> list[str]:
    """The meaning of the question marks."""
    unknown = [step for step in plan.new if step.cost.seconds is None]
    where = Counter("is behind a server" if step.server else "is not on this machine" for step in unknown)
    return [f"unknown ({UNKNOWN}): {n} new step{'s' * (n > 1)} whose model {place}" for place, n in where.items()]


def _servers(plan: Plan) -> list[str]:
    """The environment variable of each server's key, and whether it is set."""
    asked = dict.fromkeys((step.server, step.key) for step in plan.steps if step.server)
    return [f"{server} is sent {_sent(key)}." for server, key in asked]


def _code(plan: Plan) -> list[str]:
    """Code in the file, which runs with the user's rights."""
    code = ", ".join(map(short, plan.code))
    return [f"This file runs its own code: {code} (`--no-code` refuses it)."] if code else []


def _lacking(plan: Plan) -> list[str]:
    return ["This machine lacks:", *plan.lacking] if plan.lacking else []


def _sent(key: str | None) -> str:
    if key is None:
        return "no key"
    return f"the key in {key}" if os.environ.get(key) else f"the key in {key}, but {key} is not set"


def amount(value: float | int | None, unit: str = "") -> str:
    """`7.6 G`, `135 M`; an empty text for 0."""
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
    if seconds < SHORTEST:
        return "< 0.1 s"
    for factor, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * factor:
            return f"{seconds / factor:.1f} {unit}"
    return f"{seconds:.1f} s"
