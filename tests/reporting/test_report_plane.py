"""Two measures against each other: every row that has both is drawn and named, and no two names meet."""

import re
from dataclasses import replace

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.render.canvas import LabelBox
from outgrow.reporting.results import Results
from outgrow.reporting.topics.measures import RowMeasures, plane_plot


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_with_both_measures_is_named(results: Results, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some(value: float) -> Estimate:
        return Estimate(value, max(0.0, value - 0.1), min(1.0, value + 0.1), 10, 1)

    rows = tuple(replace(row, name=f"row {place}") for place, row in enumerate(results.rows[:8]))
    measures = {row.name: RowMeasures({"c<&>": some(rng.random()), "s": some(float(rng.integers(2)))}) for row in rows}
    lacking = replace(rows[0], name="lacking")
    measures["lacking"] = RowMeasures({"c<&>": undefined("nothing"), "s": some(0.5)})
    about = replace(results.about, measures=("c<&>", "s"), plane=("c<&>", "s"))
    changed = replace(results, about=about, rows=(*rows, lacking))
    (plot,) = plane_plot(changed, measures)
    assert plot is not None
    drawn = plot.svg
    for row in rows:
        assert re.search(rf">{row.name}<", drawn), row.name
    assert "lacking" not in drawn
    assert "c<&>" not in drawn.replace("c&lt;&amp;&gt;", "")


def test_boxes_that_share_an_edge_do_not_meet() -> None:
    box = LabelBox(0, 0, 2, 1)
    assert box.meets(LabelBox(1, 0.5, 3, 2))
    assert not box.meets(LabelBox(2, 0, 3, 1))
    assert not box.meets(LabelBox(0, 1, 2, 2))


def test_without_two_measures_there_is_no_plane(results: Results) -> None:
    assert list(plane_plot(results, {})) == []
