"""The command's entry: from here on Ctrl-C ends in one line, also while the rest is being imported."""

import sys

INTERRUPTED = 130
STOPPED = "outgrow: interrupted; finished steps are kept, the same command goes on from there\n"


def main() -> None:
    """Parse the command line and do what it says; the exit code is the command's."""
    try:
        from outgrow.cli.verbs import run

        run()
    except KeyboardInterrupt:
        sys.stderr.write(STOPPED)
        sys.exit(INTERRUPTED)
