r"""The final answer of a worked solution, and the equality of two: the conventions of GSM8K and MATH.

The answer is the first of these that exists:

1. the text after the first `####` that a number follows (GSM8K; lm-evaluation-harness' `strict-match`);
2. the content of the last complete `\boxed{…}` (Hendrycks' MATH);
3. the text after the first `####` that is no heading (`#### Step 1`);
4. the last declaration, "the answer is …" or "Answer: …", if it is a number or a formula;
5. the whole text, if it is a number or a formula;
6. the last complete number or formula (`flexible-extract`, but `3x + 2` is not 2, and remarks such as "(see step 3)"
   do not count).

If a text continues with a next question or past the end of its turn, only the part before counts, provided that it has
an answer. So the first `####` counts, and the last `\boxed{…}` of the *first* solution.

Numbers are compared by value (`metrics.written_number` defines numbers and ambiguous ones), formulas by meaning
(`metrics.formula`), words up to case, spaces and a full stop.
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
"""Where a model continues with a next question or turn."""

MARKS, DECLARATIONS = 200, 20
"""Limits per text: the first `MARKS` `####`, and the last `DECLARATIONS` "the answer is"."""

_MARK = re.compile(r"#{4,}[ \t]*(?P<line>[^\n]{0,300})(?:\n\s*(?P<next>[^\n]{0,300}))?")
_HEADING = re.compile(
    r"\W*(?:step|part|case|solution|explanation|reasoning|calculation|given|approach|summary|conclusion|verification)\b",
    re.IGNORECASE,
)
_ANSWER_IS = (
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
"""Formulas between LaTeX's delimiters; dollar amounts have a space inside or a digit behind."""
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
"""Numbers, single letters and brackets, adjacent or with a sign between them."""


@lru_cache(maxsize=1 << 12)
def final_answer(text: str) -> str | None:
    r"""The answer in the form that `same_answer` compares and that is counted; `None` if there is none.

    A number is reduced, a formula is unchanged, words are normalised.

    >>> final_answer("So he pays 3 * $1,200.00 = $3,600.00."), final_answer(r"so $\frac{6}{4}$"), final_answer("dunno")
    ('3600', '3/2', None)
    """
    stated = _stated(text)
    return None if stated is None else _key(stated)


@lru_cache(maxsize=1 << 12)
def bare_answer(gold: str) -> str:
    """The final answer of a gold text, which may consist of the answer alone, also in words.

    >>> bare_answer("Two sums.\\n#### 7"), bare_answer("Apollo 11")
    ('7', 'apollo 11')
    """
    name = len(gold.split()) <= 5 and not _LINKING.search(gold) and not _marked(gold) and _whole(gold) is None
    return (None if name else final_answer(gold)) or _key(gold)


_LINKING = re.compile(
    r"[=:$\\]|\b(?:is|are|was|were|equals|so|thus|total|costs?|pays?|has|have|answer)\b", re.IGNORECASE
)


def is_right(text: str, gold: str) -> bool:
    """Whether a text's final answer is that of the gold text; a worded answer is the whole text or a declaration."""
    gold_answer = bare_answer(gold)
    if same_answer(final_answer(text) or _key(text), gold_answer):
        return True
    if len(text) <= LONGEST and _key(text) == gold_answer != "":
        return True
    return _number(gold_answer) is None and not is_formula(gold_answer) and _declared_words(text) == gold_answer


def same_answer(first: str, second: str) -> bool:
    """Whether two final answers, as returned by the functions above, are equal."""
    if first == second:
        return bool(first)
    numbers = [_number(side) for side in (first, second)]
    if None not in numbers:
        return False
    # A comma may be a decimal comma.
    commas = [number or decimal_comma(side) for number, side in zip(numbers, (first, second), strict=True)]
    if None not in commas and any(numbers):
        return commas[0] == commas[1]
    return is_formula(first) and is_formula(second) and _alike(*sorted((first, second)))


def merge_answers(answers: Sequence[str]) -> dict[str, str]:
    """The representative of each answer, one per class of the closure of `same_answer`; the order does not matter.

    >>> merge_answers(["\\\\sqrt{8}", "3", "2\\\\sqrt{2}"])
    {'2\\\\sqrt{2}': '2\\\\sqrt{2}', '3': '3', '\\\\sqrt{8}': '2\\\\sqrt{2}'}
    """
    leader = {answer: answer for answer in sorted(set(answers))}
    for answer, other_answer in combinations(leader, 2):
        first, second = leader[answer], leader[other_answer]
        if first != second and same_answer(answer, other_answer):
            low, high = sorted((first, second))
            leader = {answer: low if current == high else current for answer, current in leader.items()}
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
def _alike(first: str, second: str) -> bool:
    return same_formula(first, second)


