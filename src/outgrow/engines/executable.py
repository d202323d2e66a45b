"""The executable of an engine, which is looked for before anything starts."""

import os
import shutil

from outgrow.config.engine import COMMAND_VARIABLE


def find_executable(command: str | None) -> str | None:
    """The path of vLLM's executable, by a key or the environment variable; `None` if there is none."""
    named = command or os.environ.get(COMMAND_VARIABLE)
    return shutil.which(named) if named else None


def missing(command: str | None) -> str:
    """What to do without an executable."""
    named = command or os.environ.get(COMMAND_VARIABLE)
    if not named:
        return (
            f"no executable of vLLM is named; install vLLM in an environment of its own and set {COMMAND_VARIABLE} to"
            " its file `bin/vllm`, or use `engine: hf`"
        )
    where = "`engine.command`" if command else f"the environment variable {COMMAND_VARIABLE}"
    return f"{where} names no executable file ({named}); name the file `bin/vllm` of vLLM's own environment"
