"""Losses: pure functions of logits and targets, one number per example, no reduction.

A new loss is one file with its options, its function and its `LossRecord`, and one row in `LOSSES`. Every loss takes
`(logits, target, **options)` with classes in the last dimension and any leading shape. Every row is checked by
`tests/losses/test_loss_registry.py`.
"""

from collections.abc import Iterator
from typing import Annotated

from outgrow.extensions import OneOf, Registry
from outgrow.losses.adaptconf import ADAPTCONF
from outgrow.losses.evidential_record import EVIDENTIAL
from outgrow.losses.loss_record import LossRecord, LossSection
from outgrow.losses.marginal_likelihood import MARGINAL_LIKELIHOOD
from outgrow.losses.reverse_losses import (
    CONFIDENCE_ADAPTIVE_CROSS_ENTROPY,
    REVERSE_CROSS_ENTROPY,
    REVERSE_KL,
    SYMMETRIC_CROSS_ENTROPY,
)
from outgrow.losses.softmax_losses import CROSS_ENTROPY, GENERALIZED_CROSS_ENTROPY, PRODUCT
from outgrow.text_format import listed

LOSSES: Registry[LossRecord] = Registry(
    "loss",
    LossRecord,
    [
        CROSS_ENTROPY,
        EVIDENTIAL,
        GENERALIZED_CROSS_ENTROPY,
        PRODUCT,
        MARGINAL_LIKELIHOOD,
        ADAPTCONF,
        REVERSE_KL,
        REVERSE_CROSS_ENTROPY,
        SYMMETRIC_CROSS_ENTROPY,
        CONFIDENCE_ADAPTIVE_CROSS_ENTROPY,
    ],
)
Loss = Annotated[LossSection, OneOf(LOSSES)]
"""The section of any loss."""


def text_loss_complaints(key: str, loss: LossSection) -> Iterator[str]:
    """Options of a loss that a student of texts cannot have; the sentences begin with `key`."""
    record = LOSSES.of(loss)
    if not record.of_texts:
        names = listed([name for name, entry in LOSSES.items() if entry.of_texts])
        yield f"{key} `{record.name}` is for classes; texts have {names}"
        return
    for name in record.class_only:
        value, default = getattr(loss, name), type(loss).model_fields[name].default
        if value != default:
            yield f"{key.rstrip(':')}.{name}: `{value}` is for classes; tokens have `{default}`"


__all__ = ["LOSSES", "Loss", "LossRecord", "LossSection", "text_loss_complaints"]
