"""Paths that begin with `~`."""

from pathlib import Path

from outgrow.errors import ConfigError


def at_home(path: str) -> Path:
    """A path with `~` or `~user` replaced by the home folder. Raises `ConfigError` for an unknown user."""
    try:
        return Path(path).expanduser()
    except (RuntimeError, ValueError):
        raise ConfigError(f"`{path}`: this user has no home folder; write the full path") from None


def is_folder(path: str) -> bool:
    """Whether a text is the path of a folder; False for an impossible path."""
    try:
        return at_home(path).is_dir()
    except (OSError, ValueError):
        return False
