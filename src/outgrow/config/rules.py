"""A file of rules: patterns and functions that vote for a class, or abstain.

text: text                # column of the items that patterns search
classes: [ham, spam]
rules:
  links: {regex: "https?://", says: spam}
  short: {function: "my_rules.py:is_short"}
"""

import re
import warnings
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from outgrow.config.path_fields import FileText
from outgrow.config.section import Section, SourceName, complaint
from outgrow.text_format import short


def _pattern(value: str) -> str:
    if len(value) > LONGEST_PATTERN:
        raise complaint(f"a pattern of {len(value)} characters; the maximum is {LONGEST_PATTERN}")
    try:
        with warnings.catch_warnings():  # of signs that may mean something else in a later Python
            warnings.simplefilter("ignore")
            re.compile(value)
    except RecursionError:
        raise complaint(f"`{short(value)}` is nested too deep for a regular expression") from None
    except (re.error, OverflowError) as error:
        raise complaint(
            f"`{short(value)}` is not a regular expression ({error}); escape literal special characters"
        ) from None
    return value


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A Python regular expression; the time of a search is limited where it is used."""
LONGEST_PATTERN = 10_000


def _named_function(value: str) -> str:
    file, _, name = value.rpartition(":")
    if not file.endswith(".py") or not name.isidentifier():
        raise complaint(
            f"{short(repr(value))} is not a function's name; write FILE.py:FUNCTION, such as `my_rules.py:is_short`"
        )
    return value


class RuleSection(Section):
    """The keys of all rules."""

    limit: Annotated[float, Field(gt=0, le=3600)] = 1.0
    """Seconds that a rule may take for one item; after that the item counts as an error of the rule."""

    reads_text: ClassVar[bool] = False
    """Whether it looks at the item's text and at nothing else."""

    @property
    def only_class(self) -> str | None:
        """The one class that it votes for."""
        return None

    @property
    def code(self) -> str | None:
        """The user's function, `FILE.py:FUNCTION`."""
        return None


class RegexRule(RuleSection):
    """Votes for a class if a pattern is found in the text; abstains otherwise."""

    type: Literal["regex"] = "regex"
    regex: Pattern
    """A Python regular expression, searched anywhere in the text."""
    says: str
    """The class."""
    ignore_case: bool = False
    """Whether upper and lower case are the same."""

    reads_text = True

    @property
    def only_class(self) -> str:
        return self.says


class FunctionRule(RuleSection):
    """A Python function that votes on an item."""

    type: Literal["function"] = "function"
    function: Annotated[FileText, AfterValidator(_named_function)]
    """`FILE.py:FUNCTION`, the file relative to the folder of the YAML file. The function gets the item as a mapping
    (in a study: `item` and `text`) and returns a class, its number from 0, probabilities by class, or None."""

    @property
    def code(self) -> str:
        return self.function


Rule = RegexRule | FunctionRule


class RuleFile(Section):
    """A file of rules."""

    text: str = "text"
    """The column that patterns search."""
    item: str | None = None
    """The column of ids; by default `item` or `id` if there is one, else the row's number, from 0."""
    classes: Annotated[list[str], Field(min_length=2)]
    """All classes, in the order of their numbers."""
    rules: Annotated[dict[SourceName, Annotated[Rule, Field(discriminator="type")]], Field(min_length=1)]
    """Each is a source of votes, under a name of your choice."""

    @model_validator(mode="before")
    @classmethod
    def _types_by_key(cls, tree: object) -> object:
        if isinstance(tree, dict) and isinstance(tree.get("rules"), dict):
            return {**tree, "rules": {name: with_rule_type(rule) for name, rule in tree["rules"].items()}}
        return tree


def with_rule_type(section: object) -> object:
    """A section with the `type` of the rule that has a key of the same name."""
    if not isinstance(section, dict):
        return section
    types = [rule.model_fields["type"].default for rule in get_args(Rule)]
    implied = next((name for name in types if name in section), None)
    return section if implied is None else {"type": implied, **section}
