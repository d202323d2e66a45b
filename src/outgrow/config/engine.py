"""The key `engine` of a model: what runs it when it writes or scores texts."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from outgrow.config.section import Section, complaint

COMMAND_VARIABLE = "OUTGROW_VLLM"
"""The environment variable with the executable."""
OURS = (
    *("--host", "--port", "--served-model-name", "--tokenizer", "--dtype", "--max-model-len"),
    *("--tensor-parallel-size", "--enable-prefix-caching", "--generation-config"),
)
"""Options of vLLM that follow from the study."""


def _beside_ours(options: list[str]) -> list[str]:
    own = next((word for word in options if word.split("=")[0].replace("_", "-") in OURS), None)
    if own is not None:
        raise complaint(f"`{own}` is set by outgrow when it starts the engine; leave it out")
    return options


class Engine(Section):
    """What runs a model of this machine when it writes or scores texts; `engine: vllm` is short for `{type: vllm}`."""

    type: Literal["hf", "vllm"] = "hf"
    """`hf`: the step's own process, with transformers. `vllm`: the step starts `vllm serve` and ends it. Both get the
    same tokens; results differ by rounding, samples by their random numbers, so that this is part of a step's
    identity. Training is the same for both."""
    command: str | None = None
    """*vllm*: its executable, in an environment of its own: a path, or a name on the PATH. Default: the environment
    variable `OUTGROW_VLLM`."""
    ready: Annotated[float, Field(gt=0, le=86_400)] = 900.0
    """*vllm*: seconds until it must answer after its start."""
    answer: Annotated[float, Field(gt=0, le=86_400)] = 3600.0
    """*vllm*: seconds for a text, among up to 256 at once; an engine that needs longer is started again."""
    options: Annotated[list[str], AfterValidator(_beside_ours)] = []
    """*vllm*: further options of `vllm serve`, such as `[--gpu-memory-utilization, "0.8"]`. Part of a step's identity,
    as some change results."""

    @model_validator(mode="after")
    def _of_vllm_only(self) -> "Engine":
        changed = [name for name, value in self if name != "type" and value != Engine.model_fields[name].default]
        if self.type == "hf" and changed:
            raise complaint(f"`{changed[0]}` is for `type: vllm`; leave it out")
        return self


def _named(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


def _is_usual(engine: Engine) -> bool:
    return engine == Engine()


EngineText = Annotated[Engine, BeforeValidator(_named), Field(exclude_if=_is_usual)]
"""A section, or the name of its type. The usual one is in no dump, hence in no step's identity."""
