"""The settings of `outgrow ask`: judges, their prompts, and what they may answer."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from outgrow.config.device import Device
from outgrow.config.experiment import Supervisor
from outgrow.config.load import load_tree, read_section
from outgrow.config.messages import FileLocation
from outgrow.config.override import Word
from outgrow.config.paths import ANSWERS, STORE, seen_from
from outgrow.config.section import Name, Section, Seed, SourceName, complaint
from outgrow.config.yaml_text import unshared
from outgrow.errors import suggest

Text = Annotated[str, Field(min_length=1)]
MOST_GRADES = 101


SCALE = re.compile(r"\s*(\d+)\s*(?:-|–|\.\.)\s*(\d+)\s*")
Grade = Annotated[int, Field(ge=0)]


class AskedColumns(Section):
    """The roles of the columns of the items' file. A text is a column, or several in a template, `{title}: {body}`."""

    text: Text = "text"
    """The item's text."""
    first: Text = "first"
    """*pairs*: the first text."""
    second: Text = "second"
    """*pairs*: the second text."""
    id: str | None = None
    """The column of ids. Default: a column with a usual name, else the row's number, from 0."""


class AskSettings(Section):
    """The settings of `outgrow ask`, a YAML file."""

    supervisors: Annotated[dict[SourceName, Supervisor], Field(min_length=1)]
    """The judges, as in a study: models behind servers (`type: endpoint`), or models of this machine, which answer
    untrained."""
    prompts: dict[Name, Text] = {}
    """Prompts, by names of your choice, with columns of the items in braces: `{text}` is the item's text, of pairs
    `{first}` and `{second}`. Choices and the form of the answer are added. Several prompts of a judge are several
    sources, `JUDGE/PROMPT`. Default: one prompt, the text itself."""
    asks: dict[SourceName, list[Name]] = {}
    """By judge, the names of its prompts; default: all of them."""
    classes: list[Text] | None = None
    """The classes in order."""
    scale: tuple[Grade, Grade] | None = None
    """The lowest and the highest grade: `1-5`."""
    pairs: bool = False
    """Items are pairs of texts; every judge is asked in both orders, which are the sources `JUDGE/ab` and `JUDGE/ba`.
    The classes are `A` (the first text is better) and `B`."""
    items: AskedColumns = AskedColumns()
    samples: Annotated[int, Field(ge=1, le=128)] = 1
    """Answers per question of a server without `logprobs`; their shares are the vote."""
    temperature: Annotated[float, Field(ge=0)] = 1.0
    """Of several samples; a single answer has the temperature 0."""
    seed: Seed = 0
    """Of the samples."""
    budget: Annotated[float, Field(gt=0)] | None = None
    """The most that all judges together may cost, in the currency of their `prices`, with their earlier answers in
    the same `answers` folder. No request is sent beyond it."""
    store: Path = STORE
    """Folder of the finished steps, by default in the file's folder."""
    answers: Path = ANSWERS
    """Folder of `answers.sqlite`, the responses of servers, by default in the file's folder."""
    device: Device = "auto"
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_its_ends(cls, tree: Any) -> Any:
        found = SCALE.fullmatch(str(tree.get("scale"))) if isinstance(tree, dict) else None
        return {**tree, "scale": [int(end) for end in found.groups()]} if found else tree

    @model_validator(mode="after")
    def _is_one_question(self) -> "AskSettings":
        for sentence in _complaints(self):
            raise complaint(sentence)
        return self

    def prompts_of(self, judge: str) -> dict[str, str | None]:
        """The templates of a judge by the names of its sources; `None` is the default prompt."""
        names = self.asks.get(judge, list(self.prompts))
        if len(names) < 2:
            return {judge: self.prompts[names[0]] if names else None}
        return {f"{judge}/{name}": self.prompts[name] for name in names}


def _complaints(settings: AskSettings) -> Iterator[str]:
    given = [settings.classes is not None, settings.scale is not None, settings.pairs]
    if sum(given) != 1:
        yield "give one of `classes` (--classes yes,no), `scale` (--scale 1-5) and `pairs` (--pairs)"
    if settings.classes is not None and len(set(settings.classes)) < max(2, len(settings.classes)):
        yield "classes: name at least two classes, each once"
    if settings.scale is not None and not 0 < settings.scale[1] - settings.scale[0] < MOST_GRADES:
        yield f"scale: write the lowest and the highest grade, such as `1-5`; at most {MOST_GRADES} grades"
    for judge, names in settings.asks.items():
        if judge not in settings.supervisors:
            yield f"asks.{judge}: there is no such supervisor; {suggest(judge, settings.supervisors)}"
        if not names or len(set(names)) < len(names):
            yield f"asks.{judge}: name at least one prompt, each once"
        for name in names:
            if name not in settings.prompts:
                yield f"asks.{judge}: there is no prompt `{name}`; {suggest(name, settings.prompts)}"


def read_ask(
    source: str | Path | Mapping[str, Any], words: Sequence[Word] = (), prompt: str | None = None
) -> tuple[AskSettings, FileLocation]:
    """Settings from a YAML file or a mapping with its content, and where they are for messages.

    Paths in a file are relative to its folder, those in `words` to the working directory; `prompt` replaces the
    prompts of the file. Raises `ConfigError`.
    """
    folder, (tree, place) = (
        Path(),
        (unshared(source), FileLocation("judges")) if isinstance(source, Mapping) else (load_tree(Path(source))),
    )
    if not isinstance(source, Mapping):
        folder = Path(source).parent
    tree = seen_from(folder, tree, AskSettings)
    tree = {"store": str(folder / STORE), "answers": str(folder / ANSWERS), **tree}
    if prompt is not None:
        tree = {**tree, "prompts": {"prompt": prompt}, "asks": {}}
    return read_section(AskSettings, tree, words, place), place
