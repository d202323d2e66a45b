"""What every row of `TEXT_METRICS` and `MEASURES` must pass."""

from itertools import product

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from drawn_seeds import SEEDS
from outgrow.metrics.measures import MEASURES, MetricMeasure, PatternMeasure
from outgrow.metrics.text_score import TEXT_METRICS, MetricRecord, TextMetric, counts_slots

WORDS = ["", "a", "b", "7", "the answer is 7", "a b", "B a", '{"t": "7"}', '{"t": "8", "s": "a"}', "{}"]
every_metric = pytest.mark.parametrize("record", TEXT_METRICS.values(), ids=list(TEXT_METRICS))


@every_metric
def test_values_lie_within_zero_and_one_and_do_not_depend_on_order(record: MetricRecord) -> None:
    pairs = list(product(WORDS, WORDS))
    counts = record.score.counts([said for said, _ in pairs], [gold for _, gold in pairs])
    assert (counts >= 0).all()
    assert np.isfinite(counts).all()
    values = record.score.value(counts)
    assert ((values >= 0) & (values <= 1) | np.isnan(values)).all()
    order = np.random.default_rng(SEEDS[0]).permutation(len(pairs)).tolist()
    shuffled = record.score.counts([pairs[row][0] for row in order], [pairs[row][1] for row in order])
    np.testing.assert_array_equal(shuffled, counts[order])
    twice = record.score.value(np.concatenate([counts, counts]).sum(0))
    np.testing.assert_allclose(twice, record.score.value(counts.sum(0)))


@every_metric
def test_a_text_with_an_answer_equals_itself(record: MetricRecord) -> None:
    texts = [text for text in WORDS if text and (not record.of_slots or text.startswith('{"'))]
    values = record.score.value(record.score.counts(texts, texts))
    assert values.tolist() == [1.0] * len(texts)


@every_metric
def test_what_the_record_declares_is_true(record: MetricRecord) -> None:
    assert counts_slots(record.name) is record.of_slots is record.name.startswith("slu_f1")
    assert (record.each is None) is record.of_slots
    assert (record.without_gold or record.name) in TEXT_METRICS
    if record.each is not None:
        pairs = list(product(WORDS, WORDS))
        each = record.each([said for said, _ in pairs], [gold for _, gold in pairs])
        only_0_and_1 = set(each.tolist()) <= {0.0, 1.0}
        assert only_0_and_1 or not record.decides_equality
    if record.decides_equality:
        assert record.each is not None
        back = record.each([gold for _, gold in pairs], [said for said, _ in pairs])
        np.testing.assert_array_equal(each, back)


def test_a_field_takes_the_name_of_any_metric() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(TextMetric)
    assert [adapter.validate_python(name) for name in TEXT_METRICS] == list(TEXT_METRICS)
    with pytest.raises(ValidationError, match="rouge_l"):
        adapter.validate_python("rogue")


def test_measures_read_their_scores_from_their_records() -> None:
    rule = PatternMeasure(type="rule", pattern="a")
    counts = MEASURES.of(rule).score(rule, {"a": True, "b": False}).counts(["a", "b", "c"], [""] * 3)
    assert counts.tolist() == [[1, 1], [0, 1], [0, 0]]
    metric = MetricMeasure(type="metric", metric="contains", against="answer")
    assert MEASURES.of(metric).score(metric, {}) is TEXT_METRICS["contains"].score
    assert (MEASURES.of(metric).pattern(metric), MEASURES.of(metric).against_key(metric)) == (None, False)
