"""`auto`: the combiner with the best held-out gold, or the mean of several (`combiner_choice.py`)."""

from typing import Literal

from outgrow.combiners.combiner_record import CombinerRecord, HardVotesSection


class Auto(HardVotesSection):
    """Selects the combiner by held-out gold, or, if there is too little, takes the mean of several (`averaged`)."""

    type: Literal["auto"]


AUTO = CombinerRecord(Auto, paper="ours", choose="outgrow.combiners.combiner_choice:choose")