def _stated(text: str) -> str | None:
    """The answer as written; see the module."""
    parts = _parts(_CALCULATED.sub("", text.replace("\u2212", "-")))
    for finder in (_marked, _unmarked):
        for part in parts:
            if (answer := finder(part)) is not None:
                return answer
    return None


def _parts(text: str) -> list[str]:
    """The parts of a text before and after each next question."""
    return [part for part in RUN_ON.split(text) if part.strip()]


def _marked(text: str) -> str | None:
    """The answer by a mark, a box, or a declaration."""
    named: str | None = None
    for mark in islice(_MARK.finditer(text), MARKS):
        line = re.sub(f"^{_ANSWER_IS}", "", mark["line"].strip(), flags=re.IGNORECASE) or (mark["next"] or "").strip()
        line = _unboxed(line)
        number = _leading_number(line)
        if number is not None:
            return number
        named = named or (None if _HEADING.match(line) else line or None)
    boxed = _last_boxed(text)
    if boxed is not None:
        return boxed
    return named or _declared(text)


def _leading_number(line: str) -> str | None:
    """The line up to the end of its first clause, if that is a number; else `None`."""
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
    r"""The content of the last `\boxed{…}` with closed braces."""
    boxes = list(_BOX.finditer(text))
    ends = _braces(text) if boxes else {}
    for box in reversed(boxes):
        if box["bare"]:
            return box["bare"]
        if box.end() in ends:
            return text[box.end() : ends[box.end()]] or None
    return None


def _braces(text: str) -> dict[int, int]:
    """The start and end of the content of each closed pair of braces."""
    starts: list[int] = []
    ends: dict[int, int] = {}
    for position, character in enumerate(text):
        if character == "{":
            starts.append(position + 1)
        elif character == "}" and starts:
            ends[starts.pop()] = position
    return ends


def _declared(text: str) -> str | None:
    """The last number or formula that follows "the answer is"."""
    for match in reversed(list(_DECLARED.finditer(text))[-DECLARATIONS:]):
        declared = _ASIDE.sub("", match["said"]).strip()
        answer = _leading_number(declared) or _whole(_first_clause(declared)) or _last_formula(_first_clause(declared))
        if answer is not None:
            return answer
    return None


def _declared_words(text: str) -> str | None:
    """The words that follow the last "the answer is", normalised, up to the end of the clause.

    >>> _declared_words("The answer is Paris, since it is the capital.")
    'paris'
    """
    declarations = (
        match["said"].strip() for part in _parts(text) for match in reversed(list(_DECLARED.finditer(part)))
    )
    return next((_key(_first_clause(words)) for words in declarations if words), None)


def _unmarked(text: str) -> str | None:
    return _whole(text) or _last_formula(text)


def _whole(text: str) -> str | None:
    """The whole text, if it is a number or a formula."""
    if len(text) > LONGEST or ("\n" in text.strip() and r"\begin" not in text):
        return None
    plain = plainly(text)
    return text.strip() if read_number(plain) is not None or is_formula(plain) else None


def _last_formula(text: str) -> str | None:
    """The last complete number or formula in running text."""
    text = re.sub(r"\.{2,}", " ", text)
    text = _ASIDE.sub("", text) if _NUMERAL.search(_ASIDE.sub("", text)) else text
    shown = [
        (match.start(), match.end(), formula)
        for match in _SHOWN.finditer(text)
        if (formula := _whole(next(filter(None, match.groups()))))
    ]
    runs = [(match.start(), match.end(), match[0]) for pattern in (_RUN, _LIST) for match in pattern.finditer(text)]
    last = max((match.end() for match in _NUMERAL.finditer(text)), default=-1)
    enclosing = [run for run in runs if run[0] < last <= run[1] and _whole(_trimmed(run[2])) is not None]
    if shown and shown[-1][1] >= last:
        return shown[-1][2]
    if enclosing:
        return _trimmed(max(enclosing, key=lambda run: run[1] - run[0])[2])
    numbers = _NUMERAL.findall(text)
    return _trimmed(numbers[-1]) if numbers else None


def _trimmed(run: str) -> str:
    """A run without signs and unmatched brackets at its ends."""
    run = run.strip().rstrip("+-*/^=<>:×·÷_!,. ")
    for opening, closing in ("()", "[]", "{}"):
        if run.count(opening) < run.count(closing):
            run = run.rstrip(closing)
        elif run.count(opening) > run.count(closing):
            run = run.lstrip(opening)
    return run.lstrip("*/^=<>:×·÷_ ").strip()
