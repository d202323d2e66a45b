"""Which column is what, from `VoteColumns` and the usual names.

Names are compared in lower case, with blanks, dots and dashes as underscores. Of the usual names of a part exactly one
may stand in the header; a weak one (`id`, `value`) counts only where no other does. With a source and something said
the table is long; its item may be the one column that has no other part. With an item and neither it is wide: every
column without another part is a source, except those whose names promise running text, seconds or a price. Anything
else is not guessed: the error lists the columns.
"""

import re
from collections.abc import Sequence, Set
from typing import Any, NamedTuple

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, suggest
from outgrow.phrases import listed
from outgrow.supervise.files.sheet import Sheet

USUAL = {
    "item": ("item item_id itemid task task_id taskid example example_id unit unit_id sample sample_id question_id"
             " doc document doc_id document_id record record_id instance instance_id object object_id hit hit_id"),
    "source": ("source source_id worker worker_id workerid annotator annotator_id rater rater_id labeler labeller"
               " labeler_id coder coder_id judge user user_id model labeling_function rule expert completed_by"),
    "label": "label vote answer annotation response judgment judgement choice prediction said category class",
    "probability": "probabilities probs distribution soft_label soft_labels class_probabilities",
    "confidence": "confidence probability prob",
    "seconds": "seconds duration lead_time elapsed time_spent time_seconds work_time worktimeinseconds",
    "price": "price cost payment",
    "gold": "gold gold_label truth true_label ground_truth y_true gold_answer",
}  # fmt: skip
"""The names of every part."""
WEAK = {"item": "id uid idx index key", "source": "name", "label": "value rating class_label"}
TEXTS = "text sentence comment content document_text question context title url body notes explanation rationale"
PREFIX = re.compile(r"(p|prob|probs|probability)[_ (\[]+(?P<name>.+?)[)\]]?")
"""`p_spam`, `prob_spam`, `p(spam)`: the probability of the class `spam`."""


MOST_LONG = 4
"""A table with more columns, of which none is the source, may well be a wide one."""


class Roles(NamedTuple):
    """What every column is; the parts that the table does not have are None or empty."""

    layout: str
    item: str | None = None
    source: str | None = None
    label: str | None = None
    probability: tuple[str, ...] = ()
    """One column of distributions, or several, one per class."""
    confidence: str | None = None
    seconds: str | None = None
    price: str | None = None
    gold: str | None = None
    votes: tuple[str, ...] = ()
    """Of a wide table the columns of the sources."""
    left_out: tuple[str, ...] = ()

    def note(self, origin: str) -> str:
        """A sentence that says what was understood."""
        parts = {part: getattr(self, part) for part in USUAL if getattr(self, part)}
        told = ", ".join(f"{part} {listed([name] if isinstance(name, str) else name)}" for part, name in parts.items())
        of_each = f", a source in each of {listed(self.votes)}" if self.votes else ""
        left = f"; left out: {listed(self.left_out)}" if self.left_out else ""
        return f"{origin} was read as a {self.layout} table: {told or 'no column for the item'}{of_each}{left}."


def roles_of(sheet: Sheet, columns: VoteColumns) -> Roles:
    """What the columns of a table of votes are. Raises `ConfigError` where that cannot be told."""
    _check_names(sheet, columns)
    free = [name for name in sheet.columns if name and name not in columns.ignore]
    found: dict[str, Any] = {part: find(part, sheet, columns, free) for part in USUAL if part != "probability"}
    probability = _probability(sheet, columns, free)
    if found["confidence"] and not (found["label"] or probability):  # sure of what? it must be whole distributions
        probability, found["confidence"] = (found["confidence"],), None
    layout = _layout(columns, found, probability)
    if layout == "long":
        taken = {name for name in (*found.values(), *probability) if name is not None}
        if found["source"] is None:
            raise unnamed("source", sheet)
        if found["item"] is None:
            found["item"] = _only_one_left("item", sheet, taken)
        if found["label"] is None and not probability:
            raise unnamed("label", sheet)
        roles = Roles(layout, probability=probability, **found)
        return roles._replace(left_out=tuple(name for name in sheet.columns if name not in {*taken, roles.item}))
    if layout == "unknown":
        raise unnamed(next(part for part in ("source", "label", "item") if found[part] is None), sheet)
    return _wide(layout, sheet, columns, found, free)


