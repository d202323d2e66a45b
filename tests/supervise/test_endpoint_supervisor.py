"""A supervisor behind a server that chooses among classes or options: what it is asked and what its votes are."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import small_study
from loopback import Body, choice, serving, tokens_read
from outgrow.config.endpoint import EndpointSection
from outgrow.data.task import Items, Split, Task
from outgrow.endpoints.chat_request import ChatResponse, Refusal
from outgrow.endpoints.response import ResponseChoice
from outgrow.endpoints.usage import Usage
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.supervise.endpoint_step import ask_supervisor, one_of, vote
from raw_server import RawServer, Request, Send, plain, running
from small_study import FILE, outgrow, results, write

OPTIONS = ["none", "3 of them", "all"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    items = Items(
        [f"i{n}" for n in range(6)],
        [f"How many are {n}?" for n in range(6)],
        np.array([0, 1, 2, 0, 1, 2]),
        options=[["none", f"{n} of them", "all"] for n in range(6)],
    )
    for name in ("pool", "split", "out", "scratch"):
        (tmp_path / name).mkdir()
    Task("mine", "choose", ("A", "B", "C"), items).save(tmp_path / "pool")
    Split(np.array([0, 1]), np.array([2, 3]), np.array([4, 5])).save(tmp_path / "split")
    return tmp_path


def ask(study: Path, url: str, **changes: Any) -> dict[str, WeakLabels]:
    named = {"type": "endpoint", "model": "tiny", "url": url, "timeout": 2.0, **changes}
    section = EndpointSection.model_validate(named).model_dump(mode="json")
    hints = {"endpoint": section, "answers": str(study / "answers.sqlite")}
    inputs = {name: study / name for name in ("pool", "split")}
    ask_supervisor(Job(study / "out", inputs, study / "scratch", hints), model=section, source="far")
    return {part: WeakLabels.load(study / "out" / f"{part}.parquet") for part in ("anchors", "half_b", "test")}


def test_letters_are_votes_and_silence_an_abstention(study: Path) -> None:
    said = {"0": "B", "1": "(C) of course", "2": "I cannot tell.", "3": "A.", "4": '{"choice": "C"}', "5": "Because"}

    def answer(body: Body) -> list[dict[str, Any]]:
        return [choice(said[body["messages"][-1]["content"][13]])]

    with serving(answer) as server:
        labels = ask(study, server.url, system="Be brief.", logprobs=False)
        shown = sorted(body["messages"][1]["content"] for body in server.requests)
        assert all("top_logprobs" not in body and body["temperature"] == 0.0 for body in server.requests)
    assert shown[3] == "How many are 3?\nA. none\nB. 3 of them\nC. all\nAnswer with the letter of your choice alone."
    assert labels["anchors"].probs[:, 0].tolist() == [[0, 1, 0], [0, 0, 1]]
    assert labels["half_b"].probs[:, 0].tolist() == [[0, 0, 0], [1, 0, 0]]
    assert labels["test"].probs[:, 0].tolist() == [[0, 0, 1], [0, 0, 0]]
    assert labels["test"].items == ["i4", "i5"]
    assert labels["test"].sources == ("far",)


def test_log_probabilities_become_a_distribution(study: Path) -> None:
    tops = [("A", 0.2), (" A", 0.1), ("B", 0.3), ("Sure", 0.35)]
    told = [{"token": name, "logprob": math.log(p)} for name, p in tops]
    content = {"content": [{"token": "Sure", "logprob": -1.0, "top_logprobs": told}]}
    with serving(lambda body: [choice("Sure", logprobs=content)]) as server:
        labels = ask(study, server.url, logprobs=True)
        assert all(body["top_logprobs"] == 20 for body in server.requests)
    np.testing.assert_allclose(labels["half_b"].probs[:, 0], [[0.5, 0.5, 0.0]] * 2)


def test_a_choice_may_be_demanded_by_a_schema(study: Path) -> None:
    with serving(lambda body: [choice('{"choice": "B"}')]) as server:
        labels = ask(study, server.url, structured=True)
        assert server.requests[0]["response_format"] == one_of(("A", "B", "C"))
    assert labels["anchors"].probs[:, 0].tolist() == [[0, 1, 0]] * 2


def test_nothing_but_silence_is_an_error_until_the_server_is_mended(study: Path) -> None:
    with serving(lambda body: [choice("dunno")]) as server:
        for more, fix in (({}, "change `system`, or set `structured: true`"), ({"structured": True}, "`system`$")):
            with pytest.raises(DataError, match=f"6 of 6 items get no vote .*'dunno' names no choice; .*{fix}"):
                ask(study, server.url, **more)
        server.answer = lambda body: [choice("B")]
        assert ask(study, server.url)["anchors"].probs[:, 0].tolist() == [[0, 1, 0]] * 2
        assert len(server.requests) == 3 * 6


def test_where_some_are_silent_and_that_is_to_stop_it_only_they_are_asked_again(study: Path) -> None:
    with serving(lambda body: [choice("A" if "are 1?" in str(body) else "dunno")]) as server:
        for _ in range(2):
            with pytest.raises(DataError, match=r"5 of 6 items get no vote .*`unfit: skip` goes on"):
                ask(study, server.url, unfit="stop")
        assert len(server.requests) == 6 + 5
        ask(study, server.url)
        ask(study, server.url)
        assert len(server.requests) == 6 + 5 + 5, "what a step goes on without is bought once"


@pytest.mark.parametrize("tokens", [None, (), ({},), ({"top_logprobs": [{"token": "A", "logprob": "x"}]},)])
def test_broken_log_probabilities_fall_back_to_the_text(tokens: Any) -> None:
    assert vote(ChatResponse((ResponseChoice("C", True, tokens),), Usage()), OPTIONS).tolist() == [0, 0, 1]
    assert not vote(Refusal("no"), OPTIONS).any()


def spoken(*pieces: str, at: int, **tops: float) -> ChatResponse:
    """A reply of these tokens, with alternatives at one of them."""
    tokens = [
        {"token": piece, "logprob": -0.1, "top_logprobs": [{"token": piece, "logprob": -0.1}]} for piece in pieces
    ]
    tokens[at]["top_logprobs"] = [{"token": name, "logprob": math.log(p)} for name, p in tops.items()]
    return ChatResponse((ResponseChoice("".join(pieces), True, tuple(tokens)),), Usage())


def test_the_alternatives_of_the_letter_that_is_stated_are_the_vote() -> None:
    """Not those of an article or a pronoun before it."""
    reply = spoken("A", " good", " one", "!", " The", " answer", " is", " (", "C", ").", at=8, A=0.1, C=0.6, B=0.1)
    np.testing.assert_allclose(vote(reply, OPTIONS), [1 / 8, 1 / 8, 6 / 8])
    nine = [str(number) for number in range(9)]
    reply = spoken("I", " think", " it", " is", " C", ".", at=4, C=0.3, D=0.1)
    np.testing.assert_allclose(vote(reply, nine), [0, 0, 0.75, 0.25, 0, 0, 0, 0, 0])
    assert not vote(spoken("I", " think", " that", at=0, I=0.9, A=0.01), nine).any(), "cut off before it said so"
    assert not vote(spoken("I", "'m", " sorry", at=0, I=0.9, Sorry=0.1), nine).any()
    assert not vote(spoken("Sorry", ".", at=0, Sorry=0.9, A=0.05), OPTIONS).any(), "a refusal"
    np.testing.assert_allclose(vote(spoken("Sure", ".", at=0, Sure=0.4, A=0.3, B=0.2), OPTIONS), [0, 0, 0])


def test_an_option_or_a_class_may_be_said_in_full() -> None:
    def said(text: str) -> list[float]:
        return vote(ChatResponse((ResponseChoice(text, True, None),), Usage()), OPTIONS).tolist()

    assert said("It is 3 of them.") == [0, 1, 0]
    assert said("Not all; the answer is none.") == [1, 0, 0]
    assert said("none or all") == [0, 0, 0]
    assert said("I think the answer is C.") == [0, 0, 1]


def test_what_states_no_choice_is_counted_and_named(study: Path) -> None:
    with serving(lambda body: [choice("A" if "are 1?" in str(body) else "A good question!")]) as server:
        with pytest.raises(DataError, match=r"5 of 6 items get no vote \(.*i0.*'A good question!' names no choice"):
            ask(study, server.url, unfit="stop")
        labels = ask(study, server.url)
    assert labels["anchors"].probs.sum() + labels["half_b"].probs.sum() + labels["test"].probs.sum() == 1


def test_a_study_with_a_supervisor_behind_a_server(tmp_path: Path) -> None:
    def answer(body: Body) -> list[dict[str, Any]]:
        return [choice("ABCD"[len(body["messages"][-1]["content"]) % 4])]

    with serving(answer) as server:
        study = {
            "name": "small",
            "task": {"name": "arc_easy", "sizes": {"half_a": 20, "half_b": 24, "test": 30}},
            "supervisors": {
                "far": {"type": "endpoint", "model": "far", "url": server.url, "prices": {"input": 1.0}},
                "words": {"type": "ngram"},
            },
            "student": {"model": "bundled:smollm2-135m@2"},
            "methods": ["naive", "weighted_vote"],
            "variants": ["plain"],
            "untouched": False,
            "seeds": [0],
            "bootstrap": 100,
        }
        write(tmp_path, study)
        done = outgrow(tmp_path, "run", FILE, "-q")
        assert done.returncode == 0, done.stderr
        assert len(server.given) == 74
    found = results(tmp_path)
    assert found["missing"] == []
    assert found["topics"]["spending"][0]["model"] == "far"
    money = found["topics"]["spending"][0]["money"]
    assert json.dumps(money) == json.dumps(sum(map(tokens_read, server.requests)) / 1e6)


KEY = "sk-Very/secret+7Qx2Jm9Lr4Tz8Wk"
"""Without digits in a row, which Parquet's numbers of rows are in ASCII."""


