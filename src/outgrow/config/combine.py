"""The key `combine`: any combiner of `combiners.COMBINERS`."""

from typing import Annotated

from pydantic import BeforeValidator

from outgrow.combiners import COMBINERS, in_full
from outgrow.combiners.combiner_record import CombinerSection
from outgrow.extensions import OneOf

Combine = Annotated[CombinerSection, OneOf(COMBINERS), BeforeValidator(in_full)]
