"""SLURP (Bastianelli et al. 2020): what is said to a home assistant, as text: 18 scenarios, 60 intents.

An intent is a scenario with an action. The published `intent` column lost the scenario in some rows, so intents are
made from `scenario` and `action` where these are given; the hub's mirror (recordings, of which only the transcript is
read) has the `intent` column alone, and its rows with a torn intent are left out.
"""

from outgrow.data.known import Example, Hub, KnownTask, Shape
from outgrow.data.table import Row
from outgrow.data.task import Part

ACTIONS = {
    "alarm": "query remove set",
    "audio": "volume_down volume_mute volume_other volume_up",
    "calendar": "query remove set",
    "cooking": "query recipe",
    "datetime": "convert query",
    "email": "addcontact query querycontact sendemail",
    "general": "greet joke quirky",
    "iot": "cleaning coffee hue_lightchange hue_lightdim hue_lightoff hue_lighton hue_lightup wemo_off wemo_on",
    "lists": "createoradd query remove",
    "music": "dislikeness likeness query settings",
    "news": "query",
    "play": "audiobook game music podcasts radio",
    "qa": "currency definition factoid maths stock",
    "recommendation": "events locations movies",
    "social": "post query",
    "takeaway": "order query",
    "transport": "query taxi ticket traffic",
    "weather": "query",
}
INTENTS = tuple(f"{scenario}_{action}" for scenario, actions in ACTIONS.items() for action in actions.split())
_HUB = Hub("marcel-gohsen/slurp", columns=("transcript", "intent"))
_PARTS: dict[str, Part] = {"train": "train", "devel": "train", "validation": "train", "test": "test"}


def _spoken(transcript: str, gold: str, intent: str) -> Example | None:
    return Example(transcript, gold) if intent in INTENTS else None


def _scenario(row: Row) -> Example | None:
    return Example(row["sentence"], row["scenario"])


def _intent(row: Row) -> Example | None:
    return Example(row["sentence"], f"{row['scenario']}_{row['action']}")


SLURP_SCENARIO = KnownTask(
    name="slurp_scenario",
    title="SLURP: which of 18 scenarios an utterance belongs to",
    kind="classify",
    classes=tuple(ACTIONS),
    licence="CC BY 4.0 (text)",
    hub=_HUB,
    parts=_PARTS,
    shapes=(
        Shape("sentence scenario action", _scenario),
        Shape("transcript intent", lambda r: _spoken(r["transcript"], r["intent"].split("_")[0], r["intent"])),
    ),
    ignore=("synthetic",),
)

SLURP_INTENT = KnownTask(
    name="slurp_intent",
    title="SLURP: which of 60 intents an utterance has",
    kind="classify",
    classes=INTENTS,
    licence="CC BY 4.0 (text)",
    hub=_HUB,
    parts=_PARTS,
    shapes=(
        Shape("sentence scenario action", _intent),
        Shape("transcript intent", lambda r: _spoken(r["transcript"], r["intent"], r["intent"])),
    ),
    ignore=("synthetic",),
)
