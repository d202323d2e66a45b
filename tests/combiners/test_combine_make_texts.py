"""The steps that read a study's tables of texts and write targets and pairs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_made_texts import N_ITEMS, rows_of, said, some_labels, some_scores, table

from drawn_seeds import SEEDS
from outgrow.combiners.joint_decoding import JointDecoding, joint_decoding
from outgrow.combiners.keep_all import KeepAll, SingleSource
from outgrow.combiners.keep_texts import keep_all_texts, single_text
from outgrow.combiners.preference_pairs import preference_pairs
from outgrow.combiners.text_targets_step import make_pairs, make_text_gold, make_text_targets, save_held_out_gold
from outgrow.data.task import Items, Split, Task
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Job
from outgrow.pairs import Pairs
from outgrow.texts import HELD_OUT_ITEMS, TextTargets, WeakTexts

PAIRS: dict[str, Any] = {"epsilon": "per_pair", "weights": {"a": 1.0, "b": 2.0}, "logprobs": "mean"}


def job_of(folder: Path, **tables: WeakTexts) -> Job:
    """A job whose inputs are these tables; `scores_a` stands for `scores.a`."""
    inputs = {}
    for name, held in tables.items():
        key = name.replace("_", ".")
        inputs[key] = folder / key
        inputs[key].mkdir(parents=True)
        held.save(inputs[key] / "half_b.parquet")
    (folder / "out").mkdir(exist_ok=True)
    return Job(folder / "out", inputs, folder / "scratch")


@pytest.fixture
def labels() -> WeakTexts:
    return some_labels(SEEDS[0])


@pytest.fixture
def job(tmp_path: Path, labels: WeakTexts) -> Job:
    scores = some_scores(SEEDS[0])
    return job_of(tmp_path, labels=labels, scores_b=scores["b"], scores_a=scores["a"])


def targets_of(job: Job, combine: dict[str, Any]) -> TextTargets:
    make_text_targets(job, combine=combine)
    return TextTargets.load(job.out / "targets.parquet")


def same(found: TextTargets, wanted: TextTargets) -> bool:
    pieces = zip(found.pieces, wanted.pieces, strict=True)
    alike = all(np.array_equal(a.logprob, b.logprob) and np.array_equal(a.end, b.end) for a, b in pieces)
    return alike and rows_of(found) == rows_of(wanted) and found.origin == wanted.origin


# ---- targets --------------------------------------------------------------------------------------------


def test_a_methods_own_settings_reach_the_combiner(job: Job, labels: WeakTexts) -> None:
    """Settings as the experiment file's sections dump them."""
    weights = {"a": 0.5, "b": 0.25, "c": 0.25}
    naive = targets_of(job, KeepAll(weights=weights).model_dump(mode="json"))
    assert same(naive, keep_all_texts(labels, weights=weights))
    single = targets_of(job, SingleSource(type="single", source="b").model_dump(mode="json"))
    assert same(single, single_text(labels, source="b"))
    settings = JointDecoding(type="joint_decoding", writers=["a", "b", "c"], scorers=["b", "a"], beams=3)
    scores = {name: WeakTexts.load(job.inputs[f"scores.{name}"] / "half_b.parquet") for name in "ab"}
    assert same(targets_of(job, settings.model_dump(mode="json")), joint_decoding(labels, scores))


def test_the_same_inputs_give_the_same_bytes(job: Job) -> None:
    written = []
    for _ in range(2):
        make_text_targets(job, combine={"type": "joint_decoding"})
        written.append((job.out / "targets.parquet").read_bytes())
    assert written[0] == written[1]


def test_nothing_to_train_on_is_said(tmp_path: Path) -> None:
    silent = table(a=[[], []])
    with pytest.raises(DataError, match=r"nothing to train on. Items without an answer that counts, left out: 2"):
        make_text_targets(job_of(tmp_path, labels=silent), combine={"type": "keep_all"})


def test_joint_decoding_without_scores_says_what_it_needs(tmp_path: Path, labels: WeakTexts) -> None:
    with pytest.raises(ConfigError, match="name `scorers`"):
        make_text_targets(job_of(tmp_path, labels=labels), combine={"type": "joint_decoding"})


