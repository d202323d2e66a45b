"""SLURP (Bastianelli et al. 2020): utterances to a home assistant, as text: 18 scenarios, 60 intents, 55 slot types.

An intent is a scenario with an action. The published `intent` column lost the scenario in some rows, so intents are
made from `scenario` and `action` where these are given; the hub's mirror (recordings, of which only the transcript is
read) has the `intent` column alone, and its rows with a torn intent are left out.

`slurp_slots` asks for an utterance's slots as JSON, in the order of the utterance. A filler is its tokens with a
space between them, in lower case (`today 's`), as in the authors' scorer, and an utterance without slots has `{}`.
Another mirror on the hub writes slots into the sentence (`set it for [time : five pm]`); there clitics that SLURP's
tokens split off are split off by their letters, which gives the same fillers but for two of 5007 utterances.
"""

import re

from outgrow.data.published_task import HubSource, PublishedTask, RowShape, TaskExample
from outgrow.data.task import Part
from outgrow.metrics.slu_f1 import Slot, write_slots
from outgrow.readers.source_table import Row

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
_BRACKETS = re.compile(r"\[([^\[\]:]+) : ([^\[\]]+)\]")
_CLITIC = re.compile(r"(?<=\w)(?='(?:s|m|re|ve|ll|d)\b|n't\b)")
_HUB = HubSource("marcel-gohsen/slurp", columns=("transcript", "intent"))
_PARTS: dict[str, Part] = {"train": "train", "devel": "train", "validation": "train", "test": "test"}


def _spoken(transcript: str, gold: str, intent: str) -> TaskExample | None:
    return TaskExample(transcript, gold) if intent in INTENTS else None


def _slots(row: Row) -> TaskExample:
    """From SLURP's own files: entities are spans of token numbers."""
    words = {token["id"]: token["surface"] for token in row["tokens"]}
    entities = sorted(row["entities"], key=lambda entity: entity["span"][0])
    slots = [
        Slot(entity["type"], " ".join(words[token_id] for token_id in entity["span"]).lower()) for entity in entities
    ]
    return TaskExample(row["sentence"], write_slots(slots))


def _annotated_slots(row: Row) -> TaskExample:
    """From sentences with slots in brackets."""
    brackets = _BRACKETS.findall(row["annotation"])
    slots = [Slot(name.strip(), _CLITIC.sub(" ", filler.strip()).lower()) for name, filler in brackets]
    return TaskExample(row["sentence"], write_slots(slots))


def _scenario(row: Row) -> TaskExample | None:
    return TaskExample(row["sentence"], row["scenario"])


def _intent(row: Row) -> TaskExample | None:
    return TaskExample(row["sentence"], f"{row['scenario']}_{row['action']}")


SLURP_SCENARIO = PublishedTask(
    name="slurp_scenario",
    title="SLURP: which of 18 scenarios an utterance belongs to",
    kind="classify",
    classes=tuple(ACTIONS),
    licence="CC BY 4.0 (text)",
    hub=_HUB,
    parts=_PARTS,
    shapes=(
        RowShape("sentence scenario action", _scenario),
        RowShape("transcript intent", lambda r: _spoken(r["transcript"], r["intent"].split("_")[0], r["intent"])),
    ),
    ignore=("synthetic",),
)

SLURP_INTENT = PublishedTask(
    name="slurp_intent",
    title="SLURP: which of 60 intents an utterance has",
    kind="classify",
    classes=INTENTS,
    licence="CC BY 4.0 (text)",
    hub=_HUB,
    parts=_PARTS,
    shapes=(
        RowShape("sentence scenario action", _intent),
        RowShape("transcript intent", lambda r: _spoken(r["transcript"], r["intent"], r["intent"])),
    ),
    ignore=("synthetic",),
)

SLURP_SLOTS = PublishedTask(
    name="slurp_slots",
    title="SLURP: the slots of an utterance as JSON",
    kind="generate",
    classes=(),
    licence="CC BY 4.0 (text)",
    hub=HubSource("qmeeus/slurp", columns=("sentence", "annotation")),
    parts=_PARTS,
    shapes=(RowShape("sentence tokens entities", _slots), RowShape("sentence annotation", _annotated_slots)),
    ignore=("synthetic",),
    metric="slu_f1",
    template="Somebody said this to a home assistant. Find what each part of it is, among these types:\n{types}\n"
    'Write one JSON object such as {{"type": "words of the request"}} and nothing else; write {{}} if no type fits.\n'
    "{text}",
)
