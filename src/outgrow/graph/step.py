"""`Step`: what to run, as pure data. `Job`: what a running step is given.

A step's identity is a hash over its name, its version, every parameter that changes the result, the mathematics that
it runs (`code_identity.py`: the loss, combiner, metric, selection or refiner that it uses), the content of its
plug-ins, and the identities of its inputs. Nothing else counts: not the machine, not the batch size of an inference.
Raise the version when other code of a step changes its results.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from outgrow.graph.code_identity import code_of_step
from outgrow.plugins import PluginReference, used_by

Json = Any
"""Anything that `json.dumps` takes."""


@dataclass(frozen=True, eq=False)
class Step:
    """A named piece of work with inputs. Two steps with equal identity are the same step."""

    name: str
    """The folder's prefix and the verb in the plan: `supervisor`, `student`, …"""
    function: str
    """`module:function`; called as `function(job, **params)` in a worker process."""
    params: Mapping[str, Json] = field(default_factory=dict)
    """Whatever changes the result; JSON values only."""
    inputs: Mapping[str, "Step"] = field(default_factory=dict)
    version: int = 1
    hints: Mapping[str, Json] = field(default_factory=dict)
    """Whatever does not change the result: device, batch size of an inference, trackers. Not hashed."""
    label: str = ""
    """For people: what this step is within the study."""

    @property
    def settings(self) -> Mapping[str, Json]:
        """The parameters as the step's function is given them: a text that the hint `places` knows stands for a path
        on this machine, which is no part of what the step is."""
        return dict(_placed(self.params, self.hints.get("places", {})))

    @cached_property
    def identity(self) -> str:
        """64 hex digits over everything that the result depends on."""
        inputs = {key: step.identity for key, step in self.inputs.items()}
        return identify(self.name, self.version, self.params, inputs, self.code)

    @cached_property
    def plugins(self) -> tuple[PluginReference, ...]:
        """The plug-ins of which the step uses an extension."""
        return used_by(self.function, self.params)

    @cached_property
    def code(self) -> str:
        """The hash of the mathematics and the plug-ins that the step runs; empty where it runs none."""
        return code_of_step(self.function, self.params, [plugin.content for plugin in self.plugins])

    @cached_property
    def identity_without_code(self) -> str:
        """The identity that the step would have if code did not count, its own or that of its inputs."""
        inputs = {key: step.identity_without_code for key, step in self.inputs.items()}
        return identify(self.name, self.version, self.params, inputs)

    @property
    def folder(self) -> str:
        """`name-hash8`: where the store keeps the result."""
        return f"{self.name}-{self.identity[:8]}"


def _placed(value: Json, places: Mapping[str, str]) -> Json:
    if isinstance(value, Mapping):
        return {key: _placed(one, places) for key, one in value.items()}
    if isinstance(value, list):
        return [_placed(one, places) for one in value]
    return places.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Job:
    """What a step's function is handed."""

    out: Path
    """An empty folder: everything written here becomes the step's result."""
    inputs: Mapping[str, Path]
    """The finished folders of the step's inputs, by the names the step gave them."""
    scratch: Path
    """A folder that survives a kill and is there again when the step is run again: for checkpoints."""
    hints: Mapping[str, Json] = field(default_factory=dict)
    report: Callable[[str, float], None] = lambda message, share: None
    """`report("epoch 1 of 2", 0.5)`: tells the person who waits; the share is within 0 … 1."""

    def apart(self, name: str) -> "Job":
        """The same with a scratch folder of its own, for one of several rounds of the same work."""
        scratch = self.scratch / name
        scratch.mkdir(exist_ok=True)
        return replace(self, scratch=scratch)


def identify(name: str, version: int, params: Mapping[str, Json], inputs: Mapping[str, str], code: str = "") -> str:
    """The hash behind `Step.identity`; `inputs` maps each input's name to its identity."""
    # Read back first: what JSON cannot tell apart (a tuple and a list, 1 and "1" as a key) gets one identity.
    plain = json.loads(json.dumps(dict(params), allow_nan=False))
    content = {"name": name, "version": version, "params": plain, "inputs": dict(inputs), "code": code}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def walk(targets: Iterable[Step]) -> list[Step]:
    """Every step that `targets` need, themselves included, each identity once, inputs before users."""
    done: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.identity not in done:
            for source in step.inputs.values():
                visit(source)
            done[step.identity] = step

    for target in targets:
        visit(target)
    return list(done.values())
