"""`Step`: a piece of work as pure data. `Job`: the arguments of a running step.

A step's identity is a hash over its name, its version, every parameter that changes the result, the mathematics that
it runs (`code_identity.py`: the loss, combiner, metric, selection or refiner that it uses), the content of its
plug-ins, and the identities of its inputs. Nothing else counts, such as the machine or the batch size of an inference.
Raise the version when other code changes the results of a step.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from outgrow.graph.code_identity import code_of_step
from outgrow.plugins import PluginReference, used_by

Json = Any
"""Any value that `json.dumps` accepts."""


@dataclass(frozen=True, eq=False)
class Step:
    """A named piece of work with inputs. Two steps with equal identity are the same step."""

    name: str
    """The prefix of its folder, and its name in the plan: `supervisor`, `student`, …"""
    function: str
    """`module:function`; called as `function(job, **params)` in a worker process."""
    params: Mapping[str, Json] = field(default_factory=dict)
    """All parameters that change the result; JSON values only."""
    inputs: Mapping[str, "Step"] = field(default_factory=dict)
    version: int = 1
    hints: Mapping[str, Json] = field(default_factory=dict)
    """Settings that do not change the result: device, batch size of an inference, trackers. Not hashed."""
    label: str = ""
    """A description of the step within the study, for people."""

    @property
    def settings(self) -> Mapping[str, Json]:
        """The parameters of the function call. Texts that are keys of the hint `places` are replaced by a path on this
        machine, which is not part of the identity."""
        return dict(_placed(self.params, self.hints.get("places", {})))

    @cached_property
    def identity(self) -> str:
        """64 hex digits over everything that the result depends on."""
        inputs = {key: step.identity for key, step in self.inputs.items()}
        return identify(self.name, self.version, self.params, inputs, self.code)

    @cached_property
    def plugins(self) -> tuple[PluginReference, ...]:
        """The plug-ins whose extensions the step uses."""
        return used_by(self.function, self.params)

    @cached_property
    def code(self) -> str:
        """The hash of the step's mathematics and plug-ins; empty if it has none."""
        return code_of_step(self.function, self.params, [plugin.content for plugin in self.plugins])

    @cached_property
    def identity_without_code(self) -> str:
        """The identity without the code of the step and of its inputs."""
        inputs = {key: step.identity_without_code for key, step in self.inputs.items()}
        return identify(self.name, self.version, self.params, inputs)

    @property
    def folder(self) -> str:
        """`name-hash8`, the folder of the result in the store."""
        return f"{self.name}-{self.identity[:8]}"


def _placed(value: Json, places: Mapping[str, str]) -> Json:
    if isinstance(value, Mapping):
        return {key: _placed(entry, places) for key, entry in value.items()}
    if isinstance(value, list):
        return [_placed(entry, places) for entry in value]
    return places.get(value, value) if isinstance(value, str) else value


@dataclass(frozen=True)
class Job:
    """The first argument of a step's function."""

    out: Path
    """An empty folder; its content becomes the step's result."""
    inputs: Mapping[str, Path]
    """The folders of the step's inputs, by the names of `Step.inputs`."""
    scratch: Path
    """A folder for checkpoints, kept after a kill for the next attempt."""
    hints: Mapping[str, Json] = field(default_factory=dict)
    report: Callable[[str, float], None] = lambda message, share: None
    """`report("epoch 1 of 2", 0.5)` shows progress; the share is within 0 … 1."""
    at_end: ExitStack = field(default_factory=ExitStack)
    """What the step has started and the worker ends after it, such as an engine."""

    def with_scratch(self, name: str) -> "Job":
        """The job with a scratch folder of its own, for one of several rounds of the same work."""
        scratch = self.scratch / name
        scratch.mkdir(exist_ok=True)
        return replace(self, scratch=scratch)


def identify(name: str, version: int, params: Mapping[str, Json], inputs: Mapping[str, str], code: str = "") -> str:
    """The hash behind `Step.identity`; `inputs` maps each input's name to its identity."""
    # The round trip gives one identity to values that JSON does not distinguish (tuple and list, keys 1 and "1").
    plain = json.loads(json.dumps(dict(params), allow_nan=False))
    content = {"name": name, "version": version, "params": plain, "inputs": dict(inputs), "code": code}
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def walk(targets: Iterable[Step]) -> list[Step]:
    """`targets` and all steps that they need, each identity once, inputs before users."""
    done: dict[str, Step] = {}

    def visit(step: Step) -> None:
        if step.identity not in done:
            for source in step.inputs.values():
                visit(source)
            done[step.identity] = step

    for target in targets:
        visit(target)
    return list(done.values())