@pytest.mark.parametrize("value", [np.nan, -np.inf, np.inf])
def test_a_log_probability_that_is_no_number_is_named(tmp_path: Path, value: float) -> None:
    good = [said("noon", -0.1, -0.1)]
    bad = table(a=[good, [said("noon", -0.1, -0.1), said("one", -1.0, value)]], b=[good, good])
    told = r"half_b.parquet: source `a`, item `1`, text 1: the log-probability of piece 1 is -?(nan|inf)"
    with pytest.raises(DataError, match=told):
        make_text_targets(job_of(tmp_path / "labels", labels=bad), combine={"type": "keep_all"})
    scored = job_of(tmp_path / "scores", labels=table(a=[good, good]), scores_a=bad.only(["a"]))
    with pytest.raises(DataError, match=told):
        make_text_targets(scored, combine={"type": "joint_decoding"})


# ---- gold -----------------------------------------------------------------------------------------------


def gold_job(folder: Path, gold: list[int]) -> Job:
    inputs = {name: folder / name for name in ("pool", "split", "out")}
    for made in inputs.values():
        made.mkdir()
    items = Items([f"i{n}" for n in range(6)], ["say"] * 6, np.asarray(gold), answers=[*list("abcd"), "", "zwölf"])
    Task("tiny", "generate", (), items, metric="exact_match").save(inputs["pool"])
    Split(np.asarray([0]), np.asarray([5, 2, 3]), np.asarray([1, 4])).save(inputs["split"])
    return Job(inputs["out"], inputs, folder / "scratch")


def test_held_out_gold_is_that_of_items_which_no_supervisor_learned(tmp_path: Path) -> None:
    job = gold_job(tmp_path, [0, 0, 0, 0, -1, 0])
    for name, aside in (("a", ["i0", "i2"]), ("b", ["i0"])):
        job.inputs[f"model.{name}"] = tmp_path / name
        (tmp_path / name).mkdir()
        (tmp_path / name / HELD_OUT_ITEMS).write_text(json.dumps(aside))
    save_held_out_gold(job)
    table = WeakTexts.load(job.out / "held_out.parquet")
    assert (table.items, [row[0][0].text for row in table.candidates]) == (["i0"], ["a"])
    (tmp_path / "b" / HELD_OUT_ITEMS).write_text(json.dumps(["i3"]))
    with pytest.raises(DataError, match=r"held out by all.*holdout"):
        save_held_out_gold(job)


def test_gold_is_half_b_and_certain(tmp_path: Path) -> None:
    job = gold_job(tmp_path, [0, 0, 0, 0, -1, 0])
    make_text_gold(job)
    found = TextTargets.load(job.out / "targets.parquet")
    assert rows_of(found) == [("i5", "zwölf", 1.0), ("i2", "c", 1.0), ("i3", "d", 1.0)]
    assert [one.end.tolist() for one in found.pieces] == [[6, 7], [1, 2], [1, 2]]
    assert all(not one.logprob.any() for one in found.pieces)


def test_an_item_without_gold_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="item `i3` has no gold text"):
        make_text_gold(gold_job(tmp_path, [0, 0, 0, -1, -1, 0]))


# ---- pairs ----------------------------------------------------------------------------------------------


def test_pairs_come_from_the_steps_tables(tmp_path: Path) -> None:
    candidates, scores, reference = some_labels(SEEDS[1], "s"), some_scores(SEEDS[1]), some_scores(SEEDS[2], "s")["s"]
    job = job_of(tmp_path, candidates=candidates, reference=reference, scores_b=scores["b"], scores_a=scores["a"])
    written = []
    for _ in range(2):
        make_pairs(job, **PAIRS)
        written.append((job.out / "pairs.parquet").read_bytes())
    assert written[0] == written[1]
    found = Pairs.load(job.out / "pairs.parquet")
    wanted = preference_pairs(candidates, {name: scores[name] for name in "ab"}, reference, **PAIRS)
    assert 0 < len(found) <= N_ITEMS
    assert (found.item, found.chosen, found.rejected) == (wanted.item, wanted.chosen, wanted.rejected)
    assert found.origin == wanted.origin
    for name in ("flip", "reference_chosen", "reference_rejected"):
        np.testing.assert_array_equal(vars(found)[name], vars(wanted)[name])


def test_no_pair_is_said_with_what_to_change(tmp_path: Path) -> None:
    one = table(s=[[said("one", -1.0, -1.0)]])
    job = job_of(tmp_path, candidates=one, reference=one, scores_a=one)
    with pytest.raises(DataError, match=r"raise `preference.candidates.candidates`.*left out: 1"):
        make_pairs(job, epsilon=0.1, weights="average", logprobs="sum")
