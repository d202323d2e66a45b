"""What it costs to train, read or write with a model: parameters, tokens, memory, seconds, money.

A forward pass costs two floating-point operations per weight and token, training three times as much; Adam keeps four
numbers per trained weight. Speeds are rough constants of the machine class, so seconds are right within a factor of
about three; memory and tokens are better than that. Nothing is loaded.

Texts of a local model are assumed to be short, as most answers are. Paid texts count at their longest, so the
money is an upper bound if prompts are as long as estimated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from outgrow.config.endpoint import CHOICE_TOKENS
from outgrow.endpoints.usage import MILLION, Usage, price_of
from outgrow.generation.generators import GENERATORS
from outgrow.graph.step import Step
from outgrow.models.model_identity import ModelSize, model_size
from outgrow.refine import REFINERS
from outgrow.refine.refiner_record import TokenSizes

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
FULL_TRAINING_BYTES = 16
"""Per trained weight: weight, gradient and Adam's two moments in float32, whatever the precision of the arithmetic."""
LORA_SHARE = 0.02
"""Weights of an adapter by those of its model, about."""
PROBE_STEPS, PROBE_DIM = 100, 512
SMALL_STEP_SECONDS = 0.1
PROVIDER_EPOCHS = 3
"""Assumed where the provider chooses."""
WRITING_SLOWDOWN = 2.0
"""A written token reads all weights once: memory is the limit, not arithmetic."""
ANSWER_TOKENS = 24
"""Of a text that a local model writes."""
HELD_OUT_SHARE = 0.1
"""Of half A in text trainings that keep items aside: the default of `holdout`."""
FRAME_TOKENS = 120
"""Of a judge's instructions, of those for naming a style, or of a list of classes."""


@dataclass(frozen=True)
class Cost:
    """Expected use of one step; `None` where nothing is known of the model."""

    params: float | int | None = 0
    """Weights of the model that is run."""
    tokens: float | int = 0
    """Tokens that go through it, training epochs counted."""
    memory: float | int | None = 0
    """Bytes of weights, gradients and optimizer state."""
    seconds: float | None = SMALL_STEP_SECONDS
    money: float | int = 0
    """The most that is paid to a server's owner."""
    disk: float | int | None = 0
    """Bytes of a finished result that are worth counting: weights, hidden states."""


@dataclass(frozen=True)
class StudySizes:
    """The sizes that all estimates of one study start from."""

    half_a: int
    half_b: int
    test: int
    tokens_per_item: float
    flops: float
    pooled: int | None = None
    """Items in the pool, of which every seed uses `pool`; `None` if not known yet."""
    texts_per_item: int = 1
    """Prompts with an option in one item of a task of options, as assumed."""

    @property
    def pool(self) -> int:
        """Items that one seed's study uses."""
        return self.half_a + self.half_b + self.test


class TokenTraffic(NamedTuple):
    """Tokens of one step."""

    read: float | int
    written: float | int

    @property
    def total(self) -> float | int:
        return self.read + self.written


# ---- tokens ---------------------------------------------------------------------------------------------


def choice_traffic(sizes: StudySizes) -> TokenTraffic:
    """Every item of a study as a question with a short answer."""
    return TokenTraffic(sizes.pool * (sizes.tokens_per_item + FRAME_TOKENS), sizes.pool * CHOICE_TOKENS)


def score_traffic(step: Step, sizes: StudySizes) -> TokenTraffic:
    """Every candidate of half B, or of the items that were held out, is read once."""
    items = _held_out(sizes) if step.params.get("part") == "held_out" else sizes.half_b
    texts = candidates_of(table for name, table in step.inputs.items() if name.startswith("texts."))
    return TokenTraffic(items * (sizes.tokens_per_item + texts * ANSWER_TOKENS), 0)


def candidates_of(tables: Iterable[Step]) -> int:
    """Texts that tables of texts have for an item, if none occurs twice; one where nothing was decoded."""
    return sum(table.params.get("decoding", {}).get("candidates", 1) for table in tables)


def text_traffic(step: Step, sizes: StudySizes) -> TokenTraffic:
    """An answer to every item of a part."""
    items = {"half_b": sizes.half_b, "held_out": _held_out(sizes)}.get(str(step.params["part"]), sizes.test)
    return TokenTraffic(items * sizes.tokens_per_item, items * answer_tokens(step.settings))


def _held_out(sizes: StudySizes) -> int:
    """Items of half A that text trainings keep aside, as assumed."""
    return max(1, round(HELD_OUT_SHARE * sizes.half_a))


def rating_traffic(step: Step, sizes: StudySizes) -> TokenTraffic:
    """A rating of every test answer; of two where answers are compared in both orders."""
    params = step.settings
    ratings = sizes.test * (2 if params["against"] is not None and params["swap"] else 1)
    read = FRAME_TOKENS + sizes.tokens_per_item + 3 * ANSWER_TOKENS
    return TokenTraffic(ratings * read, ratings * answer_tokens(params))


