"""Refiners: weak labels that are texts, rewritten by the strong model.

A new refiner is one file with its options, its function and its `RefinerRecord`, and one row in `REFINERS`.
"""

from typing import Annotated

from outgrow.extensions import OneOf, Registry
from outgrow.refine.refiner_record import RefinerRecord, RefinerSection
from outgrow.refine.refiners import ASK_TO_IMPROVE, ICL, INFER_AND_RESPOND, SELF_BOOTSTRAP

REFINERS: Registry[RefinerRecord] = Registry(
    "refiner", RefinerRecord, [ICL, INFER_AND_RESPOND, ASK_TO_IMPROVE, SELF_BOOTSTRAP]
)
Refine = Annotated[RefinerSection, OneOf(REFINERS)]
"""The section of any refiner."""

__all__ = ["REFINERS", "Refine", "RefinerRecord", "RefinerSection"]
