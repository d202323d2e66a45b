"""Patterns of measures: found as Python finds them, and stopped where they would take for ever."""

import random
import re
import time

import numpy as np

from outgrow.metrics.measures import MetricMeasure, PatternMeasure, pattern_score
from outgrow.metrics.text_score import mean_value
from outgrow.reporting.evidence.pattern_search import LIMIT, MOST_STOPPED, search_all

TEXTS = ["Arr, matey!", "", "arr", "no\nArr at the beginning of a line", "\x1b[31m", "x" * 5000]


def test_a_pattern_is_found_where_python_finds_it() -> None:
    patterns = ["^Arr", "(?i)arr", "(?m)^Arr", "x$", "", r"\x1b", "a.*b|y"]
    measures = {str(number): PatternMeasure(type="rule", pattern=pattern) for number, pattern in enumerate(patterns)}
    found = search_all({**measures, "other": MetricMeasure(type="metric", metric="contains")}, [*TEXTS, *TEXTS])
    assert set(found) == set(measures)
    for name, rule in measures.items():
        assert found[name].found == {text: re.search(rule.pattern, text) is not None for text in TEXTS}
        assert found[name].note == ""


def test_a_text_on_which_the_search_is_stopped_has_no_part_in_the_mean() -> None:
    texts = ["aaa", "b", "a" * 40 + "!", "a" * 41 + "!"]
    began = time.monotonic()
    searched = search_all({"slow": PatternMeasure(type="rule", pattern="^(a+)+$")}, texts)["slow"]
    assert time.monotonic() - began < 20
    assert searched.found == {"aaa": True, "b": False}
    assert searched.note == "the pattern was stopped on 2 texts, left out here"
    counts = pattern_score(PatternMeasure(type="rule", pattern="^(a+)+$"), searched.found).counts(texts, texts)
    assert counts.tolist() == [[1, 1], [0, 1], [0, 0], [0, 0]]
    assert mean_value(counts.sum(axis=0)) == 0.5


def test_a_pattern_that_is_always_stopped_is_given_up_within_seconds() -> None:
    texts = ["a" * (30 + number) + "!" for number in range(200)]
    random.Random(0).shuffle(texts)
    began = time.monotonic()
    measures = {
        "slow": PatternMeasure(type="rule", pattern="^(a+)+$"),
        "fast": PatternMeasure(type="rule", pattern="!$"),
    }
    found = search_all(measures, texts)
    assert time.monotonic() - began < 4 * LIMIT * MOST_STOPPED + 10
    assert found["slow"].found == {}
    assert "takes more than 0.25 s on at least 10 texts" in found["slow"].note
    assert all(found["fast"].found.values())
    nothing = pattern_score(measures["slow"], found["slow"].found).counts(texts, texts)
    assert np.isnan(mean_value(nothing.sum(axis=0)))
