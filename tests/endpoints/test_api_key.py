"""A key in every writing in which a server may repeat it, and what may be a key at all."""

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.endpoints.api_key import ApiKey, header_trouble

KEY = 'sk-very/secret+0123\\456"789=abc'


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        KEY[:8],
        KEY[-8:],
        KEY[7:19],
        KEY.upper(),
        repr(KEY),
        json.dumps(KEY),
        json.dumps(json.dumps(KEY)),
        urllib.parse.quote(KEY),
        urllib.parse.quote(KEY, safe="").lower(),
        "".join(f"%{ord(letter):02X}" for letter in KEY),
        "".join(f"\\u{ord(letter):04x}" for letter in KEY),
        KEY.encode().hex(),
        *(base64.b64encode(f"{before}{KEY}".encode()).decode() for before in ("", "Bearer ", "x:", ":")),
        base64.urlsafe_b64encode(f"Bearer {KEY}".encode()).decode(),
    ],
)
def test_a_key_is_found_in_every_writing(written: str) -> None:
    text = f"you sent {written}, which is wrong"
    secret = ApiKey(KEY)
    assert secret.is_in(text)
    hidden = secret.hidden(text)
    assert hidden.startswith("you sent ")
    assert hidden.endswith(", which is wrong")
    assert "…" in hidden
    assert not secret.is_in(hidden)


def test_what_is_no_key_stays() -> None:
    text = "sk-very is seven letters of it, and so is =abc; " + base64.b64encode(b"Bearer something else").decode()
    assert ApiKey(KEY).hidden(text) == text
    assert not ApiKey(KEY).is_in(text)
    assert ApiKey(None).hidden(KEY) == KEY
    assert ApiKey("").hidden("anything") == "anything"


def test_a_short_key_is_no_secret_but_no_message_repeats_it() -> None:
    assert not ApiKey("EMPTY").is_in("The list is EMPTY.")
    assert ApiKey("EMPTY").hidden("refused: EMPTY") == "refused: …"


def test_white_space_around_a_key_hides_it_nowhere() -> None:
    assert ApiKey(f"{KEY}\r\n").hidden(f"illegal value b'Bearer {KEY}\\r\\n'").count(KEY[:8]) == 0


@given(st.text(min_size=8, max_size=20), st.text(max_size=30), st.text(max_size=30))
def test_no_eight_letters_of_any_key_stay(key: str, before: str, after: str) -> None:
    """By brute force: every stretch of the key, looked for in what is left."""
    hidden = ApiKey(key).hidden(before + key + after)
    stripped = key.strip()
    if len(stripped) >= 8 and "…" not in stripped:
        assert not any(stripped[at : at + 8] in hidden for at in range(len(stripped) - 7))


@pytest.mark.parametrize(
    ("value", "trouble"),
    [
        ("sk-1\r", "ends with a carriage return"),
        ("sk-1\n", "ends with a line feed"),
        ("\tsk-1", "begins with a tab"),
        (" sk-1", "begins with a space"),
        ("sk-1\u00a0", "ends with a blank"),
        ("sk\n-1", "has a line feed in it, character 3"),
        ("sk-\x00", "has a control character in it, character 4"),
        ("sk-\x7f1", "has a control character in it, character 4"),
        ("sk-é", "has a character that is not ASCII, number 4"),
        ("sk-\udcff", "has a character that is not ASCII, number 4"),
        ("  ", "is blank"),
        ("sk-1 and more", None),
        (KEY, None),
    ],
)
def test_what_no_header_can_carry_is_named(value: str, trouble: str | None) -> None:
    assert header_trouble(value) == trouble
