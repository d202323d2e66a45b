"""The command's entry. Ctrl-C ends in one line, also during imports."""

import sys

INTERRUPTED = 130
STOPPED = "outgrow: interrupted; finished steps are kept, and the same command continues\n"


def main() -> None:
    """Parse the command line and run the command."""
    try:
        from outgrow.cli.verbs import run

        run()
    except KeyboardInterrupt:
        sys.stderr.write(STOPPED)
        sys.exit(INTERRUPTED)
