"""`auto`: the combiner with the best held-out gold or held-out votes (`combiner_choice.py`)."""

from typing import Literal

from outgrow.combiners.combiner_record import CombinerRecord, HardVotesSection


class Auto(HardVotesSection):
    """Selects the combiner by held-out gold of the anchors, or, if there is too little, by held-out votes."""

    type: Literal["auto"]


AUTO = CombinerRecord(Auto, paper="ours", choose="outgrow.combiners.combiner_choice:choose")
