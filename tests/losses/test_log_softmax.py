"""log softmax on both sides of the width at which its layout changes."""

import pytest
import torch

from drawn_seeds import SEEDS
from outgrow.losses.softmax_losses import log_softmax


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5,), (7, 2), (3, 0, 4), (2, 3, 7), (6, 8), (6, 15), (6, 16), (2, 3, 100)])
def test_agrees_with_pytorchs_own(shape, dtype):
    draw = torch.Generator().manual_seed(SEEDS[0])
    logits = (torch.randn(*shape, generator=draw, dtype=dtype) * 20).requires_grad_()
    pull = torch.randn(*shape, generator=draw, dtype=dtype)
    found, wanted = log_softmax(logits), logits.log_softmax(-1)
    torch.testing.assert_close(found, wanted)
    gradients = [torch.autograd.grad((loss * pull).sum(), logits)[0] for loss in (found, wanted)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("classes", [3, 50])
def test_large_logits_keep_their_digits(classes):
    logits = torch.zeros(2, classes)
    logits[0, 0], logits[1] = 1e4, 1e4
    found = log_softmax(logits)
    assert found[0].tolist() == [0.0] + [-1e4] * (classes - 1)
    torch.testing.assert_close(found[1], torch.full((classes,), 1 / classes).log())
