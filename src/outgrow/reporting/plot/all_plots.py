"""The report's plots, each for a wide page and for a telephone: `PLOTS[name](results, width)` gives SVG or None.

None: there is nothing to draw (one supervisor has no agreement). Colours are told apart with any colour vision, and
never carry meaning alone: bars are labelled, variants stand in a fixed order, cells hold their numbers.
"""

from collections.abc import Callable, Mapping

from outgrow.reporting.plot.agreement import agreement
from outgrow.reporting.plot.cloud import cloud
from outgrow.reporting.plot.copying import copying
from outgrow.reporting.plot.curves import curve_noise, curve_share
from outgrow.reporting.plot.labels import consistency, labels, reward_models, selections
from outgrow.reporting.plot.pgr import pgr
from outgrow.reporting.plot.picture import picture
from outgrow.reporting.plot.plane import plane
from outgrow.reporting.plot.reliability import reliability
from outgrow.reporting.plot.slots import slot_types
from outgrow.reporting.plot.transfer import transfer
from outgrow.reporting.results import Results

PLOTS: Mapping[str, Callable[[Results, int], str | None]] = {
    "study": picture,
    "pgr": pgr,
    "plane": plane,
    "slot_types": slot_types,
    "transfer": transfer,
    "curve_noise": curve_noise,
    "curve_share": curve_share,
    "agreement": agreement,
    "labels": labels,
    "selections": selections,
    "cloud": cloud,
    "reward_models": reward_models,
    "consistency": consistency,
    "error_copying": copying,
    "reliability": reliability,
}
