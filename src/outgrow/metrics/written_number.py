r"""A whole answer as an exact number, in any common spelling; `None` if it is not a number.

| written | read as |
|---|---|
| `18`, `18.`, `+18`, `**18**`, `$18$`, `(18)`, `x = 18`, `16-3=13` | 18, …, 13: signs around it are ignored |
| `$18`, `18 €`, `18 eggs`, `18 million`, `18 km/h`, `18m`, `18\text{ cm}^2`, `18^\circ` | 18: units are ignored (a) |
| `50%`, `50\%`, `50 percent` | 50: a per cent sign is ignored (a), so `0.5` is another answer (b) |
| `18 (see step 3)`, `about 18` | 18: remarks are ignored |
| `1,234`, `12,34,567`, `1.234.567`, `1 234`, `1'234`, `1_234`, `1{,}234` | 1234, …: groups of three digits (c) |
| `1,234.5`, `1.234,5` | 1234.5: the last of two kinds of marks is the decimal mark |
| `1.234` | 1.234: a single point is a decimal point |
| `3,50 €`, `12,5%` | 3.5, 12.5: a comma not before three digits is a decimal comma if a unit follows |
| `1,5` | no number: without a unit it may be a list (see `decimal_comma`) |
| `3/4`, `\frac{3}{4}`, `\frac34`, `1 1/2`, `1\frac{1}{2}`, `½` | 3/4, 3/4, 3/4, 3/2, 3/2, 1/2 |
| `1.5e3`, `1.5 × 10^3`, `0.\overline{3}` | 1500, 1500, 1/3 |
| `5 feet 6 inches`, `18 or 19`, `1 in 5`, `3:2`, `6 p.m.`, `5x`, `10-3` | none, or several, or a formula |

(a) As for GSM8K (lm-evaluation-harness' `strict-match`) and in Hendrycks' MATH. (b) As there; Math-Verify reads `50%`
as both 50 and 0.5. (c) Indian groups with commas.

Numbers are exact: `0.33` is not `1/3`.
"""

import re
import unicodedata
from fractions import Fraction

LONGEST = 4000
"""Digits of a number, at most, as in Python's own limit."""
DIGITS = r"(?:\d{1,3}(?: \d{3})+(?![\d'])(?:[.,]\d+)?|\d(?:[\d,.'_]*\d)?|\.\d+)"
"""Digits with marks; `_value` interprets the marks."""
COMMA = re.compile(r"-?\d+,\d+")

