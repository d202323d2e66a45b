r"""Which final answer a worked solution comes to, and when two are the same: the conventions of GSM8K and MATH.

The answer is, whichever is there first:

1. what stands after the first `####` that a number follows (GSM8K; lm-evaluation-harness' `strict-match`);
2. what stands in the last complete `\boxed{…}` (Hendrycks' MATH);
3. what stands after the first `####` that is no heading (`#### Step 1`);
4. what the text declares last: "the answer is …", "Answer: …", where that is a number or a formula;
5. the whole text, if it is a number or a formula;
6. the last number or formula in it, whole (`flexible-extract`, but `3x + 2` is not 2, and remarks such as
   "(see step 3)" do not count).

A text that runs on, to a next question or past the end of its turn, is read only up to there, if there is an answer
before. So its first `####` counts, and the last `\boxed{…}` of the *first* solution.

Numbers are the same by value (`metrics.written_number` says what is a number, and how ambiguous ones are read),
formulas by meaning (`metrics.formula`), words if they are equal up to case, spaces and a full stop.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, islice

from outgrow.metrics.formula import LONGEST, is_formula, same_formula
from outgrow.metrics.words import normalise
from outgrow.metrics.written_number import DIGITS, decimal_comma, plainly, read_number

RUN_ON = re.compile(
    r"\n[ \t]*(?:#+[ \t]*|\*\*[ \t]*)?(?:(?:next[ ])?(?:question|problem|exercise)[ ]*\d*[ ]*\**[:.]"
    r"|(?:Q|Human|User|Input|Instruction)[ ]*:)"
    r"|<\|(?:im_end|im_start|endoftext|eot_id|end)\|>|</s>|<eos>|<end_of_turn>",
    re.IGNORECASE,
)
"""Where a model goes on to something that nobody asked."""

MARKS, SAID = 200, 20
"""The first so many `####` and the last so many "the answer is" of a text are looked at."""

_MARK = re.compile(r"#{4,}[ \t]*(?P<line>[^\n]{0,300})(?:\n\s*(?P<next>[^\n]{0,300}))?")
_HEADING = re.compile(
    r"\W*(?:step|part|case|solution|explanation|reasoning|calculation|given|approach|summary|conclusion|verification)\b",
    re.IGNORECASE,
)
_SAID = (
    r"(?:(?:the\s+|my\s+|so\s+|final\s+|correct\s+)*answer\b(?:\s+(?:is|was|should be|equals)\b)?\s*\**\s*[:=]?\s*\**)"
)
_DECLARED = re.compile(
    r"\banswer(?:\s+to\s+(?:the|this)\s+\w+)?\**\s*(?:(?:is|equals|should be)\b\s*[:=]?|[:=])\s*\**"
    r"(?=(?P<said>[^\n]{0,300}))",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|(?P<bare>\\[a-z]+\{[^{}]*\}|[^\s{}$\\]+))")
_SENTENCE = re.compile(r"(?<=[\w%)}\]$*°€£])[.;!?]\**(?=\s|$)|,\s+(?=[a-z]{2})|\s+(?:because|since|so|but|which)\b")
_SHOWN = re.compile(
    r"\$\$(?P<a>.+?)\$\$|(?<!\\)\$(?![\s$])(?P<b>[^$\n]*[^$\s\\])\$(?!\d)|\\\((?P<c>.+?)\\\)|\\\[(?P<d>.+?)\\\]",
    re.DOTALL,
)
"""Formulas between the signs that LaTeX wants; dollars of money have a space inside or a digit behind."""
_LIST = re.compile(r"[(\[{][^()\[\]{}]*\d[^()\[\]{}]*,[^()\[\]{}]*[)\]}]")
_CALCULATED = re.compile(r"<<[^<>\n]*>>")
_ASIDE = re.compile(r"(?<=\S)\s*\((?=[^()]*[A-Za-z]{2})[^()]*\)")
_NUMERAL = re.compile(rf"(?<![A-Za-z0-9])(?<![0-9]\.)-?(?:[$£€¥₹]\s?)?-?{DIGITS}")
_LETTER = r"(?<![A-Za-z])(?!a\s+[a-z]{2})[A-Za-z](?![A-Za-z'’])"
_ATOM = (
    r"(?:\\[A-Za-z]+(?:\s*\{[^{}]*\})*"
    rf"|(?:\d+[ ](?=\d+/\d))?[$£€]?{DIGITS}%?|{_LETTER}|[()\[\]{{}}|!√π°])"
)
_SIGN = r"(?:[-+*/^=<>≤≥×·÷:_]|\\(?:times|cdot|div|le|ge|pm)(?![A-Za-z]))"
_RUN = re.compile(rf"-?{_ATOM}(?:{_ATOM}|\s*{_SIGN}+\s*-?{_ATOM})*")
"""Numbers, letters by themselves and brackets, side by side or with a sign between them."""


@lru_cache(maxsize=1 << 12)
def final_answer(text: str) -> str | None:
    r"""The answer as `same_answer` takes it, and as answers are counted; `None` if there is none.

    A number is in its simplest form, a formula as it is written, words are normalised.

    >>> final_answer("So he pays 3 * $1,200.00 = $3,600.00."), final_answer(r"so $\frac{6}{4}$"), final_answer("dunno")
    ('3600', '3/2', None)
    """
    stated = _stated(text)
    return None if stated is None else _key(stated)


@lru_cache(maxsize=1 << 12)
def bare_answer(gold: str) -> str:
    """The same of a gold text, which may be nothing but the answer, in words as well.

    >>> bare_answer("Two sums.\\n#### 7"), bare_answer("Apollo 11")
    ('7', 'apollo 11')
    """
    name = len(gold.split()) <= 5 and not _LINKING.search(gold) and not _marked(gold) and _whole(gold) is None
    return (None if name else final_answer(gold)) or _key(gold)


_LINKING = re.compile(
    r"[=:$\\]|\b(?:is|are|was|were|equals|so|thus|total|costs?|pays?|has|have|answer)\b", re.IGNORECASE
)


def is_right(said: str, gold: str) -> bool:
    """Whether a text's final answer is that of the gold text; words may be the whole text, or what it declares."""
    wanted = bare_answer(gold)
    if same_answer(final_answer(said) or _key(said), wanted):
        return True
    if len(said) <= LONGEST and _key(said) == wanted != "":
        return True
    return _number(wanted) is None and not is_formula(wanted) and _declared_words(said) == wanted


