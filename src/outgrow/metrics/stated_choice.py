"""The choice that a free text states: one grammar for letters, options and classes.

A *mention* is a choice's name (`B`, `(B)`, `**B**`, `option B`) or its whole text. The first of these that exists
counts:

1. the last `"choice"` (or `"answer"`) of a JSON object;
2. the last mention that is *declared*: "the answer is B", "I choose B", "B is right", "B: yes", `\\boxed{B}`;
3. a mention at the start of the text ("B) because …"), unless the text repeats the list of choices;
4. the last line, if it is a mention alone;
5. the only choice with a mention.

Denied mentions ("not A", "A is wrong", "A: no", "rather than A") do not count. The text abstains if the deciding words
name several choices ("A or B", "both A and B"), if it refuses, and if it is other prose. If a text continues with a
next question, the first part that states a choice counts.

`A` and `I` are also words. In running text they are mentions only if they are marked, declared, or followed by
something that cannot follow the word: "A good question" and "I think" name no choice.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from outgrow.metrics.final_answer import RUN_ON

LONGEST = 8_000
"""Characters of a text that are read: the last ones, where models state their decision."""

_OBJECT = re.compile(
    r'"(?:choice|answer|option|letter|label)"\s*:\s*"?(?P<value>[^"{}\n]{1,400}?)"?\s*[,}\n]', re.IGNORECASE
)
_THOUGHT = re.compile(r".*</think(?:ing)?>|.*<\|?(?:channel)\|?>final\W", re.DOTALL | re.IGNORECASE)
_OPENED = r"[\s\"'“‘`*_(\[{<$#]|\\(?:boxed|text|textbf|mathrm|mathbf)\s*\{"
_KIND = r"(?:(?:the\s+)?(?:option|choice|answer|letter|statement|class|label|category)\s+)?"
_SOFT = (
    r"(?:(?:most\s+likely|likely|probably|definitely|clearly|certainly|actually|simply|therefore|thus|indeed|obviously|"
    r"still|just|now|also|in\s+fact|of\s+course)[,\s]+)*"
)
_NOUN = (
    r"(?:answer|choice|option|response|solution|selection|pick|letter|class|label|category|sentiment|topic|verdict)"
)
_CUE = re.compile(
    rf"(?:\b{_NOUN}(?:\s+(?:here|for\s+this|to\s+(?:this|the)\s+question|choice|among[^.,:;\n]{{0,30}}))?\W{{0,4}}"
    r"(?:\s*(?:is|was|are|be|would\s+be|should\s+be|must\s+be|has\s+to\s+be|to\s+be|seems\s+to\s+be|remains|=)\b|[:=\-–—])"
    r"|\b(?:i|we|i['’]d|i['’]ll|let['’]s)\s+(?:\w+\s+){0,2}?(?:choose|pick|select|prefer|chose|picked|selected|vote(?:\s+for)?|answer|"
    r"say|think|believe|guess|suggest|take|opt\s+for|go\s+(?:with|for)|conclude|lean(?:ing)?\s+towards?)(?:\s+that)?"
    r"|\bthe\s+(?:best|right|correct|only|most\s+\w+)(?:\s+one)?\s+(?:is|was)\b"
    r"|\b(?:it|this|that|which)(?:['’]s|\s+(?:is|was|must\s+be|should\s+be|would\s+be|has\s+to\s+be|leaves))"
    r"|\b(?:so|therefore|thus|hence|final(?:ly)?|choose|chose|pick|select|classif(?:y|ied)\s+as|labell?ed\s+as|overall|leav(?:es|ing)(?:\s+us\s+with)?)\b,?"
    r"|\\boxed\s*\{|\#{2,}|=>|->|→)"
    rf"\s*(?:that\s+)?(?:it\s+is\s+|it['’]s\s+|is\s+)?[:,]?\s*{_SOFT}{_KIND}(?:{_OPENED}){{0,6}}$",
    re.IGNORECASE,
)
"""Words directly before a mention that declare it."""
_AFTER = re.compile(
    r"[\s\"'”’`*_)\]}.,]{0,6}(?:is|are|was|would\s+be|must\s+be|seems|looks)\s+(?:\w+ly\s+)?(?:the\s+|my\s+|a\s+)?(?:\w+\s+)?"
    r"(?:correct|right|best|true|answer|choice|pick)(?![^.\n]{0,20}\b(?:if|when|unless)\b)",
    re.IGNORECASE,
)
"""Words directly after a mention that declare it."""
_DENIED = re.compile(
    r"(?:\b(?:not|cannot|never|nor|neither|than|instead\s+of|unlike|without|against|except|but\s+not)|n['’]t"
    r"|\b(?:eliminat|exclud|reject|dismiss|discard)\w*|\brul(?:e|es|ed|ing)\s+out|\bwrong\s*:?)"
    rf"\s+(?:(?:be|choose|pick|select|say|just|only|it|is|in|on|at|by|with|from)\s+)?(?:the\s+)?{_KIND}(?:{_OPENED}){{0,6}}$",
    re.IGNORECASE,
)
_WITHOUT = re.compile(r"\b(?:non[-\s]?|no\s+)$", re.IGNORECASE)
"""Words directly before a choice's text that deny it: "non-toxic", "no hate speech"."""
_REFUTED = re.compile(
    r"[\s\"'”’`*_)\]}.,]{0,6}(?:(?:is|are|was|does|do|can|could|would|seems|looks|has)\s*(?:n['’]t|not\b)|cannot\b|can['’]t"
    r"|(?:(?:is|are|was|seems|looks)\s+)(?:\w+ly\s+)?(?:in|im|un)\w+|(?:(?:is|are|was|seems|looks)\s+)(?:\w+ly\s+)?"
    r"(?:wrong|false|ruled\s+out|eliminated|out|excluded|a\s+distractor|off))\b",
    re.IGNORECASE,
)
_VERDICT = re.compile(
    r"[\"'”’`*_)\]}]{0,6}\s*(?:[:=(–—-]\s*)?[*_]{0,2}(?:(?P<right>correct|right|true|yes)|(?:incorrect|wrong|false|no))\b"
    r"(?=[\"'”’`*_)\]}]*(?:[.,;!]|$|\s*\n|\s+(?:because|since|as|and|but)\b|\s+(?:(?-i:[A-Z])\b|\(?\w[).:])))",
    re.IGNORECASE,
)
"""A verdict after a choice: "A: wrong. B: right.", "A) no B) yes"."""
_JOINED = re.compile(
    rf"[\s\"'”’`*_)\]}}]{{0,6}}(?:\s(?:and|or|and/or|as\s+well\s+as)\s|\s?[/&+]\s?|(?<=[)\]])(?=[(\[]))\s*(?:the\s+)?{_KIND}(?:{_OPENED}){{0,4}}",
    re.IGNORECASE,
)
"""Text between two mentions that are both stated."""
_LISTED = re.compile(rf"[\s\"'”’`*_)\]}}]{{0,6}},\s*(?:{_OPENED}){{0,4}}")
_ASKED = re.compile(r"[\"'”’`*_)\]]{0,4}\?")
_PRONOUN = re.compile(r"\s*$|[.:)\]!]|,?\s+(?:because|since|as|is)\b|\s*[-–—]\s|\s*\n")
"""Text that follows the choice `I` but not the pronoun."""
_PROSE = re.compile(
    r"['’]|\s+(?!because|since|as\b|due|and\b|or\b|is\b|was\b|with\b|by\b)[a-z]|\s+(?:am|do|is\s+an?)\b"
)
"""Text that follows the words `A` and `I` but not the choices."""
_LETTER = "[^\\W\u2e80-\u9fff\uac00-\ud7af]"
"""A letter of a script that separates words by spaces."""
_EDGE = "\"'“”‘’`*_()[]{}<>$#.,:;!?-–—\\ \t\r\n"


