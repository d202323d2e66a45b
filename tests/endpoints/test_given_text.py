"""Tokens of a prompt in a reply, and the pieces of the text among them."""

import json
from pathlib import Path

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.endpoints.api_key import ApiKey
from outgrow.endpoints.given_text import SCORING, PromptToken, as_sent, pieces_of, read_prompt
from outgrow.endpoints.response import kept

RECORDED = json.loads((Path(__file__).parent / "vllm_prompt_logprobs.json").read_text())
"""What vLLM 0.32.0 sent for SmolLM2-135M in float32, by the assistant's turn."""
SENT = RECORDED["red"]
BODY = {"model": "m", "messages": [{"role": "user", "content": "Name a colour."}], **SCORING, "max_tokens": 1}


@pytest.mark.parametrize(("text", "ends", "tokens"), [("red", [3, 4], 2), ("日 ok", [0, 3, 6, 7], 4)])
def test_the_text_and_its_end_have_the_probabilities_of_their_tokens(text: str, ends: list[int], tokens: int) -> None:
    """Also of a character in two tokens, which is shown at the second one."""
    sent = RECORDED[text]
    read = read_prompt({"prompt_logprobs": sent})
    assert read is not None
    table = pieces_of(text, read)
    assert table is not None
    assert table.end.tolist() == ends
    own = sent[len(sent) - 1 - tokens : -1]  # the template has one more token after the end
    assert table.logprob.tolist() == [next(iter(token.values()))["logprob"] for token in own]


def test_the_last_place_counts_and_a_template_without_an_end_gives_none() -> None:
    tokens = [PromptToken(text, -float(place)) for place, text in enumerate(["red", " is ", "re", "d"])]
    table = pieces_of("red", tokens)
    assert table is not None
    assert (table.end.tolist(), table.logprob.tolist()) == ([2, 3], [-2.0, -3.0])


@pytest.mark.parametrize("marker", ["<|im_end|>", "</end>", "[/end]"])
def test_a_marker_that_contains_the_text_is_not_its_place(marker: str) -> None:
    tokens = [PromptToken(text, -float(place)) for place, text in enumerate(["say ", "end", marker, "\n"])]
    table = pieces_of("end", tokens)
    assert table is not None
    assert (table.end.tolist(), table.logprob.tolist()) == ([3, 4], [-1.0, -2.0])
    assert pieces_of("end", tokens[:1] + tokens[2:]) is None
    assert pieces_of(marker, tokens) is not None, "a text may be a marker"


def test_a_token_that_only_begins_or_ends_in_the_text_is_cut() -> None:
    tokens = [PromptToken(text, -1.0) for text in ["a", ": zwei", " Äpfel.", " b"]]
    table = pieces_of("zwei Äpfel", tokens)
    assert table is not None
    assert table.end.tolist() == [4, 11, 12]
    assert pieces_of("zwei Birnen", tokens) is None
    assert pieces_of("", tokens) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_pieces_tile_the_text_however_it_is_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = "".join(rng.choice(list("ab ö日\n"), 30)).strip() or "a"
    whole = f"<user>{text} {text}<end>\n"
    cuts = np.sort(rng.choice(np.arange(1, len(whole)), 12, replace=False))
    parts = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, None], strict=True)]
    tokens = [PromptToken(part, -float(rng.random())) for part in parts]
    table = pieces_of(text, tokens)
    assert table is not None
    place = whole.rindex(text)
    at = np.cumsum([0, *map(len, parts)])
    inside = [n for n in range(len(parts)) if at[n + 1] > place and at[n] < place + len(text)]
    ends = [len(whole[place : min(at[n + 1], place + len(text))].encode()) for n in inside]
    closed = inside[-1] + 1 < len(parts)
    assert table.end.tolist() == [*ends, *([len(text.encode()) + 1] if closed else [])]
    assert table.logprob.tolist() == [tokens[n].logprob for n in [*inside, *([inside[-1] + 1] if closed else [])]]


@pytest.mark.parametrize(
    "sent",
    [
        None,
        [],
        "no list",
        [None, {"1": {"logprob": -1.0}}],
        [None, {"1": {"logprob": "x", "decoded_token": "a"}}],
        [None, {"1": {"logprob": float("-inf"), "decoded_token": "a"}}],
        [None, {"1": {"logprob": True, "decoded_token": "a"}}],
        [None, {"1": {"logprob": 2.0, "decoded_token": "a"}}],
        [None, {}],
        [None, ["a"]],
        [None, {"1": {"logprob": -1.0, "decoded_token": "a" * 5000}}],
    ],
)
def test_other_replies_have_none(sent: object) -> None:
    assert read_prompt({"prompt_logprobs": sent}) is None


def test_a_cached_reply_has_the_same_tokens_and_never_the_key() -> None:
    reply = {"model": "m", "choices": [], "prompt_logprobs": SENT}
    small = kept(reply, BODY, ApiKey(""))
    assert read_prompt(small) == read_prompt(reply)
    assert "rank" not in json.dumps(small)
    assert "prompt_logprobs" not in kept(reply, {**BODY, "prompt_logprobs": None}, ApiKey(""))
    secret = "sk-0123456789abcdef"
    revealing = as_sent([PromptToken(secret[:9], -1.0), PromptToken(secret[9:], -1.0)])
    assert "prompt_logprobs" not in kept({**reply, "prompt_logprobs": revealing}, BODY, ApiKey(secret))
