"""Log-probabilities of a given text from a server: the field `prompt_logprobs` of vLLM's chat requests.

The text is sent as the assistant's turn, and nothing is to be written after it: the chat template ends the turn, so
that the end of the text has a probability, too. The reply lists the tokens of the whole prompt. The text's own are
found by their characters, at their last place that is not within a marker such as `<|im_end|>`. vLLM shows a character
that is in several tokens at the last of them, and nothing at the others. A text that the tokens do not spell (another
server shows parts as "�") has no log-probabilities.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from outgrow.align.pieces import PieceTable

FIELD = "prompt_logprobs"
SCORING: Mapping[str, Any] = {FIELD: 0, "add_generation_prompt": False, "temperature": 0.0}
"""Fields of a request for the log-probabilities of its prompt, and of no alternatives."""
LONGEST_TOKEN = 1000
MARKER = re.compile(r"[<\[].+[>\]]", re.DOTALL)
"""A token by which a chat template marks something."""


class PromptToken(NamedTuple):
    """A token of a prompt. The first one of a prompt has no probability: 0."""

    text: str
    logprob: float


def is_scoring(body: Mapping[str, Any]) -> bool:
    """Whether a request asks for the log-probabilities of its prompt."""
    return body.get(FIELD) is not None


def read_prompt(reply: Mapping[str, Any]) -> tuple[PromptToken, ...] | None:
    """The prompt's tokens in a server's reply, or in a cached one; `None` if there are none, or invalid ones."""
    sent = reply.get(FIELD)
    if not isinstance(sent, list) or not sent:
        return None
    tokens = [_token(entry) for entry in sent]
    return None if None in tokens else tuple(token for token in tokens if token is not None)


def as_sent(tokens: Sequence[PromptToken]) -> list[dict[str, dict[str, Any]]]:
    """The tokens in the server's format, by their place instead of their id."""
    return [
        {str(place): {"logprob": token.logprob, "decoded_token": token.text}} for place, token in enumerate(tokens)
    ]


def _token(entry: object) -> PromptToken | None:
    """The prompt's own token: it comes before alternatives."""
    if entry is None:
        return PromptToken("", 0.0)
    first = next(iter(entry.values()), None) if isinstance(entry, dict) else None
    if not isinstance(first, dict):
        return None
    text, logprob = first.get("decoded_token"), first.get("logprob")
    if not isinstance(text, str) or len(text) > LONGEST_TOKEN or isinstance(logprob, bool):
        return None
    # −inf and NaN are no JSON; a server that sends them all the same is not trusted.
    if not isinstance(logprob, int | float) or not -1e9 < logprob < 1e-4:
        return None
    return PromptToken(text, min(float(logprob), 0.0))


def last_place(text: str, tokens: Sequence[PromptToken]) -> int:
    """The last character from which on the tokens spell a text that is not empty, outside of markers; -1 = none.

    >>> tokens = [PromptToken(text, -1.0) for text in ("the", " end", "<|im_end|>")]
    >>> last_place("end", tokens)
    4
    """
    spelled, stop = "".join(token.text for token in tokens), None
    ends = np.cumsum([len(token.text) for token in tokens])
    while (place := spelled.rfind(text, 0, stop)) >= 0:
        around = tokens[int(np.searchsorted(ends, place, side="right"))].text
        if not (MARKER.fullmatch(around) and text in around and text != around):
            break
        stop = place + len(text) - 1
    return place


def pieces_of(text: str, tokens: Sequence[PromptToken]) -> PieceTable | None:
    """The text's pieces, and its end if the chat template has one; `None` if the tokens do not spell it."""
    if not text or (place := last_place(text, tokens)) < 0:
        return None
    spelled = "".join(token.text for token in tokens)
    first = len(spelled[:place].encode())
    last = first + len(text.encode())
    end = np.cumsum([len(token.text.encode()) for token in tokens], dtype=np.int64)
    start = np.concatenate([[0], end[:-1]])
    # Before the text's first character may be tokens of its first parts, which show nothing.
    inside = np.flatnonzero(((end > first) | ((start == first) & (end == first))) & (start < last))
    scores = np.asarray([token.logprob for token in tokens])
    table = PieceTable(end[inside], scores[inside]).trim(first, last)
    after = int(inside[-1]) + 1
    return table.close(scores[after], last - first) if after < len(tokens) else table
