"""The devices, cores and memory of one machine, and what of them running steps have.

A step gets whole devices, or a share of one; shares are packed on as few devices as possible. If the first step in
the order does not fit, room is kept for it: as many devices as it needs, the emptiest ones, and its cores and memory.
Steps after it may use the rest only. So it waits for steps that run now, and for no more.
"""

from collections.abc import Sequence
from typing import NamedTuple

from outgrow.graph.resources import ResourceDemand

PARTS = 10_000
"""Smallest parts of one device, so that shares such as 0.1 add up."""


class Placement(NamedTuple):
    """What a running step has."""

    labels: tuple[str, ...]
    parts: int
    """Of each of its devices."""
    cpus: int
    memory: int


class Slots:
    """What is free of a machine."""

    def __init__(self, labels: Sequence[str] = (), cpus: int | None = None, memory: int | None = None) -> None:
        """`None`: as much as anyone asks for."""
        self.total = ResourceDemand(float(len(labels)), cpus or 0, memory or 0)
        self.parts = dict.fromkeys(labels, PARTS)
        self.cpus, self.memory = cpus, memory
        self.waiting: str | None = None
        """The step that room is kept for."""
        self.wanted = ResourceDemand()
        self.kept: frozenset[str] = frozenset()
        """Devices that are kept for it."""

    def lacking(self, needs: ResourceDemand) -> list[str]:
        """Why a step with these needs could never start here, as parts of a sentence."""
        found = []
        if needs.gpus > self.total.gpus:
            found.append(f"asks for {needs.gpus:g} devices, and there are {self.total.gpus:g}")
        if self.cpus is not None and needs.cpus > self.total.cpus:
            found.append(f"asks for {needs.cpus} cores, and there are {self.total.cpus}")
        if self.memory is not None and needs.memory > self.total.memory:
            found.append(f"asks for {needs.memory / 1e9:.4g} GB, and there are {self.total.memory / 1e9:.4g} GB")
        return found

    def fits(self, step: str, needs: ResourceDemand) -> bool:
        """Whether `step` (an identity) can have what it needs now; if not, room may be kept for it."""
        if self._has_rest(step, needs) and self._devices(step, needs) is not None:
            return True
        if self.waiting is None:
            emptiest = sorted(self.parts, key=lambda label: -self.parts[label])
            self.waiting, self.wanted, self.kept = step, needs, frozenset(emptiest[: _count(needs)])
        return False

    def take(self, step: str, needs: ResourceDemand) -> Placement:
        """Give a step that fits what it needs."""
        labels = self._devices(step, needs)
        assert labels is not None, "only steps that fit are started"
        if step == self.waiting:
            self.waiting, self.wanted, self.kept = None, ResourceDemand(), frozenset()
        placement = Placement(labels, _parts(needs), needs.cpus, needs.memory)
        self._add(placement, -1)
        return placement

    def give_back(self, placement: Placement) -> None:
        """Free what a step had."""
        self._add(placement, 1)

    def _has_rest(self, step: str, needs: ResourceDemand) -> bool:
        """Whether there are cores and memory, beside those that are kept."""
        kept = ResourceDemand() if step == self.waiting else self.wanted
        enough_cores = self.cpus is None or not needs.cpus or needs.cpus + kept.cpus <= self.cpus
        return enough_cores and (self.memory is None or not needs.memory or needs.memory + kept.memory <= self.memory)

    def _devices(self, step: str, needs: ResourceDemand) -> tuple[str, ...] | None:
        """The fullest devices on which a step fits."""
        kept = frozenset() if step == self.waiting else self.kept
        order = list(self.parts)
        fitting = [label for label in order if self.parts[label] >= _parts(needs) and label not in kept]
        fitting.sort(key=lambda label: (self.parts[label], order.index(label)))
        count = _count(needs)
        return None if len(fitting) < count else tuple(sorted(fitting[:count], key=order.index))

    def _add(self, placement: Placement, sign: int) -> None:
        for label in placement.labels:
            self.parts[label] += sign * placement.parts
        self.cpus = None if self.cpus is None else self.cpus + sign * placement.cpus
        self.memory = None if self.memory is None else self.memory + sign * placement.memory


def _count(needs: ResourceDemand) -> int:
    """Devices that a step is on."""
    return max(1, round(needs.gpus)) if needs.gpus else 0


def _parts(needs: ResourceDemand) -> int:
    return round(min(1.0, needs.gpus) * PARTS)