def _only_one_left(part: str, sheet: Sheet, taken: Set[str]) -> str:
    """The one column that is not told, where a single part is; raises `ConfigError` where there are more or none."""
    left = [name for name in sheet.columns if name and name not in taken and plain(name) not in TEXTS.split()]
    if len(left) != 1:
        raise unnamed(part, sheet)
    return left[0]


def _wide(layout: str, sheet: Sheet, columns: VoteColumns, found: dict[str, str | None], free: Sequence[str]) -> Roles:
    own = {name for part in ("item", "gold") if (name := found[part]) is not None}
    rest = [name for name in free if name not in own and name not in (found["seconds"], found["price"])]
    votes = columns.votes or tuple(name for name in rest if plain(name) not in TEXTS.split())
    if not votes:
        raise unnamed("source", sheet)
    used = {*own, *votes}
    left_out = tuple(name for name in sheet.columns if name not in used)
    return Roles(layout, item=found["item"], gold=found["gold"], votes=votes, left_out=left_out)


def _layout(columns: VoteColumns, found: dict[str, str | None], probability: Sequence[str]) -> str:
    if columns.layout != "auto":
        return columns.layout
    if columns.votes is not None:
        return "wide"
    if found["source"] and (found["label"] or probability):
        return "long"
    return "wide" if found["item"] and not (found["source"] or found["label"] or probability) else "unknown"


def find(part: str, sheet: Sheet, columns: VoteColumns, free: Sequence[str]) -> str | None:
    """The column of a part: as named, else by its usual names. Raises `ConfigError` where two would do."""
    named = getattr(columns, part)
    if named is not None:
        return str(named)
    others = _named(columns)
    for names in (USUAL[part], WEAK.get(part, "")):
        fit = [name for name in free if plain(name) in names.split() and name not in others]
        if len(fit) > 1:
            raise ConfigError(
                f"{sheet.origin}: both {listed(fit)} may be the {part}; name the right one, such as `{part}={fit[0]}`,"
                f" or leave the other out with `ignore`"
            )
        if fit:
            return fit[0]
    return None


def _probability(sheet: Sheet, columns: VoteColumns, free: Sequence[str]) -> tuple[str, ...]:
    if columns.probability is not None:
        return (columns.probability,) if isinstance(columns.probability, str) else columns.probability
    one = find("probability", sheet, columns, free)
    if one is not None:
        return (one,)
    others = _named(columns)
    several = tuple(name for name in free if PREFIX.fullmatch(name.lower()) and name not in others)
    return several if len(several) > 1 else ()


def class_named(column: str) -> str:
    """The class whose probability a column holds."""
    match = PREFIX.fullmatch(column.lower())
    return column if match is None else column[match.start("name") : match.end("name")]


def plain(name: str) -> str:
    """A column's name as the lists above spell it."""
    return re.sub(r"[\s.\-]+", "_", name.strip().lower())


def unnamed(part: str, sheet: Sheet) -> ConfigError:
    """That a part is missing, with what there is."""
    if part == "source" and len(sheet.columns) > MOST_LONG:
        return ConfigError(
            f"{sheet.origin}: no column is known to be the source; there are {sheet.named}. If every source is a"
            f" column of its own, name the one of the items, such as `item={sheet.columns[0]}`; else name the source's"
        )
    return ConfigError(
        f"{sheet.origin}: no column is known to be the {part}; there are {sheet.named}. Name it, such as `{part}="
        f"{_likely(sheet)}`, or name the sources' columns with `votes`; if the first line of a file"
        " is data already, name all columns with `header`"
    )


def _likely(sheet: Sheet) -> str:
    """A column that has no usual name of any part."""
    usual = {name for names in (*USUAL.values(), *WEAK.values()) for name in names.split()}
    return next((name for name in sheet.columns if plain(name) not in usual), "NAME")


def _named(columns: VoteColumns) -> set[str]:
    """Every column that the user has given a part."""
    single = {getattr(columns, part) for part in USUAL if isinstance(getattr(columns, part), str)}
    several = columns.probability if isinstance(columns.probability, tuple) else ()
    return {*single, *several, *(columns.votes or ())}


def _check_names(sheet: Sheet, columns: VoteColumns) -> None:
    for name in (*sorted(_named(columns)), *columns.ignore):
        if name not in sheet.columns:
            raise ConfigError(f"{sheet.origin}: there is no column `{name}`; {suggest(name, sheet.columns)}")
