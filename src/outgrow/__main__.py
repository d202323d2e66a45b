"""`python -m outgrow` is the command."""

from outgrow.cli import main

main()
