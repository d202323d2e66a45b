"""What a server can do wrong with one reply: the bytes that it sends, and what a client may make of them."""

import gzip
import json
import random
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from raw_server import Send, plain

KEY = "sk-Attack7/very+Secret_7Qx2Jm9Lr4Tz8Wk"
"""Of the account, in every try; without digits in a row, which Parquet's numbers of rows are in ASCII."""
REFUSED, RIGHT, ANY = "refused", "right", "any"
"""What becomes of a question: no answer for this item; the answer; either."""
TIMEOUT = 4.0
"""Seconds that the client waits for an answer."""
Reply = dict[str, Any]

# ---- trouble that passes: the next time the server answers --------------------------------------------------------


def drip(send: Send, data: bytes, pause: float = 0.2) -> None:
    """A byte now and then."""
    for byte in data:
        send(bytes([byte]))
        time.sleep(pause)


def drip_headers(send: Send, good: bytes) -> None:
    drip(send, plain(200, good))


def drip_body(send: Send, good: bytes) -> None:
    whole = plain(200, good)
    send(whole[: -len(good)])
    drip(send, good)


def stall(send: Send, good: bytes) -> None:
    time.sleep(1.5 * TIMEOUT)


def cut(send: Send, good: bytes) -> None:
    send(plain(200, good)[: -len(good) // 2])


def nothing(send: Send, good: bytes) -> None:
    """The connection ends."""


def endless(send: Send, good: bytes) -> None:
    """White space before the JSON, without an end."""
    send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(4000):
        send(b" " * 65536)


def bomb(send: Send, good: bytes) -> None:
    """100 MB of a blank, compressed; half of the time twice."""
    times = 1 + len(good) % 2
    send(plain(200, blanks(times), f"Content-Encoding: {', '.join(['gzip'] * times)}"))


@cache
def blanks(times: int) -> bytes:
    return gzip.compress(blanks(times - 1) if times > 1 else b" " * 10**8, 9)


def no_gzip(send: Send, good: bytes) -> None:
    send(plain(200, good, "Content-Encoding: gzip"))


def error(status: int) -> Callable[[Send, bytes], None]:
    def sent(send: Send, good: bytes) -> None:
        body = json.dumps({"error": {"message": f"you sent Bearer {KEY}", "code": [[KEY]]}}).encode()
        send(plain(status, body, "retry-after-ms: 5", f"x-request-id: {KEY}"))

    sent.__name__ = f"error {status}"
    return sent


def odd_error(send: Send, good: bytes) -> None:
    """An error whose body is nothing that one expects."""
    code: Any = "[" * 900 + "]" * 900
    bodies = [
        b"\xff\xfe",
        b"<html>" * 20000,
        f'{{"error": {{"code": {code}, "message": "x"}}}}'.encode(),
        b'{"error": [1]}',
    ]
    body = bodies[len(good) % len(bodies)]
    send(plain(503, body, "retry-after-ms: 5", "Content-Type: text/html; charset=rot13", "Content-Encoding: gzip"))


def no_json(send: Send, good: bytes) -> None:
    bodies = [
        b"",
        b"[" * 100_000,
        b"<html>no</html>",
        b"null",
        b"[]",
        b'{"choices": {}}',
        b'"x"',
        b"9" * 5000,
        good[:-9],
    ]
    send(plain(200, bodies[len(good) % len(bodies)]))


def many_headers(send: Send, good: bytes) -> None:
    send(plain(200, good, *(f"x-{number}: {'y' * 1000}" for number in range(300))))


def informed(send: Send, good: bytes) -> None:
    """Interim replies without an end."""
    send(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000)
    time.sleep(2 * TIMEOUT)


PASSING = [
    drip_headers, drip_body, stall, cut, nothing, endless, bomb, no_gzip, odd_error, no_json, many_headers, informed,
    *map(error, (408, 409, 429, 500, 503, 599, 999)),
]  # fmt: skip

# ---- replies that are odd for good --------------------------------------------------------------------------------

NUMBERS: list[Any] = [None, [], {}, "many", "5", True, -1, -(10**6), 0, 2**63, 10**40, 1.5, 1e400, [[1]], {"a": 1}]


def odd_usage(reply: Reply, draw: random.Random) -> str:
    parts = ("prompt_tokens", "completion_tokens", "total_tokens")
    reply["usage"] = draw.choice([*NUMBERS, {part: draw.choice(NUMBERS) for part in parts}])
    return RIGHT


def odd_name(reply: Reply, draw: random.Random) -> str:
    reply["model"] = draw.choice([*NUMBERS, KEY, f"tuned-{KEY[3:20]}", "\x1b[31m", "\ud800", "x" * 5000, "tiny-2"])
    return RIGHT


def odd_logprobs(reply: Reply, draw: random.Random) -> str:
    odd: list[Any] = [*NUMBERS, "\ud800", KEY, 1e999, -1e999]
    token = {"token": draw.choice(["A", *odd]), "bytes": draw.choice([None, [300], [1.5], *odd])}
    token |= {"logprob": draw.choice(["x", *odd]), "top_logprobs": draw.choice([*odd, [draw.choice(odd)]])}
    contents = [*odd, [token], [token, 3], [token] * 3, [{"token": part} for part in (KEY[:6], KEY[6:12], KEY[12:])]]
    reply["choices"][0]["logprobs"] = draw.choice([*odd, {"content": draw.choice(contents)}])
    # What a server tells of its tokens may be a vote.
    return ANY


def odd_surroundings(reply: Reply, draw: random.Random) -> str:
    reply |= {"id": draw.choice(NUMBERS), "object": KEY, "created": draw.choice(NUMBERS), "\ud800": KEY}
    reply["choices"][0] |= {"finish_reason": draw.choice(NUMBERS), "index": draw.choice(NUMBERS)}
    reply["choices"][0]["message"] |= {"role": draw.choice(NUMBERS), "tool_calls": KEY}
    return RIGHT


def no_text(reply: Reply, draw: random.Random) -> str:
    numbers = [one for one in NUMBERS if not isinstance(one, str)]
    reply["choices"][0]["message"]["content"] = draw.choice([*numbers, "", "  \n", "\ud83d", f"A \udfff {KEY}"])
    return REFUSED


def no_choice(reply: Reply, draw: random.Random) -> str:
    messages: list[Any] = [None, [], "A", 5, {}, {"content": None}]
    one: Any = draw.choice([None, [], "A", {}, *({"message": message} for message in messages)])
    reply["choices"] = draw.choice([[], [one]])
    return REFUSED


def with_key(reply: Reply, draw: random.Random) -> str:
    part = draw.choice([KEY, KEY[5:16], KEY.upper(), KEY.encode().hex()])
    reply["choices"][0]["message"]["content"] += f" (you are {part})"
    return REFUSED


def more_choices(reply: Reply, draw: random.Random) -> str:
    reply["choices"] += [{"message": {"content": KEY}}, None] * 20
    return RIGHT


def mutated(reply: Reply, draw: random.Random) -> str:
    """Any one value, at any depth, becomes something else."""
    return ANY if exchanged(reply, draw).startswith("/choices") else RIGHT


def exchanged(reply: Reply, draw: random.Random, spared: str = "") -> str:
    """Something else in one place of a reply, none whose name is `spared`; the place."""
    node, key, path = draw.choice([place for place in places(reply) if place[1] != spared])
    deep: Any = []
    for _ in range(draw.choice([5, 400])):
        deep = [deep]
    node[key] = draw.choice([*NUMBERS, "\ud800", deep, float("nan"), KEY, "x" * 20_000, ["A"], {"content": "A"}])
    return path


def places(node: Any, path: str = "") -> list[tuple[Any, Any, str]]:
    """Every value at any depth: what it stands in, under which name or number, and the way there."""
    found = []
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        found.append((node, key, f"{path}/{key}"))
        found += places(value, f"{path}/{key}") if isinstance(value, dict | list) else []
    return found


ODD = [
    odd_usage, odd_name, odd_logprobs, odd_surroundings, no_text, no_choice, with_key, more_choices, mutated, mutated,
    mutated, mutated,
]  # fmt: skip


def as_is(text: str, draw: random.Random) -> tuple[bytes, str]:
    return text.encode(), ""


def other_charset(text: str, draw: random.Random) -> tuple[bytes, str]:
    """JSON in UTF-8 that is called something else, or JSON in something else that is called so."""
    if draw.random() < 0.5:
        return text.encode(), draw.choice(
            ["rot13", "no-such", "hex", "utf-16", "undefined", "idna", "punycode", "ascii"]
        )
    name = draw.choice(["utf-16", "utf-8-sig", "latin-1"])
    return text.encode(name, errors="replace"), name


def compressed(text: str, draw: random.Random) -> tuple[bytes, str]:
    return gzip.compress(text.encode()), "gzip"


WRITINGS = [as_is, as_is, as_is, other_charset, compressed]


def written(reply: Reply, draw: random.Random) -> bytes:
    """A reply as bytes on the wire."""
    text = json.dumps(reply, ensure_ascii=draw.random() < 0.5 or not is_text(reply))
    writing = draw.choice(WRITINGS)
    body, name = writing(text, draw)
    headers = [f"x-echo: Bearer {KEY}", f"Set-Cookie: a={KEY}"]
    if writing is compressed:
        headers.append("Content-Encoding: gzip")
    elif name:
        headers.append(f"Content-Type: application/json; charset={name}")
    return plain(200, body, *headers)


def is_text(reply: Reply) -> bool:
    try:
        json.dumps(reply, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def broken_bytes(good: Reply) -> bytes:
    """A reply whose answer has a byte that is no UTF-8."""
    good["choices"][0]["message"]["content"] += " @"
    return plain(200, json.dumps(good, ensure_ascii=False).encode().replace(b"@", b"\xc3"))