_CURRENCY = r"(?:(?:US|A|C|HK)?[$£€¥₹₩₽₫₺₴₱฿₪]|(?:USD|EUR|GBP|JPY|CNY|INR|CHF|Rs\.?)(?![A-Za-z]))"
_ABOUT = re.compile(
    r"(?:about|approximately|approx\.|around|roughly|exactly|only|just|~|≈|\\approx)\s*", re.IGNORECASE
)
_OTHER_SIDE = re.compile(r"\s*(?:[A-Za-z](?:_\{?\w+\}?)?|[\d\s.,+\-*/×÷x^{}()%$£€:]+)\s*")
"""A side of an equation whose other side is the answer: one variable, or arithmetic."""
_REMARK = re.compile(r"(?<=\S)\s*\((?=[^()]*[A-Za-z]{2})[^()]*\)\s*[.!]?$")
_NUMBER = re.compile(
    rf"(?P<minus>-|minus |negative )?\+?\s*(?:{_CURRENCY}\s*)?(?P<inner>-)?"
    rf"(?:(?:(?P<whole>\d+)(?:\s+(?=\d)|\s*(?=\\frac)))?"
    rf"(?:\\frac\s*(?:\{{\s*(?P<f1>-?{DIGITS})\s*\}}|(?P<f2>\d))\s*(?:\{{\s*(?P<g1>{DIGITS})\s*\}}|(?P<g2>\d))"
    rf"|(?P<f3>{DIGITS})\s*/\s*(?P<g3>{DIGITS})(?!\s*/))"
    rf"|(?P<repeated>\d*\.\d*)\\overline\{{?(?P<period>\d+)\}}?"
    rf"|(?P<plain>{DIGITS})(?P<power>(?:[eE]|\s*[×x*·]\s*10\s*(?:\^|\*\*)\s*[{{(]?)[+-]?\d{{1,3}}(?!\d)[}})]?)?)"
)
_WORD = r"(?:[^\W\d_]+(?:\^\{?[23]\}?)?|[°%])"
_UNIT = re.compile(rf"\s*(?:[-/](?=[^\W\d_]{{2}}))?(?:{_WORD}(?:[\s.'/*·-]+{_WORD})*)?[\s.]*(?:{_CURRENCY})?")
"""Words, which may have a power."""
_GLUED = re.compile(
    r"(?:[kcmμ]?m|[km]?g|m?L|ml|ft|in|yd|mi|lbs?|oz|mph|hrs?|mins?|secs?|st|nd|rd|th|cents?|[MGkK]B|Hz|kW|dollars?)\b"
)
"""Units that may follow a number directly; other letters there belong to a formula."""
_LETTERS = frozenset("mgshlLtKCFJNWVc")
"""Units of one letter, after a space."""
_ALTERNATIVE = re.compile(r"\s*(?:(?:and|or|plus|minus|times|divided|x)\b|[ap]\.?m\b)", re.IGNORECASE)
_SHARE = re.compile(r"\s*(?:to|of|out|over|in|per|for|at|by|from|more|less|fewer)\b.*\d", re.IGNORECASE | re.DOTALL)
_FURTHER = re.compile(
    r"\b(?:for|in|per|after|at|on|from|with|because|since|as|when|which|that|each|every|is|are|was|were|if)\b.*",
    re.IGNORECASE | re.DOTALL,
)
_SMALL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_LATEX = (
    (re.compile(r"\\[dt]frac"), r"\\frac"),
    (re.compile(r"\\left(?![a-zA-Z])|\\right(?![a-zA-Z])|\\displaystyle"), ""),
    (re.compile(r",\s*\\!|\{,\}"), ","),
    (re.compile(r"\\[!]"), ""),
    (re.compile(r"(?<!\\)\\[,;: ]|~(?=\S)(?<=\S~)|[\u00a0\u2007\u2009\u202f]"), " "),
    (re.compile(r"\^\{?\s*\\circ\s*\}?|\\degrees?(?![a-zA-Z])"), "°"),
    (re.compile(r"\\([$%#&])"), r"\1"),
    (re.compile(r"\\(?:times|cdot)(?![a-zA-Z])"), "×"),
    (re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname|textrm|textnormal)\s*\{([^{}]*)\}"), r" \1"),
    (re.compile(r"[\u2212\u2012\u2013\ufe63\uff0d](?=\s*[\d.$£€\\])"), "-"),
    (re.compile(r"(?<=\d)[\u2019\u02bc](?=\d{3})"), "'"),
    (re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+"), lambda match: f"^{{{match[0].translate(_SMALL)}}}"),
    (
        re.compile(r"(\d?)([¼-¾⅐-⅞])"),
        lambda match: f"{match[1]} {unicodedata.normalize('NFKC', match[2]).replace(chr(0x2044), '/')}",
    ),
)


def plainly(answer: str) -> str:
    r"""The answer with normalised signs, spaces and digits, and without LaTeX formatting.

    >>> plainly(r"**−\dfrac{1}{2}\,\text{cm}**.")
    '-\\frac{1}{2}  cm'
    """
    for pattern, replacement in _LATEX:
        answer = pattern.sub(replacement, answer)
    answer = "".join(map(_digit, answer)) if not answer.isascii() else answer
    for _ in range(3):
        answer = unwrapped(answer)
    return answer


def unwrapped(answer: str) -> str:
    """The answer without one layer of emphasis, dollar signs or LaTeX brackets, and without a final full stop."""
    answer = re.sub(r"(?<=[^.])[.,;:]$", "", answer.strip().strip("*").strip()).strip()
    for opening, closing in (("$$", "$$"), ("$", "$"), ("`", "`"), (r"\(", r"\)"), (r"\[", r"\]")):
        if len(answer) > len(opening + closing) and answer.startswith(opening) and answer.endswith(closing):
            return answer[len(opening) : -len(closing)].strip()
    return answer


def read_number(answer: str) -> Fraction | None:
    """The number of a whole answer; see the module."""
    plain = plainly(answer)
    if len(plain) > LONGEST or "\n" in plain or not any(map(str.isdecimal, plain)):
        return None
    plain = _REMARK.sub("", plain)
    if plain.startswith("(") and plain.endswith(")") and plain.count("(") == 1:
        plain = plain[1:-1].strip()
    plain = _ABOUT.sub("", _solved(plain).strip(), count=1)
    match = _NUMBER.match(plain)
    if not match:
        return None
    rest = plain[match.end() :]
    if not _is_unit(rest):
        return None
    return _number(match, alone=not rest.strip() and not re.search(_CURRENCY, match[0]))


def _solved(equation: str) -> str:
    """The side of an equation with the answer: the last one, unless it is a variable."""
    *sides, last = re.split(r"(?<![<>!:=])=(?!=)", equation)
    if len(sides) == 1 and re.fullmatch(r"\s*[A-Za-z]\s*", last) and not re.search("[A-Za-z]", sides[0]):
        return sides[0]
    chain = len(sides) > 1 and not re.search("[A-Za-z]{2}", "".join(sides))
    return last if chain or (len(sides) == 1 and _OTHER_SIDE.fullmatch(sides[0])) else equation


def decimal_comma(answer: str) -> Fraction | None:
    """`1,5` as 1.5, with a comma that may also separate a list.

    >>> decimal_comma("1,5")
    Fraction(3, 2)
    """
    plain = plainly(answer)
    return Fraction(plain.replace(",", ".")) if COMMA.fullmatch(plain) and len(plain) < LONGEST else None


def _is_unit(rest: str) -> bool:
    """Whether the text after a number is a unit, or empty, so that the number is the answer."""
    if not rest.strip():
        return True
    if re.match("[A-Za-z]", rest) and not _GLUED.match(rest):
        return False
    if _ALTERNATIVE.match(rest) or _SHARE.match(rest):
        return False
    if re.fullmatch(r"\s+[A-Za-z]", rest):
        return rest.strip() in _LETTERS
    return _UNIT.fullmatch(_FURTHER.sub("", rest)) is not None


def _number(match: re.Match[str], alone: bool) -> Fraction | None:
    """The value of `_NUMBER`'s parts; a comma is ambiguous if the number is `alone`."""
    part = match.groupdict()
    value: Fraction | None
    numerator, denominator = part["f1"] or part["f2"] or part["f3"], part["g1"] or part["g2"] or part["g3"]
    if numerator:
        upper, lower = _value(numerator.removeprefix("-"), alone), _value(denominator, alone)
        if upper is None or not lower:
            return None
        value = Fraction(part["whole"] or 0) + upper / lower
        value = -value if numerator.startswith("-") else value
    elif part["repeated"]:
        start, period = Fraction(f"0{part['repeated']}0"), part["period"]
        places = len(part["repeated"].partition(".")[2])
        value = start + Fraction(int(period), (10 ** len(period) - 1) * 10**places)
    else:
        value = _value(part["plain"], alone)
        exponent = re.search(r"[+-]?\d+(?=\D?$)", part["power"] or "")
        value = value * Fraction(10) ** int(exponent[0]) if value is not None and exponent else value
    negative = bool(part["minus"]) != bool(part["inner"])
    return -value if negative and value is not None else value


def _value(digits: str, alone: bool) -> Fraction | None:
    """The value of digits with marks between them; `None` for inconsistent marks."""
    marks = re.findall(r"[,.' _]", digits)
    kinds = list(dict.fromkeys(marks))
    if len(kinds) == 2 and marks[-1] in ",." and marks.count(marks[-1]) == 1 and marks[-1] != kinds[0]:
        whole, decimals = digits.split(marks[-1])
        return Fraction(f"{_ungrouped(whole)}.{decimals}") if _grouped(whole) else None
    if len(kinds) > 1:
        return None
    if not marks or marks == ["."]:
        return Fraction(f"0{digits}")
    if _grouped(digits):
        return Fraction(_ungrouped(digits))
    return Fraction(digits.replace(",", ".")) if marks == [","] and not alone else None


def _grouped(digits: str) -> bool:
    return re.fullmatch(r"[1-9]\d{0,2}([,.' _])\d{3}(?:\1\d{3})*|[1-9]\d?(?:,\d{2})+,\d{3}", digits) is not None


def _ungrouped(digits: str) -> str:
    return re.sub(r"\D", "", digits)


def _digit(character: str) -> str:
    """A digit of any script as 0 to 9; other characters unchanged."""
    return str(unicodedata.decimal(character)) if character.isdecimal() else character
