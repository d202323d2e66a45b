"""The section of a model: which one, how it is adapted, how it is trained."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from outgrow.config.endpoint import EndpointSection
from outgrow.config.engine import Engine, EngineText
from outgrow.config.path_fields import ModelText
from outgrow.config.section import Section
from outgrow.config.tune import Tune

Rate = Annotated[float, Field(gt=0, le=1000)]
Passes = Annotated[float, Field(gt=0, le=1_000_000)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]


class Lora(Section):
    """A low-rank adapter (peft)."""

    r: Annotated[int, Field(ge=1, le=65_536)] = 8
    """Rank of the adapter's matrices."""
    alpha: Annotated[int, Field(ge=1)] = 16
    """The adapter's output is scaled by alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout on the adapter's input."""
    modules: str | list[str] = "all-linear"
    """Names of the layers that get an adapter; `all-linear`: all linear layers except the output layer."""


class Training(Section):
    """Gradient training of a transformer (`adapt: full | lora`); defaults are paper 1's for its student."""

    lr: Rate = 1e-5
    """Learning rate, at its highest."""
    epochs: Passes = 2
    """Passes over the training data; may be a fraction."""
    batch_size: BatchSize = 32
    """Items per update, each with the labels of all its sources. They are split into smaller forward passes if memory
    is short."""
    micro_batch_size: BatchSize | None = None
    """Rows of targets per forward pass, by default `batch_size`; gradients are accumulated over the update."""
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warmup."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the updates over which the learning rate rises from 0."""
    optimizer: Literal["adamw_torch", "adafactor", "sgd"] = "adamw_torch"
    """The optimizer, by its name in transformers."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay of the optimizer."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 0.0
    """Clip the gradient's norm at this value; 0 = no clipping."""
    keep: Literal["last", "best"] = "last"
    """*generate*: keep the weights at the end, or those after the epoch with the lowest loss on the `holdout`
    items."""


class ModelSection(Section):
    """A pretrained model and how it is adapted."""

    type: Literal["model"] = "model"
    model: ModelText
    """`bundled:NAME`, `bundled:NAME@LAYERS` (cut after so many layers), `org/name` on the hub, or a folder."""
    revision: str | None = None
    """A branch, tag or commit of a hub model."""
    adapt: Literal["full", "lora", "probe", "none"] = "probe"
    """Train all weights, a low-rank adapter, or only a linear head on frozen hidden states. *generate*: `none` does
    not train the model; `system` gives it instructions."""
    layer: int | list[int] | None = None
    """probe: the hidden layer (0 = embeddings). From a list, one layer is chosen on held-out items. Default: the
    last."""
    dims: Annotated[int, Field(ge=1)] | None = None
    """probe: the number of leading dimensions that are used (static embeddings)."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Number format of the weights."""
    max_length: Annotated[int, Field(ge=8, le=10**7)] = 512
    """In tokens. Longer inputs lose their beginning; a note gives their number."""
    chat: bool | Literal["auto"] = "auto"
    """*generate*: prompts use the tokenizer's chat template; `auto`: if it has one."""
    system: str | None = None
    """*generate*: the system prompt, in training and afterwards."""
    reward_head: bool = False
    """*choose* with full or LoRA training: score each option by a new scalar head at its last token instead of by its
    log-likelihood. With two options this is a reward model (Bradley-Terry)."""
    unfit: Literal["skip", "stop"] = "skip"
    """*generate*: items that the model cannot read (longer than `max_length`, or with characters that its tokenizer
    cannot spell): skip them, with a note that names them, or stop."""
    batch_tokens: Annotated[int, Field(ge=64, le=10**9)] = 4096
    """Tokens per forward pass without training; does not change results."""
    engine: EngineText = Engine()
    """*generate*: what runs the model when it writes and scores texts: `hf` or `vllm`."""
    training: Training = Training()
    """Settings of full and LoRA training."""
    lora: Lora = Lora()
    """Settings of the adapter."""
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """full/lora supervisor: share of its gold that is held out to estimate its accuracy (probes use cross-fitting on
    all gold). *generate*: share of the training items that is held out for `training.keep: best`."""
    tune: Tune | None = None
    """This model's own grid; default: the study's `tune`."""
    trust_remote_code: bool = False
    """Whether code in the model's folder may run."""


def _default_type(value: Any) -> Any:
    return {"type": "model", **value} if isinstance(value, dict) else value


LanguageModel = Annotated[
    Annotated[ModelSection | EndpointSection, Field(discriminator="type")], BeforeValidator(_default_type)
]
"""A language model on this machine or behind a server."""


def local_model(section: object) -> ModelSection | None:
    """The section of a model of this machine; `None` for any other section."""
    return section if isinstance(section, ModelSection) else None


def remote_model(section: object) -> EndpointSection | None:
    """The section of a model behind a server; `None` for any other section."""
    return section if isinstance(section, EndpointSection) else None
