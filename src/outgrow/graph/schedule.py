"""Which steps a run needs, and which of them may start now.

Only what is asked for is made: a finished step needs nothing upstream, so an input that is gone from the store is
made again only if a step that is not finished reads it. A step that is asked for itself is always made.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence

from outgrow.graph.done import Done
from outgrow.graph.step import Step

Find = Callable[[Step], Done | None]


def needed(wanted: Iterable[Step], find: Find) -> list[tuple[Step, Done | None]]:
    """`wanted` and all that must be there to make it, inputs first, each with its record if `find` has one."""
    seen: set[str] = set()
    found: list[tuple[Step, Done | None]] = []

    def visit(step: Step) -> None:
        if step.identity in seen:
            return
        seen.add(step.identity)
        done = find(step)
        if done is None:
            for source in step.inputs.values():
                visit(source)
        found.append((step, done))

    for step in wanted:
        visit(step)
    return found


class Schedule:
    """The steps that are yet to be made. The one that most others depend on comes first; else the given order."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """`steps`: inputs before users; inputs that are not among them are finished."""
        self.steps = {step.identity: step for step in steps}
        self.users: dict[str, list[Step]] = {identity: [] for identity in self.steps}
        self.missing: dict[str, set[str]] = {}
        for step in steps:
            inputs = {source.identity for source in step.inputs.values()} & self.steps.keys()
            self.missing[step.identity] = inputs
            for identity in inputs:
                self.users[identity].append(step)
        dependants = _count_dependants(steps, self.users)
        self.rank = {step.identity: (-dependants[step.identity], row) for row, step in enumerate(steps)}
        self.ready: list[Step] = []
        for step in steps:
            self._offer(step)

    def _offer(self, step: Step) -> None:
        if not self.missing[step.identity]:
            insort(self.ready, step, key=lambda other: self.rank[other.identity])

    def take(self, is_busy: Callable[[Step], bool]) -> Step | None:
        """The step to start now: the first one that no other run works on, or else simply the first."""
        if not self.ready:
            return None
        step = next((step for step in self.ready if not is_busy(step)), self.ready[0])
        self.ready.remove(step)
        return step

    def finish(self, step: Step) -> None:
        """`step` is in the store: its users may be ready now."""
        for user in self.users[step.identity]:
            self.missing[user.identity].discard(step.identity)
            self._offer(user)

    def beyond(self, step: Step) -> list[Step]:
        """All that needs `step`, directly or not, in the given order."""
        reached: set[str] = set()
        frontier = [step]
        while frontier:
            for user in self.users[frontier.pop().identity]:
                if user.identity not in reached:
                    reached.add(user.identity)
                    frontier.append(user)
        return [step for identity, step in self.steps.items() if identity in reached]

    def withdraw(self) -> list[Step]:
        """Start nothing any more; returns the steps that have not been started, in the given order."""
        waiting = {identity for identity, inputs in self.missing.items() if inputs}
        waiting |= {step.identity for step in self.ready}
        self.ready = []
        self.users = {identity: [] for identity in self.users}
        return [step for identity, step in self.steps.items() if identity in waiting]


def _count_dependants(steps: Sequence[Step], users: dict[str, list[Step]]) -> dict[str, int]:
    # A set of steps as the bits of one integer: the union over hundreds of steps is one operation.
    bit = {step.identity: 1 << row for row, step in enumerate(steps)}
    after: dict[str, int] = {}
    for step in reversed(steps):
        below = 0
        for user in users[step.identity]:
            below |= bit[user.identity] | after[user.identity]
        after[step.identity] = below
    return {identity: mask.bit_count() for identity, mask in after.items()}
