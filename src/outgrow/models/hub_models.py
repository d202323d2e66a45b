"""Models from the Hugging Face hub: fetched once into its own cache, then read as plain folders.

Only safetensors weights are fetched, of the top folder only; a repository that has none is refused by `load_model.py`.
"""

from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from outgrow.errors import DataError
from outgrow.models.model_names import cached_snapshot, parse_name

SMALL = ["*.json", "*.txt", "*.model", "*.jinja", "*.py"]
WEIGHTS = ["*.safetensors"]
ELSEWHERE = ["*/*", "consolidated*"]
"""Subfolders hold the same weights in other formats; so do Mistral's consolidated files."""


def settle(name: str, revision: str | None = None) -> None:
    """Make a hub model's identity definite before a run: fetch the few bytes that name its commit.

    Does nothing for bundled models and folders. Raises `DataError` if the hub cannot be reached and knows of no copy.
    """
    parsed = parse_name(name)
    if parsed.place == "hub" and cached_snapshot(parsed.base, revision) is None:
        fetch(parsed.base, revision, ["config.json"])


def fetch(repository: str, revision: str | None, patterns: list[str]) -> Path:
    """The local folder of a hub repository, complete as to `patterns`; fetched where it is not."""
    try:
        folder = huggingface_hub.snapshot_download(
            repository, revision=revision, allow_patterns=patterns, ignore_patterns=ELSEWHERE
        )
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise DataError(f"model `{repository}`: {_reason(error, revision)}") from error
    return Path(folder)


def _reason(error: Exception, revision: str | None) -> str:
    """What went wrong, and what to do, in one sentence."""
    match error:
        case GatedRepoError():
            return "its licence must be accepted on the hub, then `hf auth login` on this machine"
        case RevisionNotFoundError():
            return f"the hub has no revision `{revision}` of it"
        case RepositoryNotFoundError():
            return "the hub has no such repository, or `hf auth login` is needed to see it"
        case HFValidationError():
            return "not a name that the hub allows; give `org/name`, a folder, or `bundled:NAME`"
        case LocalEntryNotFoundError():
            return (
                "the hub cannot be reached and the local cache has no copy; check the connection (and HF_HUB_OFFLINE),"
                " or give a folder or a `bundled:` model"
            )
        case _:
            return f"fetching it from the hub failed ({str(error).splitlines()[0] if str(error) else type(error)})"