class StatedChoice(NamedTuple):
    """A choice that a text states, with its position."""

    number: int
    start: int
    """Index of the first character of its name or text; `end` is one past the last character."""
    end: int


class Mention(NamedTuple):
    """An occurrence of a choice's name or text."""

    number: int
    start: int
    end: int
    by_name: bool


def stated_choice(text: str, names: Sequence[str], options: Sequence[str] = ()) -> StatedChoice | None:
    """The choice that a text states, or `None` for an abstention; see the module.

    Args:
        text: the output of a model.
        names: names of the choices, such as `A`, `B`, `C`; empty if they have no names.
        options: texts of the choices, or names of the classes, in the same order.

    >>> stated_choice("I think the answer is C.", "ABCDEFGHI").number
    2
    >>> stated_choice("A good question!", "ABCD") is None
    True
    """
    for start, end in _parts(text):
        part = text[start:end]
        mention = _from_object(part, names, options) or _from_prose(
            part, list(_mentions(part, names, options)), options
        )
        if mention:
            return StatedChoice(mention.number, mention.start + start, mention.end + start)
    return None


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of the parts before and after each next question, without a leading chain of thought."""
    start = max(0, len(text) - LONGEST)
    thought = _THOUGHT.match(text, start)
    start = thought.end() if thought else start
    for border in RUN_ON.finditer(text, start):
        yield start, border.start()
        start = border.end()
    yield start, len(text)


def _from_object(text: str, names: Sequence[str], options: Sequence[str]) -> Mention | None:
    for match in reversed(list(_OBJECT.finditer(text))):
        value = match["value"].strip(_EDGE).casefold()
        for choices, by_name in ((names, True), (options, False)):
            same = [index for index, choice in enumerate(choices) if choice.strip(_EDGE).casefold() == value]
            if len(same) == 1:
                return Mention(same[0], match.start("value"), match.end("value"), by_name)
    return None


def _from_prose(text: str, mentions: Sequence[Mention], options: Sequence[str]) -> Mention | None:
    verdicts = _verdicts(text, mentions)
    confirmed = {mention.number for mention, is_right in verdicts.items() if is_right}
    kept = [
        mention for mention in mentions if (verdicts[mention] if mention in verdicts else not _denied(text, mention))
    ]
    if len(confirmed) > 1:
        kept = [mention for mention in kept if mention not in verdicts]
    if len({mention.number for mention in kept}) > 1:
        kept = [mention for mention in kept if not _ASKED.match(text, mention.end)]
    certain = [mention for mention in kept if not _is_word(text, mention)]
    declared = [mention for mention in kept if verdicts.get(mention) or _declared(text, mention)]
    if declared:
        return _alone(text, declared[-1], kept)
    if certain and not text[: certain[0].start].strip(_EDGE):
        return None if _repeats_list(text, certain, options) else _alone(text, certain[0], certain)
    lines = text.strip().splitlines()
    on_last_line = [
        mention for mention in certain if lines and lines[-1].strip(_EDGE) == text[mention.start : mention.end]
    ]
    if on_last_line:
        return on_last_line[-1]
    return certain[-1] if len({mention.number for mention in certain}) == 1 else None


def _verdicts(text: str, mentions: Sequence[Mention]) -> dict[Mention, bool]:
    """Whether the verdict directly after a named mention is "right". A choice's text ("A. Yes") is no verdict."""
    text_starts = {mention.start for mention in mentions if not mention.by_name}
    matches = {mention: _VERDICT.match(text, mention.end) for mention in mentions if mention.by_name}
    return {
        mention: verdict["right"] is not None
        for mention, verdict in matches.items()
        if verdict and text_starts.isdisjoint(range(verdict.start(), verdict.end()))
    }