def same_answer(one: str, other: str) -> bool:
    """Whether two final answers, as the functions above give them, are one."""
    if one == other:
        return bool(one)
    numbers = [_number(side) for side in (one, other)]
    if None not in numbers:
        return False
    # A comma may have been a decimal one.
    commas = [number or decimal_comma(side) for number, side in zip(numbers, (one, other), strict=True)]
    if None not in commas and any(numbers):
        return commas[0] == commas[1]
    return is_formula(one) and is_formula(other) and _alike(*sorted((one, other)))


def merge_answers(answers: Sequence[str]) -> dict[str, str]:
    """For each different answer, one that stands for all that are the same, directly or by others in between.

    What is merged and which one stands for all depend on no order.

    >>> merge_answers(["\\\\sqrt{8}", "3", "2\\\\sqrt{2}"])
    {'2\\\\sqrt{2}': '2\\\\sqrt{2}', '3': '3', '\\\\sqrt{8}': '2\\\\sqrt{2}'}
    """
    leader = {answer: answer for answer in sorted(set(answers))}
    for one, other in combinations(leader, 2):
        first, second = leader[one], leader[other]
        if first != second and same_answer(one, other):
            low, high = sorted((first, second))
            leader = {answer: low if found == high else found for answer, found in leader.items()}
    return leader


@lru_cache(maxsize=1 << 14)
def _key(stated: str) -> str:
    number = read_number(stated)
    if number is not None:
        return str(number)
    plain = plainly(stated)
    if is_formula(plain):
        return " ".join(plain.split())
    words = re.sub(r"^[\s\"'“‘({\[]+(?=\w)|(?<=\w)[\s\"'”’)}\].]+$", "", plain)
    return normalise(words) or normalise(stated)


def _number(answer: str) -> Fraction | None:
    return Fraction(answer) if re.fullmatch(r"-?\d{1,4000}(?:/\d{1,4000})?", answer) else None


@lru_cache(maxsize=1 << 14)
def _alike(one: str, other: str) -> bool:
    return same_formula(one, other)


def _stated(text: str) -> str | None:
    """The answer as it is written; see the module."""
    parts = _parts(_CALCULATED.sub("", text.replace("\u2212", "-")))
    for find in (_marked, _unmarked):
        for part in parts:
            if (found := find(part)) is not None:
                return found
    return None


def _parts(text: str) -> list[str]:
    """What stands before a next question, and after it."""
    return [part for part in RUN_ON.split(text) if part.strip()]


