"""Sources side by side; anchors only where every source has held-out answers."""

import numpy as np
import pytest

from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.supervise.label_steps import gather_labels


def folder(path, name, strong_items, weak_items=None, seed=0):
    rng = np.random.default_rng(seed)
    path.mkdir()
    for file, items in (("half_b", strong_items), ("anchors", weak_items)):
        if items is not None:
            WeakLabels(items, (name,), rng.dirichlet(np.ones(3), (len(items), 1))).save(path / f"{file}.parquet")
    return path


def gathered(tmp_path, order, **sources):
    out = tmp_path / "-".join(order)
    out.mkdir()
    gather_labels(Job(out, {f"source.{k}": v for k, v in sources.items()}, tmp_path), sources=order)
    return out


def test_order_and_names_are_the_studys(tmp_path):
    one = folder(tmp_path / "1", "x", ["a", "b"], ["w1", "w2"], seed=1)
    two = folder(tmp_path / "2", "x", ["a", "b"], ["w2", "w3"], seed=2)
    forward = WeakLabels.load(gathered(tmp_path, ["p", "q"], p=one, q=two) / "half_b.parquet")
    backward = WeakLabels.load(gathered(tmp_path, ["q", "p"], p=one, q=two) / "half_b.parquet")
    assert forward.sources == ("p", "q")
    assert np.array_equal(forward.probs, backward.only(["p", "q"]).probs)


def test_anchors_cover_every_answered_item_and_abstain_elsewhere(tmp_path):
    one = folder(tmp_path / "1", "p", ["a"], ["w2", "w1"], seed=1)
    two = folder(tmp_path / "2", "q", ["a"], ["w3", "w2"], seed=2)
    anchors = WeakLabels.load(gathered(tmp_path, ["p", "q"], p=one, q=two) / "anchors.parquet")
    assert anchors.items == ["w1", "w2", "w3"]
    assert anchors.voted.tolist() == [[True, False], [True, True], [False, True]]
    own = WeakLabels.load(one / "anchors.parquet")
    assert np.array_equal(anchors.probs[1, 0], own.probs[0, 0])


def test_no_anchors_when_a_source_has_none(tmp_path):
    one = folder(tmp_path / "1", "p", ["a"], ["w1"])
    two = folder(tmp_path / "2", "q", ["a"])
    assert not (gathered(tmp_path, ["p", "q"], p=one, q=two) / "anchors.parquet").exists()


def test_sources_of_different_items_are_refused(tmp_path):
    one, two = folder(tmp_path / "1", "p", ["a"]), folder(tmp_path / "2", "q", ["b"])
    with pytest.raises(DataError, match="did not label the same items"):
        gathered(tmp_path, ["p", "q"], p=one, q=two)
