"""A key that stands one level too high is told where it belongs."""

import pytest

from outgrow.config.load import read_section
from outgrow.config.messages import FileLocation
from outgrow.config.train import TrainSettings
from outgrow.errors import ConfigError


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("delimiter=;", "unknown key; did you mean `votes.delimiter`?"),
        ("item=nr", "unknown key; did you mean `votes.item`?"),
        ("gold=klasse", "unknown key; did you mean `votes.gold` or `items.gold`?"),
        ("source=who", "did you mean `votes.source` or `combine.source`?"),
        ("student.lr=1", "unknown key; did you mean `student.training.lr` or `student.tune.lr`?"),
        ("wieght=one", "unknown key; did you mean `weight`?"),
        ("zzz=1", "unknown key; known: `votes`, `classes`"),
    ],
)
def test_the_section_of_a_key_is_told(word, message):
    with pytest.raises(ConfigError) as caught:
        read_section(TrainSettings, {}, ["student.model=bundled:x", word], FileLocation("train"))
    assert message in str(caught.value)