def _marked(text: str) -> str | None:
    """What is said to be the answer: by a mark, a box, or in words."""
    named: str | None = None
    for mark in islice(_MARK.finditer(text), MARKS):
        line = re.sub(f"^{_SAID}", "", mark["line"].strip(), flags=re.IGNORECASE) or (mark["next"] or "").strip()
        line = _unboxed(line)
        found = _leading_number(line)
        if found is not None:
            return found
        named = named or (None if _HEADING.match(line) else line or None)
    boxed = _last_boxed(text)
    if boxed is not None:
        return boxed
    return named or _declared(text)


def _leading_number(line: str) -> str | None:
    """A line that is a number, up to the end of its first sentence; `None` for any other line."""
    for part in (line, _first_clause(line), line.rstrip("!?")):
        if read_number(part) is not None:
            return part
    return None


def _first_clause(line: str) -> str:
    end = _SENTENCE.search(line)
    return line[: end.start()] if end else line


def _unboxed(line: str) -> str:
    boxed = _last_boxed(line)
    return line if boxed is None else boxed


def _last_boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{…}` whose braces close."""
    boxes = list(_BOX.finditer(text))
    ends = _braces(text) if boxes else {}
    for found in reversed(boxes):
        if found["bare"]:
            return found["bare"]
        if found.end() in ends:
            return text[found.end() : ends[found.end()]] or None
    return None


def _braces(text: str) -> dict[int, int]:
    """Where what stands in braces begins and ends, of those that close."""
    opened: list[int] = []
    ends: dict[int, int] = {}
    for place, letter in enumerate(text):
        if letter == "{":
            opened.append(place + 1)
        elif letter == "}" and opened:
            ends[opened.pop()] = place
    return ends


def _declared(text: str) -> str | None:
    """The last number or formula that follows "the answer is"."""
    for found in reversed(list(_DECLARED.finditer(text))[-SAID:]):
        said = _ASIDE.sub("", found["said"]).strip()
        answer = _leading_number(said) or _whole(_first_clause(said)) or _last_formula(_first_clause(said))
        if answer is not None:
            return answer
    return None


def _declared_words(text: str) -> str | None:
    """The words that follow the last "the answer is", normalised, up to the end of the clause.

    >>> _declared_words("The answer is Paris, since it is the capital.")
    'paris'
    """
    said = (found["said"].strip() for part in _parts(text) for found in reversed(list(_DECLARED.finditer(part))))
    return next((_key(_first_clause(one)) for one in said if one), None)


def _unmarked(text: str) -> str | None:
    return _whole(text) or _last_formula(text)


def _whole(text: str) -> str | None:
    """The text, if it is a number or a formula as a whole."""
    if len(text) > LONGEST or ("\n" in text.strip() and r"\begin" not in text):
        return None
    plain = plainly(text)
    return text.strip() if read_number(plain) is not None or is_formula(plain) else None


def _last_formula(text: str) -> str | None:
    """The last number or formula in running text, with all that belongs to it."""
    text = re.sub(r"\.{2,}", " ", text)
    text = _ASIDE.sub("", text) if _NUMERAL.search(_ASIDE.sub("", text)) else text
    shown = [
        (found.start(), found.end(), inner)
        for found in _SHOWN.finditer(text)
        if (inner := _whole(next(filter(None, found.groups()))))
    ]
    runs = [(found.start(), found.end(), found[0]) for pattern in (_RUN, _LIST) for found in pattern.finditer(text)]
    last = max((found.end() for found in _NUMERAL.finditer(text)), default=-1)
    around = [run for run in runs if run[0] < last <= run[1] and _whole(_trimmed(run[2])) is not None]
    if shown and shown[-1][1] >= last:
        return shown[-1][2]
    if around:
        return _trimmed(max(around, key=lambda run: run[1] - run[0])[2])
    numbers = _NUMERAL.findall(text)
    return _trimmed(numbers[-1]) if numbers else None


def _trimmed(run: str) -> str:
    """A run without signs and brackets at its ends that have no partner."""
    run = run.strip().rstrip("+-*/^=<>:×·÷_!,. ")
    for opening, closing in ("()", "[]", "{}"):
        if run.count(opening) < run.count(closing):
            run = run.rstrip(closing)
        elif run.count(opening) > run.count(closing):
            run = run.lstrip(opening)
    return run.lstrip("*/^=<>:×·÷_ ").strip()
