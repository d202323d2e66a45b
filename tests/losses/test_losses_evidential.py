"""The evidential loss against equations 3 and 4 as the paper writes them, gradients too."""

import mpmath
import pytest
import textbook
import torch
from torch.nn.functional import one_hot
from torch.profiler import ProfilerActivity, profile

from drawn_seeds import SEEDS
from outgrow.losses.evidential import BLOCK, evidential, without_each

EVIDENCE = list(textbook.ALPHA)
KL = ["per_class", "mixed"]


def drawn(seed, rows, classes, scale=1.0):
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=draw, dtype=torch.float64) * scale
    target = torch.randn(rows, classes, generator=draw, dtype=torch.float64).softmax(-1)
    return logits.requires_grad_(), target


def with_gradient(loss, logits):
    pull = torch.linspace(-1, 2, loss.numel(), dtype=loss.dtype).reshape(loss.shape)
    return loss.detach(), torch.autograd.grad((loss * pull).sum(), logits)[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 7, 8, 40])
@pytest.mark.parametrize("kl", KL)
@pytest.mark.parametrize("evidence", EVIDENCE)
def test_agrees_with_the_textbook(evidence, kl, classes, seed):
    logits, target = drawn(seed, 60, classes)
    found = with_gradient(evidential(logits, target, evidence, kl, 0.7), logits)
    wanted = with_gradient(textbook.evidential(logits, target, evidence, kl, 0.7), logits)
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("kl", KL)
def test_concentrations_far_below_one_agree_as_well(kl, classes):
    logits, target = drawn(SEEDS[0], 60, classes)
    found = with_gradient(evidential(logits - 4, target, "exp", kl, 0.7), logits)
    wanted = with_gradient(textbook.evidential(logits - 4, target, "exp", kl, 0.7), logits)
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-10, atol=1e-10)


def test_the_target_is_a_constant():
    logits, target = drawn(SEEDS[0], 5, 3)
    assert not evidential(logits.detach(), target.requires_grad_()).requires_grad


@pytest.mark.parametrize("kl", KL)
@pytest.mark.parametrize("evidence", EVIDENCE)
def test_gradient_is_that_of_the_value(evidence, kl):
    logits, target = drawn(SEEDS[0], 4, 3, scale=2.0)
    assert torch.autograd.gradcheck(lambda z: evidential(z, target, evidence, kl, 1.0), (logits,))