def _alone(text: str, mention: Mention, others: Sequence[Mention]) -> Mention | None:
    """The mention, or None if it is one of several stated choices."""
    for other_mention in others:
        if other_mention.number == mention.number or other_mention.by_name != mention.by_name:
            continue
        first, second = sorted((mention, other_mention), key=lambda entry: entry.start)
        between = text[first.end : second.start]
        ends = re.match(r"[\s\"'”’`*_)\]}]*(?:[,.;!?]|$|(?:and|or)\b)", text[second.end :])
        if _JOINED.fullmatch(between) or (_LISTED.fullmatch(between) and ends):
            return None
    return mention


def _repeats_list(text: str, mentions: Sequence[Mention], options: Sequence[str]) -> bool:
    """Whether two names are each followed by the text of their choice, as in the question."""
    named = {
        mention.number
        for mention in mentions
        if mention.by_name
        and options
        and text[mention.end :].lstrip(_EDGE).casefold().startswith(options[mention.number].casefold())
    }
    return len(named) > 1


def _declared(text: str, mention: Mention) -> bool:
    before = text[max(0, mention.start - 160) : mention.start]
    if _is_article(text, mention):
        return False
    return _CUE.search(before) is not None or _AFTER.match(text, mention.end) is not None


def _denied(text: str, mention: Mention) -> bool:
    before = text[max(0, mention.start - 80) : mention.start]
    without = not mention.by_name and _WITHOUT.search(before) is not None
    return without or _DENIED.search(before) is not None or _REFUTED.match(text, mention.end) is not None


