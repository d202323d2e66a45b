"""The steps that a run needs, and those that can start now.

A finished step needs no inputs. So a missing input is computed again only if an unfinished step reads it. Requested
steps are always computed.
"""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from outgrow.graph.done import Done
from outgrow.graph.step import Step

Find = Callable[[Step], Done | None]


def needed(requested: Iterable[Step], find: Find) -> list[tuple[Step, Done | None]]:
    """The requested steps and the inputs that they need, inputs first, each with its record if `find` has one."""
    seen: set[str] = set()
    records: list[tuple[Step, Done | None]] = []

    def visit(step: Step) -> None:
        if step.identity in seen:
            return
        seen.add(step.identity)
        done = find(step)
        if done is None:
            for source in step.inputs.values():
                visit(source)
        records.append((step, done))

    for step in requested:
        visit(step)
    return records


class Schedule:
    """The steps to compute. Steps with more dependants come first, then the given order."""

    def __init__(self, steps: Sequence[Step]) -> None:
        """`steps`: inputs before users; inputs that are not in `steps` are finished."""
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
            insort(self.ready, step, key=lambda ready_step: self.rank[ready_step.identity])

    def take(self, is_busy: Callable[[Step], bool], fits: Callable[[Step], bool] = lambda step: True) -> Step | None:
        """The step to start now, of those that fit: the first one that no other run computes, or else the first."""
        fitting = (step for step in self.ready if fits(step))
        first = next(fitting, None)
        if first is None:
            return None
        step = next((step for step in chain([first], fitting) if not is_busy(step)), first)
        self.ready.remove(step)
        return step

    def finish(self, step: Step) -> None:
        """Mark `step` as stored; its users may become ready."""
        for user in self.users[step.identity]:
            self.missing[user.identity].discard(step.identity)
            self._offer(user)

    def beyond(self, step: Step) -> list[Step]:
        """All steps that need `step`, directly or not, in the given order."""
        reached: set[str] = set()
        frontier = [step]
        while frontier:
            for user in self.users[frontier.pop().identity]:
                if user.identity not in reached:
                    reached.add(user.identity)
                    frontier.append(user)
        return [step for identity, step in self.steps.items() if identity in reached]

    def withdraw(self) -> list[Step]:
        """Start no further step; returns the steps that were not started, in the given order."""
        waiting = {identity for identity, inputs in self.missing.items() if inputs}
        waiting |= {step.identity for step in self.ready}
        self.ready = []
        self.users = {identity: [] for identity in self.users}
        return [step for identity, step in self.steps.items() if identity in waiting]


def _count_dependants(steps: Sequence[Step], users: dict[str, list[Step]]) -> dict[str, int]:
    # A set of steps is the bits of one integer, so a union over hundreds of steps is one operation.
    bit = {step.identity: 1 << row for row, step in enumerate(steps)}
    dependants: dict[str, int] = {}
    for step in reversed(steps):
        mask = 0
        for user in users[step.identity]:
            mask |= bit[user.identity] | dependants[user.identity]
        dependants[step.identity] = mask
    return {identity: mask.bit_count() for identity, mask in dependants.items()}
