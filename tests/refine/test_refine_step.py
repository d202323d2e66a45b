"""The step `refined`, with a real model in this process and the same one behind a real server."""

import json
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest

from loopback import Body, choice, serving
from outgrow.config.endpoint import EndpointSection
from outgrow.data.task import Items, Split, Task
from outgrow.endpoints.response import ResponseChoice
from outgrow.errors import DataError
from outgrow.generation.causal_lm import load_writer
from outgrow.generation.chat import Message
from outgrow.generation.local_generator import LocalGenerator
from outgrow.generation.remote_generator import candidate_of
from outgrow.generation.text_generator import GenerationRequest
from outgrow.graph.step import Job
from outgrow.refine.prompts import read_prompts
from outgrow.refine.refine_step import refine_texts
from outgrow.texts import Candidate, WeakTexts, certain

MODEL: dict[str, Any] = {
    "type": "model",
    "model": "bundled:smollm2-135m@4",
    "revision": None,
    "identity": "x",
    "dtype": "float32",
    "max_length": 256,
    "chat": "auto",
    "system": None,
    "unfit": "skip",
    "trust_remote_code": False,
}
DECODING = {
    "beams": 1,
    "candidates": 1,
    "sample": False,
    "temperature": 1.0,
    "top_p": 1.0,
    "max_new_tokens": 6,
    "stop": [],
}
WEAK = {"i1": "Arr, one!", "i2": "Arr, two!", "i4": "Arr, <b>four</b> {braces}!"}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Half B is i1 … i4; the teacher has nothing to say of i3."""
    items = Items([f"i{n}" for n in range(6)], [f"what is {n}?" for n in range(6)], np.zeros(6, dtype=np.int64))
    for name in ("pool", "split", "weak"):
        (tmp_path / name).mkdir()
    Task("mine", "generate", (), items, metric="exact_match").save(tmp_path / "pool")
    Split(np.array([0]), np.array([1, 2, 3, 4]), np.array([5])).save(tmp_path / "split")
    rows = [[[Candidate(WEAK[item], certain(WEAK[item]))]] if item in WEAK else [[]] for item in items.ids[1:5]]
    WeakTexts(items.ids[1:5], ("t",), rows).save(tmp_path / "weak" / "half_b.parquet")
    return tmp_path


def refine(study: Path, name: str, refiner: str, model: dict[str, Any], hints: dict[str, Any], **options: Any) -> Path:
    folder = study / name
    for part in ("out", "scratch"):
        (folder / part).mkdir(parents=True)
    inputs = {"pool": study / "pool", "split": study / "split", "texts": study / "weak"}
    params: dict[str, Any] = {
        "refine": {"type": refiner, "batch": 2, "fixed": None, "naming": DECODING, **options},
        "prompts": read_prompts(refiner),
        "decoding": DECODING,
        "name": "t",
        "seed": 0,
    }
    refine_texts(Job(folder / "out", inputs, folder / "scratch", hints), model=model, **params)
    return folder / "out"


def texts(folder: Path) -> dict[str, str | None]:
    table = WeakTexts.load(folder / "half_b.parquet")
    assert table.sources == ("t",)
    return dict(zip(table.items, (row[0] for row in table.texts), strict=True))


@pytest.mark.parametrize("refiner", ["icl", "infer_and_respond", "ask_to_improve", "self_bootstrap"])
def test_a_server_is_asked_what_a_model_here_is_asked_and_says_the_same(study: Path, refiner: str) -> None:
    """The same real model both ways; the server writes down what it is asked."""
    author, lock = LocalGenerator(load_writer(MODEL, None, "cpu")), Lock()
    room = study / "server"
    room.mkdir()

    def answer(body: Body) -> list[dict[str, Any]]:
        with lock:
            turns = tuple(Message(one["role"], one["content"]) for one in body["messages"])
            scratch = room / str(len(list(room.iterdir())))
            scratch.mkdir()
            decoding = {**DECODING, "max_new_tokens": body["max_tokens"]}
            errand = GenerationRequest(["q"], [turns], decoding, 0, np.asarray([0]))
            return [choice(author.write(Job(scratch, {}, scratch), errand).candidates[0][0].text)]

    here = refine(study, "here", refiner, MODEL, {})
    with serving(answer) as server:
        named = {"type": "endpoint", "model": "tiny", "url": server.url, "timeout": 60.0}
        section = EndpointSection.model_validate(named).model_dump(mode="json")
        hints = {"endpoint": section, "answers": str(study / "answers.sqlite")}
        there = refine(study, "there", refiner, section, hints)
        contents = [[one["content"] for one in body["messages"]] for body in server.requests]
    found, expected = texts(there), texts(here)
    assert {item for item, text in found.items() if text is not None} == {
        item for item, text in expected.items() if text is not None
    }
    # Padding in a batch may turn a near tie of a tiny model; most answers are equal to the letter.
    assert sum(found[item] == expected[item] for item in found) >= len(found) - 1
    if refiner == "icl":
        assert sorted(contents) == sorted(
            [
                # Three examples in batches of two: the last would be alone, and joins the others.
                [shown("i2", "i4"), "Question: what is 1?\nAnswer:"],
                [shown("i1", "i4"), "Question: what is 2?\nAnswer:"],
                [shown("i1", "i2"), "Question: what is 4?\nAnswer:"],
            ]
        )
    if refiner == "infer_and_respond":
        concepts = json.loads((there / "written.json").read_text())["concepts"]
        assert set(concepts) == {"i1", "i2", "i4"}
        assert all(f" here. {concepts['i1']}" in said[0] for said in contents if said[1].endswith("Answer:"))


def shown(*items: str) -> str:
    return "\n\n".join(f"Question: what is {item[1]}?\nAnswer:\n{WEAK[item]}" for item in items)


def test_a_mixture_shows_only_questions_of_one_capability(study: Path) -> None:
    task = Task.load(study / "pool")
    whose = ["a", "a", "b", "b", "a", "b"]
    items = replace(task.items, capabilities=whose)
    Task("mine", "generate", (), items, metric="macro", metrics={"a": "exact_match", "b": "exact_match"}).save(
        study / "pool"
    )
    rows = [[[Candidate(text, certain(text))]] for text in ("Arr, one!", "Arr, two!", "Arr, three!", "Arr, four!")]
    WeakTexts(items.ids[1:5], ("t",), rows).save(study / "weak" / "half_b.parquet")
    with serving(lambda body: [choice("x")]) as server:
        section = EndpointSection(type="endpoint", model="tiny", url=server.url).model_dump(mode="json")
        hints = {"endpoint": section, "answers": str(study / "answers.sqlite")}
        refine(study, "there", "icl", section, hints, batch=4)
        asked = sorted("\n".join(one["content"] for one in body["messages"]) for body in server.requests)
    shown = [sorted(digit for digit in text if digit.isdigit()) for text in asked]
    assert sorted(shown) == [["1", "4"], ["1", "4"], ["2", "3"], ["2", "3"]]


def test_items_without_a_weak_answer_get_none_but_by_bootstrapping(study: Path) -> None:
    assert texts(refine(study, "a", "ask_to_improve", MODEL, {}))["i3"] is None
    assert texts(refine(study, "b", "self_bootstrap", MODEL, {}))["i3"] is not None
    fixed = texts(refine(study, "c", "icl", MODEL, {}, fixed=2))
    assert [item for item, text in fixed.items() if text is not None] == ["i4"]


def test_a_teacher_who_said_nothing_is_named(study: Path) -> None:
    silent = WeakTexts([f"i{n}" for n in range(1, 5)], ("t",), [[[]]] * 4)
    silent.save(study / "weak" / "half_b.parquet")
    with pytest.raises(DataError, match="supervisor `t` has no answer to an item of half B"):
        refine(study, "a", "icl", MODEL, {})


def test_a_server_that_had_nothing_to_say_is_asked_again_when_the_step_is(study: Path) -> None:
    with serving(lambda body: [choice("")]) as server:
        section = EndpointSection(type="endpoint", model="tiny", url=server.url).model_dump(mode="json")
        hints = {"endpoint": section, "answers": str(study / "answers.sqlite")}
        with pytest.raises(DataError, match=r"3 of 3 items get no answer .*an empty answer"):
            refine(study, "empty", "icl", section, hints)
        server.answer = lambda body: [choice("Arr")]
        found = texts(refine(study, "mended", "icl", section, hints))
    assert [item for item, text in found.items() if text == "Arr"] == ["i1", "i2", "i4"]


# ---- what a server's answer becomes ---------------------------------------------------------------------


def test_an_answer_with_log_probabilities_keeps_its_pieces() -> None:
    tokens = [
        {"token": " Köln", "bytes": list(" Köln".encode()), "logprob": -0.5},
        {"token": " now", "bytes": None, "logprob": -0.25},
    ]
    found = candidate_of(ResponseChoice(" Köln now", True, tuple(tokens)))
    assert found.text == "Köln now"
    assert found.pieces.end.tolist() == [5, 9, 10]
    assert found.logprob == pytest.approx(-0.75)
    assert found.has_end


@pytest.mark.parametrize("logprob", [None, "x", float("nan"), 1.0])
def test_log_probabilities_that_cannot_be_used_are_left_out(logprob: Any) -> None:
    found = candidate_of(ResponseChoice("now", True, ({"token": "now", "logprob": logprob},)))
    assert found.logprob == 0.0
    other = candidate_of(ResponseChoice("now", True, ({"token": "new", "logprob": -1.0},)))
    assert other.logprob == 0.0


@pytest.mark.parametrize(
    ("sent", "ends"),
    [
        (["now", " here", "<|im_end|>"], [3, 8, 9]),
        (["now", " here", "\n"], [3, 8, 9]),
        (["now", " here.\n", "\n"], [3, 8, 9]),
    ],
    ids=["the end's own token", "a stop", "a stop in the last piece"],
)
def test_the_token_that_ended_an_answer_gives_the_end_its_probability(sent: list[str], ends: list[int]) -> None:
    """As vLLM sends it: behind the tokens of the text, which is without it."""
    tokens = [
        {"token": word, "bytes": list(word.encode()), "logprob": -float(place)} for place, word in enumerate(sent)
    ]
    found = candidate_of(ResponseChoice("now here", True, tuple(tokens)))
    assert (found.text, found.pieces.end.tolist()) == ("now here", ends)
    assert found.pieces.logprob.tolist() == [0.0, -1.0, -2.0]
    cut = candidate_of(ResponseChoice("now here", False, tuple(tokens)))
    assert not cut.has_end
    assert cut.logprob == 0.0, "a text that was cut off has no further tokens"


def test_an_answer_that_was_cut_off_has_no_end() -> None:
    assert not candidate_of(ResponseChoice("now", False, None)).has_end
    assert candidate_of(ResponseChoice("now", True, None)).has_end
