"""Which of several named choices a free text states: one grammar for letters, options and classes.

A *mention* is a choice's name (`B`, `(B)`, `**B**`, `option B`) or the whole of its text. In order:

1. an object's `"choice"` (or `"answer"`), the last one;
2. the last mention that is *declared*: "the answer is B", "I choose B", "B is right", "B: yes", `\\boxed{B}`;
3. the mention that the text begins with ("B) because …"), unless the text repeats the list of choices;
4. the last line, where that is nothing but a mention;
5. the only choice that is mentioned at all.

Mentions that are denied ("not A", "A is wrong", "A: no", "rather than A") do not count. Where the words that decide
name several choices ("A or B", "both A and B") nothing is stated, and neither is by a refusal or by prose: the text
abstains. Of a text that runs on to a next question the first part that states a choice counts.

`A` and `I` are words too. They are mentions in running text only where they are marked, declared, or followed by what
no word is followed by: "A good question" and "I think" name no choice.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from outgrow.metrics.final_answer import RUN_ON

LONGEST = 8_000
"""Characters of a text that are read: its last ones, where models say what they have decided."""

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
"""What stands right before a mention that it declares."""
_AFTER = re.compile(
    r"[\s\"'”’`*_)\]}.,]{0,6}(?:is|are|was|would\s+be|must\s+be|seems|looks)\s+(?:\w+ly\s+)?(?:the\s+|my\s+|a\s+)?(?:\w+\s+)?"
    r"(?:correct|right|best|true|answer|choice|pick)(?![^.\n]{0,20}\b(?:if|when|unless)\b)",
    re.IGNORECASE,
)
"""What declares the mention that it stands behind."""
_DENIED = re.compile(
    r"(?:\b(?:not|cannot|never|nor|neither|than|instead\s+of|unlike|without|against|except|but\s+not)|n['’]t"
    r"|\b(?:eliminat|exclud|reject|dismiss|discard)\w*|\brul(?:e|es|ed|ing)\s+out|\bwrong\s*:?)"
    rf"\s+(?:(?:be|choose|pick|select|say|just|only|it|is|in|on|at|by|with|from)\s+)?(?:the\s+)?{_KIND}(?:{_OPENED}){{0,6}}$",
    re.IGNORECASE,
)
_WITHOUT = re.compile(r"\b(?:non[-\s]?|no\s+)$", re.IGNORECASE)
"""What stands before a choice's text that is denied: "non-toxic", "no hate speech"."""
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
"""A verdict on the choice that it stands behind: "A: wrong. B: right.", "A) no B) yes"."""
_JOINED = re.compile(
    rf"[\s\"'”’`*_)\]}}]{{0,6}}(?:\s(?:and|or|and/or|as\s+well\s+as)\s|\s?[/&+]\s?|(?<=[)\]])(?=[(\[]))\s*(?:the\s+)?{_KIND}(?:{_OPENED}){{0,4}}",
    re.IGNORECASE,
)
"""Between two mentions that are meant both."""
_LISTED = re.compile(rf"[\s\"'”’`*_)\]}}]{{0,6}},\s*(?:{_OPENED}){{0,4}}")
_ASKED = re.compile(r"[\"'”’`*_)\]]{0,4}\?")
_PRONOUN = re.compile(r"\s*$|[.:)\]!]|,?\s+(?:because|since|as|is)\b|\s*[-–—]\s|\s*\n")
"""What follows the choice `I`, and no pronoun."""
_PROSE = re.compile(
    r"['’]|\s+(?!because|since|as\b|due|and\b|or\b|is\b|was\b|with\b|by\b)[a-z]|\s+(?:am|do|is\s+an?)\b"
)
"""What may follow the words `A` and `I`, and not the choices."""
_LETTER = "[^\\W\u2e80-\u9fff\uac00-\ud7af]"
"""Of a script that parts words by spaces."""
_EDGE = "\"'“”‘’`*_()[]{}<>$#.,:;!?-–—\\ \t\r\n"


class StatedChoice(NamedTuple):
    """A choice that a text states, and where."""

    number: int
    start: int
    """Of the first character of its name or text within the text; `end` is behind the last one."""
    end: int


class Mention(NamedTuple):
    """A place where a choice is named."""

    number: int
    start: int
    end: int
    by_name: bool


def stated_choice(text: str, names: Sequence[str], options: Sequence[str] = ()) -> StatedChoice | None:
    """The choice that a text states, or `None` for an abstention; see the module.

    Args:
        text: whatever a model wrote.
        names: what the choices are called, such as `A`, `B`, `C`; empty where they have no names.
        options: their texts, or the classes' names, in the same order.

    >>> stated_choice("I think the answer is C.", "ABCDEFGHI").number
    2
    >>> stated_choice("A good question!", "ABCD") is None
    True
    """
    for start, end in _parts(text):
        said = text[start:end]
        found = _from_object(said, names, options) or _from_prose(said, list(_mentions(said, names, options)), options)
        if found:
            return StatedChoice(found.number, found.start + start, found.end + start)
    return None


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """What was said before a next question, and after it; thoughts before an answer are left out."""
    start = max(0, len(text) - LONGEST)
    thought = _THOUGHT.match(text, start)
    start = thought.end() if thought else start
    for border in RUN_ON.finditer(text, start):
        yield start, border.start()
        start = border.end()
    yield start, len(text)


def _from_object(text: str, names: Sequence[str], options: Sequence[str]) -> Mention | None:
    for found in reversed(list(_OBJECT.finditer(text))):
        value = found["value"].strip(_EDGE).casefold()
        for choices, by_name in ((names, True), (options, False)):
            same = [number for number, one in enumerate(choices) if one.strip(_EDGE).casefold() == value]
            if len(same) == 1:
                return Mention(same[0], found.start("value"), found.end("value"), by_name)
    return None


