"""Token losses on a CUDA device against the same on the CPU."""

import pytest
import torch

from outgrow.losses.tokens import evidential_token_loss, soft_label_loss

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

LOSSES = {
    "soft_label": (soft_label_loss, {"self_training": 0.2}),
    "mixed": (evidential_token_loss, {}),
    "per_class": (evidential_token_loss, {"kl": "per_class", "self_training": 0.2}),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def outcome(name, hidden, weight, label, prob, token_weight):
    """Losses, then gradients, on the CPU in float64."""
    loss, options = LOSSES[name]
    hidden, weight = (x.detach().clone().requires_grad_() for x in (hidden, weight))
    got = loss(hidden, weight, label, prob, token_weight=token_weight, **options)
    got.total.backward()
    return [x.double().cpu() for x in (got.per_token, got.total.detach(), hidden.grad, weight.grad)]


def draw(tokens: int, dim: int, vocab: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(tokens, dim, generator=generator)
    weight = torch.randn(vocab, dim, generator=generator) * 3 / dim**0.5
    label, prob = torch.randint(vocab, (tokens,), generator=generator), torch.rand(tokens, generator=generator)
    token_weight = torch.rand(tokens, generator=generator)
    token_weight[::5] = 0
    return [hidden, weight, label, prob, token_weight]


@every_loss
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 3e-2)])
def test_cuda_equals_the_cpu_in_float64(name, dtype, tolerance):
    batch = draw(300, 64, 20_000)
    batch[:2] = [x.to(dtype) for x in batch[:2]]
    got = outcome(name, *(x.cuda() for x in batch))
    batch[:2] = [x.double() for x in batch[:2]]
    for a, b in zip(got, outcome(name, *batch), strict=True):
        assert (a - b).abs().max() <= tolerance * b.abs().max()


@every_loss
def test_memory_stays_below_one_copy_of_the_logits(name):
    batch = [x.cuda() for x in draw(8192, 256, 128_256)]
    batch[:2] = [x.bfloat16().requires_grad_() for x in batch[:2]]
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    loss, options = LOSSES[name]
    loss(*batch[:4], token_weight=batch[4], **options).total.backward()
    assert torch.cuda.max_memory_allocated() - before < 8192 * 128_256 * 2 / 2
