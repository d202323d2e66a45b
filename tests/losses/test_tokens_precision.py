"""Token losses where float64 brute force has no digits left, and in float32, against mpmath and float64."""

from functools import partial

import mpmath
import pytest
import torch
from torch import Tensor

from outgrow.losses.evidence_series import own_term, polynomial, total_term
from outgrow.losses.token_evidence import evidential_rows
from outgrow.losses.token_targets import soft_label_rows

mpmath.mp.dps = 60


def evidential(rest="student", self_training=0.0, kl="mixed", kl_weight=1.0):
    return partial(
        evidential_rows, rest=rest, self_training=self_training, kl=kl, kl_weight=kl_weight, annealing=1.0, clamp=1e30
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 3e-7), (torch.float64, 1e-12)])
def test_own_term_from_no_evidence_to_all(dtype, tolerance):
    said = torch.logspace(-12, 30, 85, dtype=dtype)
    got = own_term(said)
    for e, value, slope in zip(said.tolist(), got.value.tolist(), got.slope.tolist(), strict=True):
        e = mpmath.mpf(e)
        want = e * mpmath.digamma(1 + e) - mpmath.loggamma(1 + e) - e
        want_slope = e * (e * mpmath.psi(1, 1 + e) - 1)
        assert value == pytest.approx(float(want), rel=tolerance)
        assert slope == pytest.approx(float(want_slope), rel=tolerance)


@pytest.mark.parametrize("vocab", [8, 9, 30, 1000, 50_257])
def test_total_term_for_every_vocabulary(vocab):
    series = total_term(vocab)
    for exponent in range(-4, 30):
        total = mpmath.mpf(10) ** exponent
        strength = vocab + total
        w = torch.tensor(float(vocab / strength), dtype=torch.float64)
        value = series.scale * float(mpmath.log(strength / vocab)) + float(polynomial(w, series.value))
        want = mpmath.loggamma(strength) - mpmath.loggamma(vocab) - total * mpmath.digamma(strength) + total
        assert value == pytest.approx(float(want), rel=1e-11, abs=1e-11)
        slope = float(w * polynomial(w, series.slope))
        assert slope == pytest.approx(float(1 - total * mpmath.psi(1, strength)), rel=1e-11)


def exact_divergence(evidence: list) -> mpmath.mpf:
    alpha = [1 + e for e in evidence]
    total, n = sum(alpha), len(alpha)
    inner = sum((a - 1) * (mpmath.digamma(a) - mpmath.digamma(total)) for a in alpha)
    return mpmath.loggamma(total) - mpmath.loggamma(n) - sum(map(mpmath.loggamma, alpha)) + inner


def exact_evidential(logits: list[float], label: int, prob: float, kl: str) -> tuple[float, list[float]]:
    """Loss and gradient of one row by their definitions, target from the student's own distribution."""
    e = [mpmath.exp(mpmath.mpf(z)) for z in logits]
    t, others = mpmath.mpf(prob), sum(e) - e[label]
    y = [t if k == label else (1 - t) * x / others for k, x in enumerate(e)]
    n, total = len(e), sum(e) + len(e)

    def slopes(kept):
        strength = n + sum(kept)
        return [x * (x * mpmath.psi(1, 1 + x) - sum(kept) * mpmath.psi(1, strength)) for x in kept]

    loss = sum(a * (mpmath.log(total) - mpmath.log(1 + x)) for a, x in zip(y, e, strict=True))
    gradient = [x / total - a * x / (1 + x) for a, x in zip(y, e, strict=True)]
    if kl == "mixed":
        cases = [(mpmath.mpf(1), [(1 - a) * x for a, x in zip(y, e, strict=True)])]
    else:
        cases = [(y[k], [mpmath.mpf(0) if j == k else x for j, x in enumerate(e)]) for k in range(n)]
    for share, kept in cases:
        loss += share * exact_divergence(kept)
        gradient = [g + share * s for g, s in zip(gradient, slopes(kept), strict=True)]
    return float(loss), [float(g) for g in gradient]


@pytest.mark.parametrize("kl", ["mixed", "per_class"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-11)])
@pytest.mark.parametrize("scale", [0.01, 3.0, 15.0, 30.0])
def test_evidential_rows_are_exact_at_any_scale(scale, dtype, tolerance, kl):
    draw = torch.Generator().manual_seed(round(100 * scale))
    logits = (torch.randn(6, 12, generator=draw) * scale).clamp(-70, 70)
    label = torch.randint(12, (6,), generator=draw)
    label[:2] = logits[:2].argmax(1)
    prob = torch.tensor([1.0, 0.9, 0.0, 1e-6, 1 - 2**-20, 0.5])
    gradient = logits.to(dtype, copy=True)
    loss = evidential(kl=kl)(gradient, label, prob)
    for row in range(6):
        want, slopes = exact_evidential(logits[row].tolist(), int(label[row]), float(prob[row]), kl)
        assert float(loss[row]) == pytest.approx(want, rel=tolerance, abs=tolerance)
        largest = max(map(abs, slopes))
        assert gradient[row].tolist() == pytest.approx(slopes, abs=tolerance * max(largest, 1e-3))


ROWS = {
    "soft_label": partial(soft_label_rows, rest="student", self_training=0.0),
    "soft_label_self": partial(soft_label_rows, rest="student", self_training=0.3),
    "target_only": partial(soft_label_rows, rest="target_only", self_training=0.0),
    "mixed": evidential(kl_weight=1e-4),
    "mixed_self": evidential(kl_weight=1e-4, self_training=0.3),
    "mixed_heavy": evidential(),
    "per_class": evidential(kl="per_class", kl_weight=1e-4),
    "per_class_heavy": evidential(kl="per_class", self_training=0.3),
}


def draw_rows(seed: int, vocab: int, shift: float, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(8, vocab, generator=draw) * scale + shift
    label = torch.randint(vocab, (8,), generator=draw)
    label[:3] = logits[:3].argmax(1)
    prob = torch.rand(8, generator=draw)
    prob[[0, 1, 4]] = torch.tensor([1.0, 0.0, 1 - 1e-7])
    return logits, label, prob


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (0, 4), (-30, 3), (10, 5), (-3, 0.01), (0, 12)])
def test_float32_agrees_with_float64_of_the_same_logits(name, shift, scale):
    logits, label, prob = draw_rows(shift + 40, 20_000, shift, scale)
    small, large = logits.clone(), logits.double()
    got, want = ROWS[name](small, label, prob), ROWS[name](large, label, prob)
    # With a heavy weight and hardly any evidence, loss and gradient are small differences.
    heavy = name.endswith("heavy")
    assert ((got - want).abs() <= (3e-6 if heavy else 1e-6) * want.abs().clamp(min=1)).all()
    error = (small - large).abs().amax(1) / large.abs().amax(1).clamp(min=1e-4)
    assert error.max() <= (1e-5 if heavy else 4e-6)
