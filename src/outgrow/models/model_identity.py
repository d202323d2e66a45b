"""The identity of a model for a step's hash: the same name must mean the same weights.

A bundled model is its wheel's version; a folder is the content of its files; a hub model is its repository at a
revision. Without a revision it is the commit that the local cache knows as main, so call
`outgrow.models.fetch_model.pin_revision` before a run: it fetches the few bytes that name the commit.
"""

import hashlib
from contextlib import suppress
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from outgrow.bundled_wheels import cache_folder
from outgrow.errors import DataError
from outgrow.graph.output import whole_file
from outgrow.models.model_names import ModelSize as ModelSize
from outgrow.models.model_names import cached_snapshot, parse_name, wheel_versions
from outgrow.models.model_size import model_size as model_size

MATTERS = (
    *("config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.*", "merges.txt", "*.model", "*.jinja", "*.py"),
)
"""Files of a model folder that change what the model does."""

LARGE = 1 << 26
"""From this size on, the digest of a file is noted for the next time."""


def model_identity(name: str, revision: str | None = None) -> str:
    """A string that changes when the model's weights, configuration or tokenizer change.

    Raises `DataError` for a model that is not there: an unknown or uninstalled bundled one, a missing folder.
    """
    parsed = parse_name(name)
    if parsed.place == "bundled":
        return f"{parsed.base}{parsed.cut} of {wheel_versions(parsed.base)}"
    if parsed.place == "folder":
        return f"sha256:{folder_digest(Path(parsed.base))}{parsed.cut}"
    commit = None if revision else cached_snapshot(parsed.base, None)
    return f"{parsed.base}@{revision or (commit.name if commit else 'main')}{parsed.cut}"


def folder_digest(folder: Path) -> str:
    """sha256 over the names and contents of the files that matter; a file's time and place do not."""
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder}: not a model folder, it has no config.json")
    files = sorted(path for path in folder.iterdir() if path.is_file() and _matters(path.name))
    lines = []
    for path in files:
        state = path.stat()
        lines.append(f"{path.name} {_file_digest(path.resolve(), state.st_size, state.st_mtime_ns)}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _matters(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in MATTERS)


@cache
def _file_digest(path: Path, size: int, changed: int) -> str:
    """sha256 of a file; of a large one it is remembered under path, size and time of change."""
    if size < LARGE:
        return _read_digest(path)
    key = hashlib.sha256(f"{path}\0{size}\0{changed}".encode()).hexdigest()
    note = cache_folder() / "digests" / key
    if note.is_file() and len(digest := note.read_text()) == 64:
        return digest
    digest = _read_digest(path)
    # The note only saves time; a cache folder that cannot be written to costs it again.
    with suppress(OSError), whole_file(note) as draft:
        draft.write_text(digest)
    return digest


def _read_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
