"""`averaged`: the mean posterior of combiners that fail in different ways (`average_fit.py`)."""

from typing import Annotated, Literal

from pydantic import Field

from outgrow.combiners.combiner_record import CombinerRecord, HardVotesSection


class Averaged(HardVotesSection):
    """The mean posterior of label models that learn how sources err, and of one that stays near the mean vote."""

    type: Literal["averaged"]
    members: dict[str, Annotated[float, Field(gt=0)]] | None = None
    """Combiners, or `single: SOURCE`, with their weights. By default `bwa` has 0.55 of the weight and the models have
    the rest; of five sources or fewer `vote` has one half, and in a panel of rules `vote` and `rule_vote` have a half
    each."""


AVERAGED = CombinerRecord(
    Averaged, paper="ours; Bates & Granger 1969", fit="outgrow.combiners.average_fit:fit_averaged"
)