@pytest.mark.parametrize("k", [0, 2])
@pytest.mark.parametrize("kl", KL)
@pytest.mark.parametrize("evidence", EVIDENCE)
def test_one_hot_target_gives_equation_3(evidence, kl, k):
    logits, _ = drawn(SEEDS[0], 20, 5)
    target = one_hot(torch.full((20,), k), 5).double()
    wanted = textbook.one_hot_evidential(textbook.ALPHA[evidence](logits), k, 0.3)
    torch.testing.assert_close(evidential(logits, target, evidence, kl, 0.3), wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("evidence", EVIDENCE)
def test_equation_4_is_linear_in_the_target_and_the_mixed_form_is_not(evidence):
    logits, first = drawn(SEEDS[0], 30, 4)
    second = first.flip(-1)
    blend = 0.3 * first + 0.7 * second

    def gap(kl):
        apart = 0.3 * evidential(logits, first, evidence, kl, 1.0) + 0.7 * evidential(
            logits, second, evidence, kl, 1.0
        )
        return (evidential(logits, blend, evidence, kl, 1.0) - apart).abs().max()

    assert gap("per_class") < 1e-12
    assert gap("mixed") > 1e-3


@pytest.mark.parametrize("kl", KL)
@pytest.mark.parametrize("evidence", EVIDENCE)
def test_class_order_does_not_matter(evidence, kl):
    logits, target = drawn(SEEDS[1], 30, 6)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(SEEDS[1]))
    found = with_gradient(evidential(logits, target, evidence, kl, 0.5), logits)
    moved = logits.detach()[:, order].requires_grad_()
    other = with_gradient(evidential(moved, target[:, order], evidence, kl, 0.5), moved)
    torch.testing.assert_close(found[0], other[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[1][:, order], other[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kl", KL)
@pytest.mark.parametrize("evidence", EVIDENCE)
def test_penalty_is_a_divergence(evidence, kl):
    logits, target = drawn(SEEDS[2], 200, 5, scale=3.0)
    penalty = evidential(logits, target, evidence, kl, 1.0) - evidential(logits, target, evidence, kl, 0.0)
    assert (penalty > -1e-12).all()


@pytest.mark.parametrize("evidence", ["exp_plus_one", "softplus", "relu"])
def test_no_misleading_evidence_costs_nothing(evidence):
    logits = torch.full((1, 4), -700.0, dtype=torch.float64)
    logits[0, 1] = 3.0
    target = one_hot(torch.tensor([1]), 4).double()
    bare = evidential(logits, target, evidence, "per_class", 0.0)
    torch.testing.assert_close(evidential(logits, target, evidence, "per_class", 1.0), bare, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [((4, 9, 3), (9, 3)), ((4, 9, 3), (4, 1, 3)), ((9, 3), (3,)), ((3,), (3,))])
def test_leading_shapes_broadcast(shape):
    draw = torch.Generator().manual_seed(SEEDS[0])
    logits = torch.randn(*shape[0], generator=draw, dtype=torch.float64).requires_grad_()
    target = torch.randn(*shape[1], generator=draw, dtype=torch.float64).softmax(-1)
    found = with_gradient(evidential(logits, target, kl_weight=0.4), logits)
    wanted = with_gradient(textbook.evidential(logits, target, "exp_plus_one", "per_class", 0.4), logits)
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-10, atol=1e-10)


def test_blocks_of_rows_do_not_show():
    logits, target = drawn(SEEDS[0], 3 * BLOCK // 50 + 7, 50)
    whole = with_gradient(evidential(logits, target), logits)
    tail = evidential(logits[-5:], target[-5:])
    torch.testing.assert_close(whole[0][-5:], tail.detach(), rtol=1e-13, atol=1e-13)
    assert whole[1].isfinite().all()


@pytest.mark.parametrize("classes", [2, 15, 1000])
@pytest.mark.parametrize("kl", KL)
@pytest.mark.parametrize("evidence", EVIDENCE)
@pytest.mark.parametrize(("dtype", "size"), [(torch.float32, 78.0), (torch.float32, 1e30), (torch.float64, 600.0)])
def test_extreme_logits_stay_finite(dtype, size, evidence, kl, classes):
    logits = torch.full((4, classes), -size, dtype=dtype)
    logits[0, 0], logits[1], logits[2], logits[3, ::2] = size, size, 0.0, size
    logits.requires_grad_()
    for target in (one_hot(torch.ones(4, dtype=torch.long), classes).to(dtype), torch.full((4, classes), 1 / classes)):
        loss, gradient = with_gradient(evidential(logits, target, evidence, kl, 1.0), logits)
        assert loss.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("kl", KL)
def test_twenty_thousand_classes_need_no_table_of_class_pairs(kl):
    # One float32 table [class, class] would be 1.6 GB; live memory stays within a few dozen rows of classes.
    logits, target = (tensor.detach().float() for tensor in drawn(SEEDS[0], 2, 20_000))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        loss, gradient = with_gradient(evidential(logits.requires_grad_(), target, kl=kl), logits)
    largest = max(event.nbytes() for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]")
    assert largest <= logits.numel() * 8  # the indices of `argmax` apart, no tensor is wider than the logits
    assert loss.isfinite().all()
    assert gradient.isfinite().all()


def exact_equation_4(logits, target, kl_weight):
    """Eq. 4 with alpha = exp(z) + 1, in as many digits as the largest evidence needs."""
    with mpmath.workdps(40 + int(max(abs(z) for z in logits))):
        alpha = [mpmath.exp(mpmath.mpf(z)) + 1 for z in logits]
        loss = mpmath.mpf(0)
        for k, share in enumerate(target):
            b = [mpmath.mpf(1) if j == k else a for j, a in enumerate(alpha)]
            total = mpmath.fsum(b)
            kl = mpmath.loggamma(total) - mpmath.loggamma(len(b)) - mpmath.fsum(mpmath.loggamma(a) for a in b)
            kl += mpmath.fsum((a - 1) * (mpmath.digamma(a) - mpmath.digamma(total)) for a in b)
            loss += share * (mpmath.log(mpmath.fsum(alpha)) - mpmath.log(alpha[k]) + kl_weight * kl)
        return float(loss)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_large_logits_keep_their_digits(dtype, tolerance):
    # The textbook form in float32 is wrong by more than a hundred here.
    rows = [[20.0, 19.0, -3.0], [60.0, 2.0, 5.0], [40.0, 40.0, 40.0], [-50.0, 30.0, 0.0]]
    target = [0.5, 0.25, 0.25]
    found = evidential(torch.tensor(rows, dtype=dtype), torch.tensor(target, dtype=dtype), kl_weight=1.0)
    wanted = torch.tensor([exact_equation_4(row, target, 1.0) for row in rows], dtype=torch.float64)
    torch.testing.assert_close(found.double(), wanted, rtol=tolerance, atol=0)


def test_half_precision_is_computed_in_single():
    logits, target = drawn(SEEDS[0], 10, 4)
    half = logits.detach().bfloat16().requires_grad_()
    loss, gradient = with_gradient(evidential(half, target.float()), half)
    assert (loss.dtype, gradient.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(loss, evidential(half.detach().float(), target.float()))


def test_sum_without_each_loses_no_small_remainder():
    values = torch.tensor([[1e20, 1.0, 2.0], [3.0, 1.0, 2.0]], dtype=torch.float64)
    found = without_each(values, values.argmax(-1, keepdim=True))
    assert found.tolist() == [[3.0, 1e20, 1e20], [3.0, 5.0, 4.0]]
