"""Paths that begin with `~`."""

from pathlib import Path

from outgrow.errors import ConfigError


def at_home(path: str) -> Path:
    """A path whose `~` or `~user` is written out. Raises `ConfigError` for a user that there is not."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):
        raise ConfigError(f"`{path}`: there is no home folder of such a user; write the whole path") from None


def is_folder(path: str) -> bool:
    """Whether a text is the path of a folder; what no path can be is none."""
    try:
        return at_home(path).is_dir()
    except (OSError, ValueError):
        return False