def _from_prose(text: str, mentions: Sequence[Mention], options: Sequence[str]) -> Mention | None:
    verdicts = _verdicts(text, mentions)
    right = {one.number for one, is_right in verdicts.items() if is_right}
    kept = [one for one in mentions if (verdicts[one] if one in verdicts else not _denied(text, one))]
    if len(right) > 1:
        kept = [one for one in kept if one not in verdicts]
    if len({one.number for one in kept}) > 1:
        kept = [one for one in kept if not _ASKED.match(text, one.end)]
    sure = [one for one in kept if not _is_word(text, one)]
    declared = [one for one in kept if verdicts.get(one) or _declared(text, one)]
    if declared:
        return _alone(text, declared[-1], kept)
    if sure and not text[: sure[0].start].strip(_EDGE):
        return None if _repeats_list(text, sure, options) else _alone(text, sure[0], sure)
    lines = text.strip().splitlines()
    last = [one for one in sure if lines and lines[-1].strip(_EDGE) == text[one.start : one.end]]
    if last:
        return last[-1]
    return sure[-1] if len({one.number for one in sure}) == 1 else None


def _verdicts(text: str, mentions: Sequence[Mention]) -> dict[Mention, bool]:
    """Names that a verdict follows directly, and whether it is "right". A choice's own text ("A. Yes") is none."""
    starts = {one.start for one in mentions if not one.by_name}
    found = {one: _VERDICT.match(text, one.end) for one in mentions if one.by_name}
    return {
        one: verdict["right"] is not None
        for one, verdict in found.items()
        if verdict and starts.isdisjoint(range(verdict.start(), verdict.end()))
    }


def _alone(text: str, mention: Mention, others: Sequence[Mention]) -> Mention | None:
    """The mention, unless it is one of several that are meant."""
    for other in others:
        if other.number == mention.number or other.by_name != mention.by_name:
            continue
        first, second = sorted((mention, other), key=lambda one: one.start)
        between = text[first.end : second.start]
        ends = re.match(r"[\s\"'”’`*_)\]}]*(?:[,.;!?]|$|(?:and|or)\b)", text[second.end :])
        if _JOINED.fullmatch(between) or (_LISTED.fullmatch(between) and ends):
            return None
    return mention


def _repeats_list(text: str, mentions: Sequence[Mention], options: Sequence[str]) -> bool:
    """Whether two names are each followed by their own choice's text: the question, said again."""
    named = {
        one.number
        for one in mentions
        if one.by_name
        and options
        and text[one.end :].lstrip(_EDGE).casefold().startswith(options[one.number].casefold())
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
    """Whether a name may as well be a word: `A`, `I`, or any lower letter amid prose."""
    if not mention.by_name or _is_marked(text, mention):
        return False
    name = text[mention.start : mention.end]
    amid = text[: mention.start].strip(_EDGE) != ""
    if name.islower():
        return amid or _PROSE.match(text, mention.end) is not None
    if name == "I":
        return amid or not _PRONOUN.match(text, mention.end)
    return name == "A" and _PROSE.match(text, mention.end) is not None


def _is_article(text: str, mention: Mention) -> bool:
    """`a` and `I` before a word, even where a choice would be declared."""
    name = text[mention.start : mention.end]
    if not mention.by_name or _is_marked(text, mention):
        return False
    return name in ("a", "i", "I") and _PROSE.match(text, mention.end) is not None


def _is_marked(text: str, mention: Mention) -> bool:
    """`(B)`, `[B]`, `**B**`, `B)`, `"B"`."""
    before, after = text[mention.start - 1 : mention.start], text[mention.end : mention.end + 1]
    return after in set(')]}*"”`') or (before in set('([{*"“`') and after not in ("'", "’"))


def _mentions(text: str, names: Sequence[str], options: Sequence[str]) -> Iterator[Mention]:
    """Every place where a choice is named, by its name or text, from left to right and without overlaps."""
    pattern, by_name, by_text = _pattern(tuple(names), tuple(options))
    if pattern is None:
        return
    for found in pattern.finditer(text):
        if found["name"]:
            yield Mention(by_name[found["name"].casefold()], *found.span("name"), True)
        else:
            yield Mention(by_text[_plain(found["text"])], *found.span("text"), False)


@lru_cache(maxsize=1 << 10)
def _pattern(
    names: tuple[str, ...], options: tuple[str, ...]
) -> tuple[re.Pattern[str] | None, dict[str, int], dict[str, int]]:
    """An expression for names and texts, the longest first, and whose they are. Texts of several are left out."""
    texts: dict[str, list[int]] = {}
    for number, option in enumerate(options):
        texts.setdefault(_plain(option), []).append(number)
    by_text = {text: numbers[0] for text, numbers in texts.items() if text and len(numbers) == 1}
    by_name = {name.casefold(): number for number, name in enumerate(names)}
    spelled = [r"[\s_]+".join(map(re.escape, text.split())) for text in sorted(by_text, key=len, reverse=True)]
    listed = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    branches = [rf"(?P<text>{'|'.join(spelled) or '(?!)'})", rf"(?P<name>{listed or '(?!)'})(?![-–][A-Za-z]|\.\w)"]
    if not (by_text or by_name):
        return None, by_name, by_text
    edged = rf"(?<!{_LETTER})(?<![A-Za-z]['’])(?:{'|'.join(branches)})(?!{_LETTER})"
    return re.compile(edged, re.IGNORECASE), by_name, by_text


def _plain(option: str) -> str:
    """A choice's text without case, underscores and punctuation at its ends."""
    return " ".join(option.replace("_", " ").strip(_EDGE).casefold().split())