def _is_word(text: str, mention: Mention) -> bool:
    """Whether a name may be an ordinary word: `A`, `I`, or a lowercase letter within prose."""
    if not mention.by_name or _is_marked(text, mention):
        return False
    name = text[mention.start : mention.end]
    within_text = text[: mention.start].strip(_EDGE) != ""
    if name.islower():
        return within_text or _PROSE.match(text, mention.end) is not None
    if name == "I":
        return within_text or not _PRONOUN.match(text, mention.end)
    return name == "A" and _PROSE.match(text, mention.end) is not None


def _is_article(text: str, mention: Mention) -> bool:
    """Whether the mention is `a` or `I` before a word, even after a declaration."""
    name = text[mention.start : mention.end]
    if not mention.by_name or _is_marked(text, mention):
        return False
    return name in ("a", "i", "I") and _PROSE.match(text, mention.end) is not None


def _is_marked(text: str, mention: Mention) -> bool:
    """Whether the mention is marked: `(B)`, `[B]`, `**B**`, `B)`, `"B"`."""
    before, after = text[mention.start - 1 : mention.start], text[mention.end : mention.end + 1]
    return after in set(')]}*"”`') or (before in set('([{*"“`') and after not in ("'", "’"))


def _mentions(text: str, names: Sequence[str], options: Sequence[str]) -> Iterator[Mention]:
    """All mentions of choices by name or text, from left to right, without overlaps."""
    pattern, by_name, by_text = _pattern(tuple(names), tuple(options))
    if pattern is None:
        return
    for match in pattern.finditer(text):
        if match["name"]:
            yield Mention(by_name[match["name"].casefold()], *match.span("name"), True)
        else:
            yield Mention(by_text[_plain(match["text"])], *match.span("text"), False)


@lru_cache(maxsize=1 << 10)
def _pattern(
    names: tuple[str, ...], options: tuple[str, ...]
) -> tuple[re.Pattern[str] | None, dict[str, int], dict[str, int]]:
    """A pattern of names and texts, the longest first, and their choices. Texts of several choices are left out."""
    texts: dict[str, list[int]] = {}
    for index, option in enumerate(options):
        texts.setdefault(_plain(option), []).append(index)
    by_text = {text: indices[0] for text, indices in texts.items() if text and len(indices) == 1}
    by_name = {name.casefold(): index for index, name in enumerate(names)}
    text_patterns = [r"[\s_]+".join(map(re.escape, text.split())) for text in sorted(by_text, key=len, reverse=True)]
    name_pattern = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    branches = [
        rf"(?P<text>{'|'.join(text_patterns) or '(?!)'})",
        rf"(?P<name>{name_pattern or '(?!)'})(?![-–][A-Za-z]|\.\w)",
    ]
    if not (by_text or by_name):
        return None, by_name, by_text
    bounded = rf"(?<!{_LETTER})(?<![A-Za-z]['’])(?:{'|'.join(branches)})(?!{_LETTER})"
    return re.compile(bounded, re.IGNORECASE), by_name, by_text


def _plain(option: str) -> str:
    """A choice's text without case, underscores and punctuation at its ends."""
    return " ".join(option.replace("_", " ").strip(_EDGE).casefold().split())
