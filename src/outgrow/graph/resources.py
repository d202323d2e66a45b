"""What a step asks of the machine that runs it: the hint `resources`, which is no part of the step's identity."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from outgrow.graph.step import Json, Step

HINT = "resources"


class ResourceDemand(NamedTuple):
    """What a step asks for; zero of anything means that it is not counted."""

    gpus: float = 0.0
    """Devices; below 1 a share of one device."""
    cpus: int = 0
    memory: int = 0
    """Bytes of main memory."""
    processes: int = 1
    """That share its training."""
    shard: bool = False
    """Whether each of them holds shards of the weights only."""


def needs_of(step: Step) -> ResourceDemand:
    """What `step` asks for; nothing if it does not say."""
    return needs_in(step.hints)


def needs_in(hints: Mapping[str, Json]) -> ResourceDemand:
    """The same from a step's hints, which its function gets."""
    return ResourceDemand(**hints.get(HINT, {}))


def with_needs(steps: Iterable[Step], needs: Mapping[str, ResourceDemand]) -> list[Step]:
    """The same steps, and the same inputs, with these needs (by identity) as hints."""
    made: dict[str, Step] = {}

    def changed(step: Step) -> Step:
        if step.identity not in made:
            inputs = {key: changed(source) for key, source in step.inputs.items()}
            hints: dict[str, Json] = {**step.hints, HINT: needs.get(step.identity, ResourceDemand())._asdict()}
            made[step.identity] = replace(step, inputs=inputs, hints=hints)
        return made[step.identity]

    return [changed(step) for step in steps]
