"""The report's plots, each for a wide page and for a telephone: `PLOTS[name](results, width)` gives SVG or None.

None: there is nothing to draw (one supervisor has no agreement). Colours are told apart with any colour vision, and
never carry meaning alone: bars are labelled, variants stand in a fixed order, cells hold their numbers.
"""

from collections.abc import Callable, Mapping

from outgrow.report.plot.agreement import agreement
from outgrow.report.plot.cloud import cloud
from outgrow.report.plot.copying import copying
from outgrow.report.plot.curves import curve_noise, curve_share
from outgrow.report.plot.labels import consistency, labels, reward_models, selections
from outgrow.report.plot.pgr import pgr
from outgrow.report.plot.picture import picture
from outgrow.report.plot.plane import plane
from outgrow.report.plot.reliability import reliability
from outgrow.report.plot.slots import slot_types
from outgrow.report.plot.transfer import transfer
from outgrow.report.results import Results

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