def leaky_study(url: str) -> dict[str, Any]:
    section = {"type": "endpoint", "url": url, "key": "SOME_KEY", "retries": 0}
    return {
        "name": "small",
        "task": {"name": "arc_easy", "sizes": {"half_a": 8, "half_b": 8, "test": 8}},
        "supervisors": {name: {**section, "model": name} for name in ("far", "rude")},
        "student": {"model": "bundled:wordllama"},
        "methods": ["naive"],
        "variants": ["plain"],
        "untouched": False,
        "seeds": [0],
        "bootstrap": 100,
    }


def parts_of_the_key_in(folder: Path, said: str) -> list[str]:
    places = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()} | {"": said.encode()}
    parts = {KEY[at : at + 8].encode() for at in range(len(KEY) - 7)}
    return [name for name, content in places.items() if any(part in content for part in parts)]


def test_a_study_at_a_server_that_repeats_the_key_holds_it_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In answers, errors, names and headers: in no file of the store and the report, and not on the terminal."""
    monkeypatch.setitem(small_study.ENVIRONMENT, "SOME_KEY", KEY)

    def talk(request: Request, send: Send) -> bool:
        """`far` gives the key in some answers, `rude` in errors instead."""
        asked = json.loads(request.content)
        odd = len(asked["messages"][-1]["content"]) % 2
        said = f"B, by {KEY}" if odd else "B"
        body = {"model": KEY, "choices": [choice(said)], "id": KEY}
        error = {"error": {"message": f"not for {request.headers['authorization']}"}}
        rude = odd and asked["model"] == "rude"
        reply = plain(400, json.dumps(error).encode()) if rude else plain(200, json.dumps(body).encode())
        send(reply.replace(b"Whatever", KEY.encode()))
        return True

    with running(RawServer(talk)) as server:
        write(tmp_path, leaky_study(server.url))
        done = outgrow(tmp_path, "run", FILE)
    assert done.returncode == 0, done.stderr
    assert parts_of_the_key_in(tmp_path, done.stdout + done.stderr) == []
    logs = "".join(path.read_text() for path in tmp_path.rglob("*.log"))
    assert "an answer with the key in it" in logs
    assert "HTTP 400: Error code: 400 - not for Bearer …" in logs


@pytest.mark.parametrize("end", ["\r", "\n", "\t"])
def test_a_key_with_a_line_end_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setitem(small_study.ENVIRONMENT, "SOME_KEY", KEY + end)
    with running(RawServer(lambda request, send: False)) as server:
        write(tmp_path, leaky_study(server.url))
        done = outgrow(tmp_path, "run", FILE)
        planned = outgrow(tmp_path, "plan", FILE)
        assert server.requests == []
    assert done.returncode == 2
    assert "supervisors.far.key: the value of the environment variable SOME_KEY ends with a" in done.stderr
    assert planned.returncode == 0
    assert "SOME_KEY ends with a" in planned.stdout
    said = done.stdout + done.stderr + planned.stdout + planned.stderr
    assert parts_of_the_key_in(tmp_path, said) == []
