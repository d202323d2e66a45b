"""Every key of every section, given values of every wrong kind: refused in our words, and what it takes is told."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from outgrow.config import (
    combine,
    decoding,
    endpoint,
    method,
    model,
    rules,
    simulation,
    suite,
    task,
    train,
    tune,
    votes,
)
from outgrow.config.accepted import accepted
from outgrow.config.experiment import Experiment
from outgrow.config.messages import FileLocation, error_messages
from outgrow.config.section import Section
from outgrow.judge import options
from outgrow.losses import LOSSES
from outgrow.metrics.measures import MEASURES
from outgrow.refine import REFINERS
from outgrow.select import SELECTIONS, reward_model, selector_record

MODULES = (
    *(combine, decoding, endpoint, method, model, rules, task, train, simulation, suite),
    *(tune, votes, options, selector_record, reward_model),
)
WRONG: dict[str, Any] = {
    "text": "zzz zzz",
    "empty text": "",
    "number": -7,
    "fraction": 0.123,
    "huge": 10**40,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "true": True,
    "nothing": None,
    "list": [None],
    "list of lists": [[1], {"a": [1]}],
    "mapping": {"zzz": None},
    "number as a name": {3: 4},
    "bytes": b"x",
    "object": object(),
    "half a letter": "\ud800",
    "NUL": "a\0b",
    "long": "x" * 300,
    "set": {1},
    "long list": list(range(200)),
}
PYDANTIC = re.compile(
    r"(?i)input should|valid (string|integer|number|list|dict|bool|path|tuple)|unable to (parse|interpret)|should have"
    r"|string should|extra inputs|field required|value error|assertion failed|validation error|instance of|\bctx\b"
)


def sections() -> Iterator[type[Section]]:
    yield Experiment
    for module in MODULES:
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Section) and value.__module__ == module.__name__:
                yield value
    for registry in (LOSSES, SELECTIONS, REFINERS, MEASURES):
        yield from (extension.section for extension in registry.values())


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: section.__name__)
def test_no_message_is_in_the_words_of_the_library(section: type[Section]) -> None:
    refused = 0
    for key in section.model_fields:
        for name, value in WRONG.items():
            told = complaints_of(section, {key: value})
            refused += bool(told)
            for line in told:
                assert not PYDANTIC.search(line), (key, name, line)
                assert line.startswith((f"the file: {key}", "the file: and ", "the file: needs")), (key, name, line)
                assert len(line) < 600, (key, name, line)
    assert refused > len(section.model_fields)


def complaints_of(section: type[Section], tree: dict[str, Any]) -> list[str]:
    """What is said of the keys that are given; that others are missing is no matter."""
    try:
        section.model_validate(tree)
    except ValidationError as error:
        lines = error_messages(error, FileLocation("the file"), section).split("\n")
        return [line for line in lines if not line.endswith("is required") and not line.endswith("file: is required")]
    return []


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"seeds": "x"}, "seeds.0: write a whole number at least 0 and at most 4294967295, not 'x'"),
        ({"seeds": [-1]}, "seeds.0: write a whole number at least 0 and at most 4294967295, not -1"),
        ({"bootstrap": "many"}, "bootstrap: write a whole number at least 100 and at most 1000000, not 'many'"),
        ({"bootstrap": True}, "bootstrap: write a whole number at least 100 and at most 1000000, not 'true'"),
        ({"untouched": "perhaps"}, "untouched: write true or false, not 'perhaps'"),
        ({"name": None}, "name: write a text, not nothing; write a text that looks like another value in quotes"),
        ({"variants": ["self-training"]}, "did you mean `self_training`?"),
        ({"plane": "a, b, c"}, "plane: has 3 entries; give at most 2"),
        ({"output": "x" * 300}, "output: a path of 300 bytes; the maximum is 4000, and 255 for one part"),
        ({"output": "a\0b"}, "output: contains a NUL character"),
        ({"name": "x" * 256}, "name: a name of 256 characters; the maximum is 200"),
        ({"student": {"model": "m", "layer": "x"}}, "student.layer.0: write a whole number, not 'x'"),
        ({"student": {"model": "m", "layer": [1, "x"]}}, "student.layer.1: write a whole number, not 'x'"),
        ({"student": {"model": "m", "training": {"lr": float("nan")}}}, "student.training.lr: write a number greater"),
        (
            {"student": {"model": "m", "training": {"epochs": -1}}},
            "student.training.epochs: write a number greater than 0",
        ),
        ({"measures": {"b": {"type": "metric", "metric": "Rouge-L"}}}, "did you mean `rouge_l`?"),
        (
            {"measures": {"b": {"type": "metric", "metric": "bleu"}}},
            "measures.b.metric: 'bleu' is not one of 'slu_f1',",
        ),
        ({"supervisors": {3: 4}}, "supervisors.3: write a section, such as"),
    ],
)
def test_the_key_and_what_it_takes_are_told(tree: dict[str, Any], said: str) -> None:
    assert any(said in line for line in complaints_of(Experiment, tree)), complaints_of(Experiment, tree)


def test_the_types_of_all_keys_can_be_told() -> None:
    told = {accepted(field.annotation) for section in sections() for field in section.model_fields.values()}
    assert not [words for words in told if not words or "<" in words or "Annotated" in words]
    assert get_args(Experiment.model_fields["device"].annotation) == ("auto", "cpu", "cuda")
    assert accepted(Experiment.model_fields["device"].annotation) == "'auto' or 'cpu' or 'cuda'"
