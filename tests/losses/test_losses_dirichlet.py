"""phi_c and its slope against forty-digit arithmetic; the maps from logits to concentrations."""

import mpmath
import pytest
import torch
from scipy import special
from textbook import ALPHA

from outgrow.losses.dirichlet import CONCENTRATIONS, log_dirichlet_mean, phi

ARGUMENTS = [1e-30, 1e-10, 1e-3, 0.3, 1.0, 1.0001, 1.7, 2.0, 3.9, 4.1, 7.9, 8.1, 20.0, 1e3, 1e7, 1e15, 1e30]
TOLERANCE = {torch.float64: 5e-14, torch.float32: 3e-6}


def exact(x: float, c: float) -> tuple[float, float]:
    with mpmath.workdps(80):
        a, b = mpmath.mpf(x), mpmath.mpf(c)
        value = mpmath.loggamma(a) - mpmath.loggamma(b) - (a - b) * (mpmath.digamma(a) - 1)
        return float(value), float(a * (1 - (a - b) * mpmath.polygamma(1, a)))


@pytest.mark.parametrize("c", [1.0, 2.0, 5.0, 15.0, 1000.0])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_phi_and_slope_keep_their_digits_from_1e_minus_30_to_1e30(dtype, c):
    x = torch.tensor(ARGUMENTS, dtype=dtype)
    found = phi(x, c)
    expected = torch.tensor([exact(float(value), c) for value in x], dtype=torch.float64)
    # phi_c(x) is a difference of terms of order c: that is the scale its errors are measured on.
    for got, wanted in ((found.value, expected[:, 0]), (found.slope, expected[:, 1])):
        error = (got.double() - wanted).abs() / wanted.abs().clamp_min(c)
        assert error.max() < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("c", [9.0, 40.0])
def test_large_arguments_need_no_shift(dtype, c):
    x = torch.logspace(1, 12, 50, dtype=dtype)
    plain, quick = phi(x, c), phi(x, c, at_least=8.0)
    torch.testing.assert_close(plain.value, quick.value, rtol=TOLERANCE[dtype], atol=c * TOLERANCE[dtype])
    torch.testing.assert_close(plain.slope, quick.slope, rtol=TOLERANCE[dtype], atol=c * TOLERANCE[dtype])


@pytest.mark.parametrize("c", [1.0, 2.0, 30.0])
def test_phi_vanishes_at_its_constant(c):
    assert phi(torch.tensor([c], dtype=torch.float64), c).value.abs() < 1e-12


@pytest.mark.parametrize("evidence", CONCENTRATIONS)
def test_concentrations_and_their_slopes(evidence):
    z = torch.linspace(-30, 30, 120, dtype=torch.float64).requires_grad_()
    alpha = ALPHA[evidence](z)
    (slope,) = torch.autograd.grad(alpha.log().sum(), z)
    found = CONCENTRATIONS[evidence](z.detach())
    torch.testing.assert_close(found.alpha, alpha.detach(), rtol=1e-13, atol=0)
    torch.testing.assert_close(found.log_alpha, alpha.detach().log(), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(found.slope, slope, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("evidence", CONCENTRATIONS)
def test_mean_is_alpha_over_its_sum_and_finite_for_large_logits(evidence):
    z = torch.tensor([[0.2, -1.3, 2.5], [4.0, 4.0, -4.0]], dtype=torch.float64)
    alpha = ALPHA[evidence](z)
    torch.testing.assert_close(
        log_dirichlet_mean(z, evidence).exp(), alpha / alpha.sum(-1, keepdim=True), rtol=1e-13, atol=0
    )
    assert log_dirichlet_mean(1000 * z, evidence).isfinite().all()


def test_mean_of_exp_is_the_softmax():
    z = torch.tensor([[0.2, -1.3, 2.5]], dtype=torch.float64)
    torch.testing.assert_close(log_dirichlet_mean(z, "exp").exp(), torch.as_tensor(special.softmax(z.numpy(), 1)))
