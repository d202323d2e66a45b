"""The first program of an engine's process group: it becomes the engine, which then ends with the step's process.

Started as `launch.py PROGRAM … LIFELINE` (`graph/lifeline.py`). The engine lives in an environment of its own, so it
gets none of this package's paths to modules.
"""

import os
import sys

from outgrow.graph.lifeline import guard

if __name__ == "__main__":
    *program, lifeline = sys.argv[1:]
    guard(int(lifeline))
    os.environ.pop("PYTHONPATH", None)
    os.execvp(program[0], program)
