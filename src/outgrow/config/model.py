"""What a file may say about a model: which one, how it is adapted, how it is trained."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from outgrow.config.endpoint import EndpointSection
from outgrow.config.section import Section
from outgrow.config.tune import Tune

Rate = Annotated[float, Field(gt=0, le=1000)]
Passes = Annotated[float, Field(gt=0, le=1_000_000)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]


class Lora(Section):
    """A low-rank adapter (peft)."""

    r: Annotated[int, Field(ge=1, le=65_536)] = 8
    alpha: Annotated[int, Field(ge=1)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    modules: str | list[str] = "all-linear"


class Training(Section):
    """Gradient training of a transformer (`adapt: full | lora`); defaults are paper 1's for its student."""

    lr: Rate = 1e-5
    epochs: Passes = 2
    batch_size: BatchSize = 32
    """Items per update, each with the labels of all its sources; split into smaller forward passes when memory asks
    for it."""
    micro_batch_size: BatchSize | None = None
    """Rows of targets per forward pass, by default `batch_size`; gradients are accumulated over the update."""
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the updates over which the learning rate rises."""
    optimizer: Literal["adamw_torch", "adafactor", "sgd"] = "adamw_torch"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[float, Field(ge=0)] = 0.0
    """Clip the gradient's norm at this value; 0 = no clipping."""
    keep: Literal["last", "best"] = "last"
    """*generate*: the weights at the end, or those after the epoch with the lowest loss on the `holdout` items."""


class ModelSection(Section):
    """A pretrained model and how it is adapted."""

    type: Literal["model"] = "model"
    model: str
    """`bundled:NAME`, `bundled:NAME@LAYERS` (cut after so many layers), `org/name` on the hub, or a folder."""
    revision: str | None = None
    """A branch, tag or commit of a hub model."""
    adapt: Literal["full", "lora", "probe", "none"] = "probe"
    """Train all weights, a low-rank adapter, or only a linear head on frozen hidden states. *generate*: `none` takes
    the model as it is, and tells it what to do by `system`."""
    layer: int | list[int] | None = None
    """probe: the hidden layer (0 = embeddings); a list is chosen from on held-out items; default: the last."""
    dims: Annotated[int, Field(ge=1)] | None = None
    """probe: keep only so many leading dimensions (static embeddings)."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    max_length: Annotated[int, Field(ge=8, le=10**7)] = 512
    """Longer inputs lose their beginning, with a note that counts them."""
    chat: bool | Literal["auto"] = "auto"
    """*generate*: ask through the tokenizer's chat template; `auto`: where it has one."""
    system: str | None = None
    """*generate*: the system prompt, in training and in use."""
    unfit: Literal["skip", "stop"] = "skip"
    """*generate*: items that the model cannot take (longer than `max_length`, or not to be spelled by its tokenizer):
    go on without them, with a note that names them, or stop."""
    batch_tokens: Annotated[int, Field(ge=64, le=10**9)] = 4096
    """Tokens per forward pass when nothing is trained; does not change results."""
    training: Training = Training()
    lora: Lora = Lora()
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """full/lora supervisor: share of its gold kept aside to estimate its accuracy (probes use all, by folds);
    *generate*: share of the training items that is held out for `training.keep: best`."""
    tune: Tune | None = None
    """This model's own grid; default: the study's `tune`."""
    trust_remote_code: bool = False


def _default_type(value: Any) -> Any:
    return {"type": "model", **value} if isinstance(value, dict) else value


LanguageModel = Annotated[
    Annotated[ModelSection | EndpointSection, Field(discriminator="type")], BeforeValidator(_default_type)
]
"""A model that can be asked for a text, on this machine or behind a server."""


def local_model(section: object) -> ModelSection | None:
    """The section of a model of this machine; `None` for any other section."""
    return section if isinstance(section, ModelSection) else None


def remote_model(section: object) -> EndpointSection | None:
    """The section of a model behind a server; `None` for any other section."""
    return section if isinstance(section, EndpointSection) else None