def refine_traffic(step: Step, sizes: StudySizes) -> TokenTraffic:
    """As the refiner's record counts them."""
    params = step.settings
    tokens = TokenSizes(sizes.half_b, sizes.tokens_per_item, ANSWER_TOKENS, FRAME_TOKENS, answer_tokens(params))
    return TokenTraffic(*REFINERS[params["refine"]["type"]].tokens(params["refine"], tokens))


def answer_tokens(params: Mapping[str, Any]) -> int:
    """Tokens written per question, over all beams or samples."""
    decoding = params["decoding"]
    rows = decoding["candidates"] if decoding["sample"] else decoding["beams"]
    if GENERATORS.named(params["model"]["type"]).remote:
        return int((rows if decoding["sample"] else 1) * decoding["max_new_tokens"])
    return int(rows * min(ANSWER_TOKENS, decoding["max_new_tokens"]))


# ---- models ---------------------------------------------------------------------------------------------


def inference(params: Mapping[str, Any], deepest: int | None, items: int, sizes: StudySizes) -> Cost:
    """One forward pass over `items`, up to layer `deepest`."""
    tokens = items * sizes.tokens_per_item
    size = model_size(params["model"])
    if size is None:
        return Cost(None, tokens, None, None)
    used = weights_up_to(size, deepest)
    return Cost(used, tokens, used * BYTES[params["dtype"]], 2 * used * tokens / sizes.flops)


def weights_up_to(size: ModelSize, deepest: int | None) -> float:
    """Weights that take part up to a layer."""
    if deepest is None or deepest < 0 or not size.layers:
        return float(size.n_params)
    embedding = size.vocab * size.hidden
    return embedding + (size.n_params - embedding) * min(1.0, deepest / size.layers)


def writing(step: Step, traffic: TokenTraffic, sizes: StudySizes) -> Cost:
    """Texts written or scored by a local model, or for money."""
    section = step.settings["model"]
    if GENERATORS.named(section["type"]).remote:
        usage = Usage(round(traffic.read), round(traffic.written))
        return Cost(None, traffic.total, None, None, price_of(usage, step.hints["endpoint"]["prices"]))
    size = model_size(section["model"])
    if size is None:
        return Cost(None, traffic.total, None, None)
    slower = WRITING_SLOWDOWN if traffic.written else 1.0
    seconds = slower * 2 * size.n_params * traffic.total / sizes.flops
    return Cost(size.n_params, traffic.total, size.n_params * BYTES[section["dtype"]], seconds)


def classifier_training(params: Mapping[str, Any], learns: int, sizes: StudySizes) -> Cost:
    """A training on `learns` items, then answers to the items that the step must answer."""
    if params["adapt"] == "probe":
        return _probe_training(params["tune"], learns, sizes)
    section, tune = params["model"], params["tune"]
    epochs = sum(tune["epochs"] or [section["training"]["epochs"]]) * len(tune["lr"] or [1])
    answered = (sizes.half_b + sizes.test) * sizes.tokens_per_item
    return _gradient_training(params, learns * sizes.tokens_per_item * epochs, answered, sizes)


def text_training(
    params: Mapping[str, Any], training: Mapping[str, Any], learns: float | int, sizes: StudySizes
) -> Cost:
    """Training on `learns` prompts with their texts."""
    tokens = learns * (sizes.tokens_per_item + ANSWER_TOKENS) * training["epochs"]
    return _gradient_training(params, tokens, 0.0, sizes)


def _gradient_training(
    params: Mapping[str, Any], tokens: float | int, answered: float | int, sizes: StudySizes
) -> Cost:
    size = model_size(params["model"]["model"])
    if size is None:
        return Cost(None, tokens + answered, None, None, disk=None)
    lora = params["adapt"] == "lora"
    width = BYTES[params["model"]["dtype"]]
    memory = size.n_params * (1.1 * width if lora else FULL_TRAINING_BYTES)
    disk = size.n_params * (LORA_SHARE if lora else 1) * width
    flops = size.n_params * ((4 if lora else 6) * tokens + 2 * answered)
    return Cost(size.n_params, tokens + answered, memory, flops / sizes.flops, disk=disk)


def _probe_training(tune: Mapping[str, Any], learns: int, sizes: StudySizes) -> Cost:
    """A grid of linear heads on finished features, once per fold and once at the end."""
    grid = len(tune["l2"]) * len(tune["lr"] or [1])
    steps = sum(tune["epochs"] or [PROBE_STEPS])
    flops = 6.0 * learns * PROBE_DIM * 10 * grid * steps * tune["folds"]
    return Cost(PROBE_DIM * 10, 0, 4.0 * learns * PROBE_DIM, SMALL_STEP_SECONDS + flops / sizes.flops)


def provider_training(step: Step, learns: int, sizes: StudySizes) -> Cost:
    """The tokens that a provider trains on, and their price."""
    epochs = step.params["fine_tuning"]["epochs"]
    tokens = learns * (sizes.tokens_per_item + ANSWER_TOKENS) * (PROVIDER_EPOCHS if epochs == "auto" else epochs)
    price = step.hints["endpoint"]["prices"]["training"]
    return Cost(None, tokens, None, None, tokens * price / MILLION)
