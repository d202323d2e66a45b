"""What every row of `LOSSES` must pass, with every alternative of its options; and losses of plug-ins."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from torch import Tensor

from drawn_seeds import SEEDS
from outgrow.config.experiment import Experiment
from outgrow.config.load import read_experiment
from outgrow.config.method import Method, SelfTraining, TrainingStage
from outgrow.errors import ConfigError
from outgrow.extensions import function_of
from outgrow.losses import LOSSES, LossRecord, LossSection
from outgrow.losses.objective import Objective, make_objective
from outgrow.study.build import build_study


def alternatives() -> Iterator[tuple[str, dict[str, Any]]]:
    """Of every loss its defaults, and each other value that an option with named values can have."""
    for name, record in LOSSES.items():
        yield name, {}
        for key, field in record.section.model_fields.items():
            literals = [field.annotation, *get_args(field.annotation)]
            values = {value for one in literals if get_origin(one) is Literal for value in get_args(one)}
            yield from ((name, {key: value}) for value in sorted(values) if key != "type" and value != field.default)


CASES = list(alternatives())
every_case = pytest.mark.parametrize(("name", "options"), CASES, ids=lambda one: str(one))


def objective_of(name: str, options: dict[str, Any]) -> Objective:
    record = LOSSES[name]
    return make_objective(record.params(record.section(type=name, **options), of_texts=False), None)


def draw(seed: int, *shape: int, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(*shape, generator=generator, dtype=torch.float64) * scale
    return logits.requires_grad_(), torch.randn(*shape, generator=generator, dtype=torch.float64).softmax(-1)


@every_case
def test_one_finite_number_per_example_for_any_leading_shape(name: str, options: dict[str, Any]) -> None:
    loss = objective_of(name, options)
    logits, target = draw(SEEDS[0], 2, 3, 4, 5)
    values = loss(logits, target, 0.7)
    assert values.shape == (2, 3, 4)
    assert values.dtype == torch.float64
    assert values.isfinite().all()
    torch.testing.assert_close(loss(logits.reshape(24, 5), target.reshape(24, 5), 0.7).reshape(2, 3, 4), values)
    torch.testing.assert_close(loss(logits[1, 2, 3], target[1, 2, 3], 0.7), values[1, 2, 3])
    torch.testing.assert_close(loss(logits, target[0, 0], 0.7)[0, 0], values[0, 0])
    assert loss(logits[:0], target[:0], 0.7).shape == (0, 3, 4)


@every_case
def test_examples_do_not_depend_on_the_rest_of_the_batch(name: str, options: dict[str, Any]) -> None:
    loss = objective_of(name, options)
    logits, target = draw(SEEDS[0], 30, 4)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(SEEDS[0]))
    torch.testing.assert_close(loss(logits[order], target[order], 0.5), loss(logits, target, 0.5)[order])
    padded = torch.cat([logits, 1e3 * torch.ones(7, 4)]), torch.cat([target, torch.full((7, 4), 0.25)])
    torch.testing.assert_close(loss(*padded, 0.5)[:30], loss(logits, target, 0.5))


@every_case
def test_classes_in_any_order(name: str, options: dict[str, Any]) -> None:
    loss = objective_of(name, options)
    logits, target = draw(SEEDS[1], 20, 5)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(SEEDS[1]))
    permuted = loss(logits[:, order], target[:, order], 0.5)
    torch.testing.assert_close(permuted, loss(logits, target, 0.5), rtol=1e-10, atol=1e-10)
    log_probs = loss.probs(logits[:, order]).log()
    torch.testing.assert_close(log_probs, loss.probs(logits).log()[:, order], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(loss.probs(logits).sum(-1), torch.ones(20, dtype=torch.float64))


@every_case
def test_the_gradient_is_that_of_the_value(name: str, options: dict[str, Any]) -> None:
    if LOSSES[name].stops_gradient:
        pytest.skip("a part of the value is a constant to the gradient")
    loss = objective_of(name, options)
    logits, target = draw(SEEDS[2], 4, 3)
    assert torch.autograd.gradcheck(lambda z: loss(z, target, 0.5), (logits,))


@every_case
def test_the_loss_is_as_linear_as_declared(name: str, options: dict[str, Any]) -> None:
    loss, furthest = objective_of(name, options), 0.0
    for seed in SEEDS:
        logits, target = draw(seed, 30, 4)
        other = draw(seed + 1, 30, 4)[1]
        share = torch.rand(30, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        apart = share * loss(logits, target, 1.0) + (1 - share) * loss(logits, other, 1.0)
        together = loss(logits, share[:, None] * target + (1 - share)[:, None] * other, 1.0)
        furthest = max(furthest, (apart - together).abs().max().item())
    assert furthest < 1e-12 if loss.linear else furthest > 1e-4


@every_case
@pytest.mark.parametrize("classes", [3, 40])
def test_the_inputs_are_left_alone(name: str, options: dict[str, Any], classes: int) -> None:
    logits, target = draw(SEEDS[1], 20, classes)
    before = logits.detach().clone(), target.clone()
    objective_of(name, options)(logits, target, 0.5).sum().backward()
    assert torch.equal(logits.detach(), before[0])
    assert torch.equal(target, before[1])


@pytest.mark.parametrize("name", [name for name in LOSSES if LOSSES[name].token_function is not None])
def test_a_loss_of_tokens_is_a_weighted_sum_with_a_gradient(name: str) -> None:
    record = LOSSES[name]
    generator = torch.Generator().manual_seed(SEEDS[0])
    hidden = torch.randn(6, 5, generator=generator, dtype=torch.float64).requires_grad_()
    matrix = torch.randn(11, 5, generator=generator, dtype=torch.float64)
    label, prob = torch.arange(6), torch.rand(6, generator=generator, dtype=torch.float64)
    weight = torch.rand(6, generator=generator, dtype=torch.float64)
    params = record.params(record.section(type=name), of_texts=True)
    options = record.token_options_at({key: value for key, value in params.items() if key != "type"}, 0.5)
    result = function_of(record.token_function or "")(hidden, matrix, label, prob, token_weight=weight, **options)
    torch.testing.assert_close(result.total, (weight * result.per_token).sum())
    result.total.backward()
    assert hidden.grad is not None
    assert hidden.grad.isfinite().all()


# ---- plug-ins -------------------------------------------------------------------------------------------


class Misfit(LossSection):
    """KL(student || target)."""

    type: Literal["misfit"]
    floor: float = 1e-12


def misfit(logits: Tensor, target: Tensor, floor: float) -> Tensor:
    return (logits.softmax(-1) * (logits.log_softmax(-1) - target.clamp_min(floor).log())).sum(-1)


@pytest.fixture
def added(request: pytest.FixtureRequest) -> Iterator[str]:
    """A plug-in's loss with the given function."""
    LOSSES.add(LossRecord(Misfit, function=request.param))
    for model in (TrainingStage, Method, Experiment):
        model.model_rebuild(force=True)
    yield "misfit"
    LOSSES.remove("misfit")
    for model in (TrainingStage, Method, Experiment):
        model.model_rebuild(force=True)


