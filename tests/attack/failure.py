"""What an attack found: an input that broke something, and how to make it again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """One input, answer or kill after which something was wrong."""

    what: str
    """The kind of damage, in a few words."""
    seed: int
    """The seed that the attack was run with …"""
    index: int
    """… and the place of the input in it, from 0: together they make the input again."""
    message: str
    """What was wrong: expected and found, or the end of the traceback."""
    content: bytes = b""
    """The input itself, where it is one file."""
    name: str = ""
    """That file's name: readers look at the suffix."""
