"""What is wrong with a model, from its name and its configuration file.

Nothing here imports torch or asks a network. A hub model that is not in the cache is not checked.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from outgrow.config.model import ModelSection
from outgrow.data.task import Kind
from outgrow.engines.executable import find_executable, missing
from outgrow.errors import OutgrowError
from outgrow.models.model_names import (
    BUNDLED,
    VOCABULARIES,
    ModelName,
    ModelSize,
    known_folder,
    parse_name,
    require_wheels,
)
from outgrow.models.model_size import can_answer, read_config, size_in_config
from outgrow.select.selector_record import RewardModel

READERS = {"*.tiktoken": "tiktoken", "tekken.json": "mistral_common", "*.model": "sentencepiece"}
"""Packages by the vocabulary that they read, where there is no `tokenizer.json`."""


def model_problems(where: str, section: ModelSection, kind: Kind | None) -> Iterator[str]:
    """Of a model's section, wherever it stands; each begins with the key."""
    try:
        yield from _problems(where, section, kind)
    except OutgrowError as error:
        yield f"{where}.model: {error}"
    if section.engine.type != "hf" and kind not in ("generate", None):
        yield f"{where}.engine: `{section.engine.type}` runs models that write texts; leave it out in this task"


def engine_lacking(where: str, section: ModelSection) -> Iterator[str]:
    """What this machine lacks for a model's engine."""
    engine = section.engine
    if engine.type != "hf" and find_executable(engine.command) is None:
        yield f"{where}.engine: {missing(engine.command)}"


def reward_layer_problems(where: str, reward: RewardModel, student: ModelSection | None) -> Iterator[str]:
    """Of the layer that a reward model's probe reads."""
    layer = reward.params.get("layer")
    size = None if layer is None else _size_of(reward.model or student)
    if layer is not None and size is not None:
        yield from _layer_problems(f"{where}.layer", layer, size.layers)


def _problems(where: str, section: ModelSection, kind: Kind | None) -> Iterator[str]:
    name = parse_name(section.model)
    if name.place == "bundled":
        require_wheels(name.base)
    if name.static:
        yield from _static_problems(where, section, kind)
        return
    folder = known_folder(name, section.revision)
    if folder is not None:
        yield from _folder_problems(where, folder, name)
    whole = _whole_size(name, folder)
    if whole is None:
        return
    depth = whole.layers if name.layers is None else min(whole.layers, name.layers)
    if name.layers is not None and name.layers > whole.layers:
        yield f"{where}.model: `{section.model}`: the model has {whole.layers} layers; cut it by @1 … @{whole.layers}"
    if section.adapt == "probe":
        for layer in _listed(section.layer):
            yield from _layer_problems(f"{where}.layer", layer, depth)
        if section.dims is not None and section.dims > whole.hidden:
            yield f"{where}.dims: {section.dims}, and the model's vectors have {whole.hidden}; name 1 … {whole.hidden}"
    if kind == "generate" and not can_answer(section.model, section.revision) and _is_known(folder):
        yield f"{where}.model: `{section.model}` reads and cannot write; name a causal language model"


def _static_problems(where: str, section: ModelSection, kind: Kind | None) -> Iterator[str]:
    name = parse_name(section.model)
    if kind == "generate":
        yield f"{where}.model: `{section.model}` is a table of word vectors and cannot write"
    elif section.adapt != "probe":
        yield f"{where}.adapt: `{section.model}` is a table of word vectors, which can only be probed; use `probe`"
    if name.layers is not None:
        yield f"{where}.model: `{section.model}`: word vectors have no layers to cut; use `dims`"
    if any(layer not in (0, -1) for layer in _listed(section.layer)):
        yield f"{where}.layer: {section.layer}, and word vectors have one layer, 0; leave it out"
    width = BUNDLED[name.base].size.hidden
    if section.dims is not None and section.dims > width:
        yield f"{where}.dims: {section.dims}, and the vectors have {width}; name 1 … {width}"


def _folder_problems(where: str, folder: Path, name: ModelName) -> Iterator[str]:
    config = read_config(folder)
    if config.get("is_encoder_decoder"):
        yield f"{where}.model: {folder} is an encoder-decoder; only decoders (GPT) and encoders (BERT) are known"
    if name.place != "folder":
        return  # what is not there will be fetched
    if not any(folder.glob("*.safetensors")):
        yield f"{where}.model: {folder} has no safetensors weights; load the model elsewhere and `save_pretrained` it"
    if not any(path for pattern in VOCABULARIES for path in folder.glob(pattern)):
        yield f"{where}.model: {folder} has no tokenizer; `save_pretrained` that of the model into it"
    elif not (folder / "tokenizer.json").is_file():
        for pattern, package in READERS.items():
            if any(folder.glob(pattern)) and find_spec(package) is None:
                yield f"{where}.model: {folder}: its tokenizer needs the package {package}: `pip install {package}`"


def _layer_problems(where: str, layer: int, depth: int) -> Iterator[str]:
    if not -depth - 1 <= layer <= depth:
        yield f"{where}: {layer}, and the model has layers 0 (embeddings) … {depth}; -1 is the last"


def _size_of(section: ModelSection | None) -> ModelSize | None:
    """Width, and depth as far as the name cuts it; `None` where this machine does not know."""
    if section is None:
        return None
    try:
        name = parse_name(section.model)
        whole = _whole_size(name, known_folder(name, section.revision))
    except OutgrowError:  # the model's own section says so
        return None
    return whole if whole is None or name.layers is None else whole._replace(layers=min(whole.layers, name.layers))


def _whole_size(name: ModelName, folder: Path | None) -> ModelSize | None:
    """The size of the whole model by its configuration; a guess by its name is no reason to refuse."""
    if name.place == "bundled":
        return BUNDLED[name.base].size
    return None if folder is None else size_in_config(read_config(folder))


def _is_known(folder: Path | None) -> bool:
    """Whether the configuration names the kind of model."""
    return folder is None or bool(read_config(folder).get("architectures"))


def _listed(layer: int | list[int] | None) -> list[int]:
    return [] if layer is None else [layer] if isinstance(layer, int) else layer
