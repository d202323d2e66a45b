"""A choice at the edge of its grid is told, with the rows, the value and the key to widen."""

from typing import Any

import pytest
from simulated_selections import simulate_selections

from outgrow.reporting.collect import collect
from outgrow.reporting.headline import make_headline
from outgrow.reporting.results import Results
from outgrow.reporting.topics import make_tables
from outgrow.reporting.topics.chosen import find_edges


def sentences(simulated: Any, chosen: dict[str, Any], grid: list[dict[str, Any]], name: str = "naive") -> list[str]:
    row = next(row for row in simulated.study.rows if row.name == name)
    return list(find_edges(simulated.study, simulated.store, [(row, {"chosen": chosen, "grid": grid})]))


def grid(key: str, values: list[float]) -> list[dict[str, Any]]:
    return [{"layer": layer, key: value} for layer in (2, 4) for value in values]


@pytest.mark.parametrize(
    ("key", "values", "chosen", "side"),
    [
        ("l2", [3.16, 0.1, 1e-4], 3.16, "highest"),
        ("l2", [3.16, 0.1, 1e-4], 1e-4, "lowest"),
        ("l2", [3.16, 0.1, 1e-4], 0.1, ""),
        ("l2", [1.0, 0.1, 0.0], 0.0, ""),
        ("l2", [0.1], 0.1, ""),
        ("lr", [1e-5, 1e-4], 1e-5, "lowest"),
        ("epochs", [1, 2, 4], 4, "highest"),
        ("epochs", [1, 2, 4], 2, ""),
    ],
)
def test_the_ends_of_a_grid_and_nothing_else(
    simulated: Any, key: str, values: list[float], chosen: float, side: str
) -> None:
    found = sentences(simulated, {"layer": 4, key: chosen}, grid(key, values))
    where = {"lowest": "below", "highest": "above"}
    assert found == (
        [
            f"`tune.{key}`: {chosen:.3g}, the {side} value of its grid, was chosen for `naive`;"
            f" the best may lie {where[side]} it: widen the grid."
        ]
        if side
        else []
    )


def test_an_ngram_models_grid_is_fixed(simulated: Any) -> None:
    (found,) = sentences(simulated, {"C": 100.0}, [{"C": 0.1}, {"C": 100.0}], "words")
    assert found.startswith("`C`: 100, the highest value of its grid, was chosen for `words`")
    assert found.endswith("this grid is fixed.")


def test_rows_of_one_edge_share_a_sentence_that_the_report_has(results: Results) -> None:
    (sentence,) = results.topics["chosen"].edges
    assert sentence.startswith("`tune.l2`: 0.01, the lowest value of its grid, was chosen for `words`, `characters`")
    caption = next(table.caption for table in make_tables(results) if table.name == "chosen")
    assert sentence in caption
    assert any("edge of the grid" in one for one in make_headline(results).sentences)


def test_a_reward_models_penalty_is_looked_at(tmp_path: Any) -> None:
    world = simulate_selections(tmp_path, 0)
    edges = collect(world.study, world.store, world.outcomes).topics["chosen"].edges
    (sentence,) = [one for one in edges if "reward model" in one]
    assert "`select.l2` of the reward model: 0.001, the lowest value of its grid" in sentence


def test_a_sections_own_grid_is_the_one_to_widen(simulate_small: Any, tmp_path: Any) -> None:
    student = {"model": "bundled:minilm-l6", "tune": {"l2": [0.01, 0.1]}}
    world = simulate_small(tmp_path, student=student)
    assert (
        collect(world.study, world.store, world.outcomes)
        .topics["chosen"]
        .edges[-1]
        .startswith("`student.tune.l2`: 0.01")
    )