def study_of(loss: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "plugin",
        "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 10, "half_b": 20, "test": 30}},
        "supervisors": {"words": {"type": "ngram"}},
        "student": {"model": "bundled:wordllama"},
        "methods": [{"name": "mine", "loss": loss}],
    }


@pytest.mark.parametrize("added", [misfit], indirect=True)
def test_a_loss_from_outside_is_read_and_becomes_a_step(added: str) -> None:
    study = build_study(read_experiment(study_of({"type": added, "floor": 1e-9})))
    losses = [step.params["loss"] for step in study.steps if step.name == "student"]
    assert {"type": added, "floor": 1e-9} in losses
    with pytest.raises(ConfigError, match="floor"):
        read_experiment(study_of({"type": added, "flor": 1}))
    objective = make_objective({"type": added, "floor": 1e-9}, SelfTraining(gamma_max=0.4).model_dump())
    assert not objective.linear
    logits, target = draw(SEEDS[0], 30, 4)
    own = torch.nn.functional.one_hot(logits.argmax(-1), 4).double()
    wanted = 0.7 * misfit(logits, target, 1e-9) + 0.3 * misfit(logits, own, 1e-9)
    torch.testing.assert_close(objective(logits, target, 0.75), wanted, rtol=1e-10, atol=1e-10)


def test_a_name_is_given_once_and_a_missing_one_is_suggested() -> None:
    with pytest.raises(ConfigError, match="`product`"):
        LOSSES.add(LOSSES["product"])
    with pytest.raises(ConfigError, match="`product`"):
        make_objective({"type": "prodct"}, None)


def summed(logits: Tensor, target: Tensor, floor: float) -> Tensor:
    return misfit(logits, target, floor).sum()


def not_a_number(logits: Tensor, target: Tensor, floor: float) -> Tensor:
    return misfit(logits, target, 0.0) * torch.nan


def detached(logits: Tensor, target: Tensor, floor: float) -> Tensor:
    return misfit(logits, target, floor).detach()


def failing(logits: Tensor, target: Tensor, floor: float) -> Tensor:
    raise ZeroDivisionError("by nothing")


def bare(logits: Tensor, target: Tensor, floor: float) -> object:
    return [0.0] * len(logits)


@pytest.mark.parametrize(
    ("added", "told"),
    [
        (summed, r"shape \[\] instead of \[30\]"),
        (not_a_number, "NaN"),
        (detached, "gradient"),
        (failing, "ZeroDivisionError: by nothing"),
        (bare, "list"),
    ],
    indirect=["added"],
)
def test_a_faulty_loss_is_named_with_its_file(added: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        make_objective({"type": added, "floor": 1e-12}, None)(*draw(SEEDS[0], 30, 4), 0.5)
    assert f"`{added}`" in str(caught.value)
    assert Path(__file__).name in str(caught.value)


def test_records_import_no_torch() -> None:
    code = "import sys, outgrow.losses; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
