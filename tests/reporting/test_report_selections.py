"""Selections, rewards, agreement, labels, transfer and curves: every number against loops over the stored tables."""

import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from plots_of import plots_of
from simulated_selections import SIZES, simulate_selections
from simulated_texts import SimulatedTexts, simulate_small_texts
from sklearn.metrics import roc_auc_score

from drawn_seeds import SEEDS
from outgrow.graph.step import Step
from outgrow.metrics.estimate import Estimate
from outgrow.metrics.slu_f1 import parse_slots, score, slu_counts
from outgrow.metrics.text_answers import answer_match, exact_match
from outgrow.metrics.words import words
from outgrow.render.canvas import WIDTH
from outgrow.reporting.collect import write_report
from outgrow.reporting.evidence.row_provenance import comparison, last_selection, learned_last, reward_model, sources
from outgrow.reporting.headline import make_headline
from outgrow.reporting.results import WHOLE, Results
from outgrow.reporting.topics import make_tables
from outgrow.reporting.topics.curves import lines_of
from outgrow.reporting.topics.label_quality import GOLD
from outgrow.reporting.topics.selections import shift
from outgrow.select.rewards import Rewards
from outgrow.texts import TextTargets, WeakTexts

NAMES = list(SIZES)
FIGURES = {"transfer", "curve_noise", "curve_share", "labels", "selections", "cloud", "reward_models", "consistency"}
TABLES = {"transfer", "transfer_gain", "curves"} | {
    f"{name}{which}"
    for name in ("labels", "selections", "reward_models", "consistency")
    for which in ("", "_by_capability")
}


class Label(NamedTuple):
    """A row of targets, as the loops see it."""

    capability: str
    value: float
    text: str
    confidence: float
    item: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedTexts:
    return simulate_selections(tmp_path_factory.mktemp("selections"), SEEDS[0] % 1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def results(world: SimulatedTexts, folder: Path) -> Results:
    return write_report(world.study, world.store, world.outcomes, folder)


# ---- loops ----------------------------------------------------------------------------------------------


def value_of(capability: str, text: str, gold: str) -> float:
    if capability != "slots":
        return float((answer_match if capability == "sums" else exact_match)([text], [gold])[0])
    wanted, said = parse_slots(gold), parse_slots(text)
    if not wanted and not said:  # no slots on either side: equal where both say so
        return float(wanted == said == [])
    return score(slu_counts([wanted or []], [said or []])).f1


def steps_of(world: SimulatedTexts, method: str, find: Callable[[Step], Any]) -> list[Any]:
    """What lies behind a method, one per seed."""
    return [find(step) for step in next(row for row in world.study.rows if row.name == method).steps]


def labels_of(world: SimulatedTexts, step: Step) -> list[Label]:
    targets = TextTargets.load(world.store.path(step) / "targets.parquet")
    gold = dict(zip(world.task.items.ids, world.task.items.answers or [], strict=True))
    found = []
    for item, text, pieces in zip(targets.items, targets.texts, targets.pieces, strict=True):
        name = item.split("/")[0]
        sure = math.exp(sum(pieces.logprob) / max(1, len(pieces.logprob)))
        found.append(Label(name, value_of(name, text, gold[item]), text, sure, item))
    return found


def flags_of(world: SimulatedTexts, selected: Step) -> list[bool]:
    record = json.loads((world.store.path(selected) / "kept.json").read_text())
    return [row["kept"] for row in record["rows"]]


def mean(values: Iterator[float] | list[float]) -> float:
    """NaN of nothing."""
    there = [one for one in values if not math.isnan(one)]
    return sum(there) / len(there) if there else math.nan


def expected(per_seed: list[Mapping[str, float]]) -> dict[str, float]:
    """In all and by capability, from every seed's numbers: in all, capabilities first and then seeds."""
    found = {WHOLE: mean([mean(list(seed.values())) for seed in per_seed])}
    return found | {name: mean([seed[name] for seed in per_seed]) for name in NAMES}


def check(measured: Mapping[str, Any], field: str, per_seed: list[Mapping[str, float]], interval: bool = True) -> None:
    for name, number in expected(per_seed).items():
        one: Estimate = getattr(measured[name], field)
        if math.isnan(number):
            assert one.value is None, (field, name)
            assert one.note, (field, name)
        else:
            assert one.value == pytest.approx(number, abs=2e-6), (field, name)
            assert (one.low is not None) == interval, (field, name)
            assert not interval or one.low <= one.value <= one.high, (field, name)  # type: ignore[operator]


# ---- selections -----------------------------------------------------------------------------------------


def test_selections_are_those_of_the_rows(results: Results) -> None:
    found = {one.methods: one.type for one in results.topics["selections"]}
    assert found == {
        **{(f"alone: {name}",): "capability" for name in NAMES},
        ("agreement",): "agreement",
        ("confident",): "confidence",
        ("rewarded", "two_stage"): "reward_model",
        ("random_half",): "random",
        ("oracle",): "oracle",
        ("0.25 examples", "0.25 epochs"): "random",
        ("0.5 examples", "0.5 epochs"): "random",
    }
    assert [one.methods for one in results.topics["selections"] if one.oracle] == [("oracle",)]


def test_kept_labels_beside_all(world: SimulatedTexts, results: Results) -> None:
    for one in results.topics["selections"]:
        selected = steps_of(world, one.methods[0], last_selection)
        tables = [labels_of(world, step.inputs["targets"]) for step in selected]
        flags = [flags_of(world, step) for step in selected]

        def per_seed(
            measure: Callable[[list[Label]], float], kept_only: bool, tables: Any = tables, flags: Any = flags
        ) -> list[Mapping[str, float]]:
            found = []
            for labels, kept in zip(tables, flags, strict=True):
                seed = {}
                for name in NAMES:
                    mine = [label for label in labels if label.capability == name]
                    left = [label for label, flag in zip(labels, kept, strict=True) if flag and label in mine]
                    seed[name] = measure(left if kept_only else mine) if left else math.nan
                found.append(seed)
            return found

        def accuracy(labels: list[Label]) -> float:
            return mean([label.value for label in labels])

        kept, everything = per_seed(accuracy, True), per_seed(accuracy, False)
        check(one.measured, "kept", kept)
        check(one.measured, "everything", everything)
        less = [{name: a[name] - b[name] for name in NAMES} for a, b in zip(kept, everything, strict=True)]
        check(one.measured, "difference", less)
        for field, only in (("words_kept", True), ("words", False)):
            check(one.measured, field, per_seed(lambda some: mean([len(words(label.text)) for label in some]), only))
        for field, only in (("distinct_kept", True), ("distinct", False)):
            share = per_seed(lambda some: len({label.text for label in some}) / len(some), only)
            check(one.measured, field, share, interval=False)
        sizes = [(len(labels), sum(kept)) for labels, kept in zip(tables, flags, strict=True)]
        assert one.sizes[WHOLE] == pytest.approx(tuple(np.mean(sizes, axis=0)))
        for name in NAMES:
            some = [[flag for label, flag in zip(*seed, strict=True) if label.capability == name]
                    for seed in zip(tables, flags, strict=True)]  # fmt: skip
            assert one.sizes[name] == pytest.approx((mean([len(x) for x in some]), mean([sum(x) for x in some])))


def test_what_good_selections_gain(results: Results) -> None:
    """The simulation's rewards know who is right; lots do not. Intervals of two seeds may still reach zero."""
    found = {one.methods[0]: one.measured[WHOLE].difference for one in results.topics["selections"]}
    assert (found["rewarded"].value or -1) > 0
    assert (found["oracle"].value or -1) > 0
    assert abs(found["random_half"].value or 0.0) < 0.2
    assert found["alone: slots"].value == 0


def test_the_shift_is_measured_in_spreads(world: SimulatedTexts, results: Results) -> None:
    one = next(one for one in results.topics["selections"] if one.type == "reward_model")
    found: list[Mapping[str, float]] = []
    for selected in steps_of(world, "rewarded", last_selection):
        plane = np.load(world.store.path(selected.inputs["reward"]) / "vectors.npy").astype(np.float64)
        rows = zip(labels_of(world, selected.inputs["targets"]), plane, flags_of(world, selected), strict=True)
        known = [(label.capability, point, kept) for label, point, kept in rows if np.isfinite(point).all()]
        seed = {}
        for name in NAMES:
            points = np.stack([point for whose, point, _ in known if whose == name])
            kept = np.stack([point for whose, point, flag in known if whose == name and flag])
            middle = points.mean(axis=0)
            spread = np.sqrt(np.mean([np.sum((point - middle) ** 2) for point in points]))
            seed[name] = float(np.linalg.norm(kept.mean(axis=0) - middle) / spread)
        found.append(seed)
    check(one.measured, "shift", found, interval=False)
    shifts = {other.methods[0]: other.measured[WHOLE].shift for other in results.topics["selections"]}
    assert all(shifts.values()), "every selection from the labels that the probe has read"


@pytest.mark.parametrize("seed", SEEDS)
def test_chance_shifts_as_far_as_it_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(40, 2)) * [3.0, 1.0] + 10
    kept = np.zeros(40, dtype=np.bool_)
    kept[:12] = True
    found = [shift(points, rng.permutation(kept)) for _ in range(4000)]
    squares = [one[0] ** 2 for one in found if one]
    chance = {one[1] for one in found if one}
    assert len(chance) == 1
    assert math.sqrt(float(np.mean(squares))) == pytest.approx(chance.pop(), rel=0.06)
    # Neither the origin nor the unit of the axes matters.
    moved, there = shift(points * -7 + 3, kept), shift(points, kept)
    assert moved == pytest.approx(there)
    assert shift(points, np.zeros(40, dtype=np.bool_)) is None
    assert shift(np.ones((40, 2)), kept) is None
    everything = shift(points, np.ones(40, dtype=np.bool_))
    assert everything is not None
    assert everything == pytest.approx((0, 0), abs=1e-12)


def test_the_cloud_is_of_the_labels_that_the_probe_has_read(world: SimulatedTexts, results: Results) -> None:
    [cloud] = results.topics["clouds"]
    selected = steps_of(world, "rewarded", last_selection)[0]
    plane = np.load(world.store.path(selected.inputs["reward"]) / "vectors.npy").astype(np.float64)
    labels, flags = labels_of(world, selected.inputs["targets"]), flags_of(world, selected)
    points = [tuple(np.round(point, 4).tolist()) for point in plane]
    there = {(*point, label.capability, flag) for point, label, flag in zip(points, labels, flags, strict=True)}
    drawn = zip(cloud.points, cloud.capabilities, cloud.kept["rewarded, two_stage"], strict=True)
    assert {(*point, name, flag) for point, name, flag in drawn} <= there
    assert len(cloud.points) == sum(np.isfinite(plane).all(axis=1).tolist()) < cloud.labels == len(plane)
    # One of the random ones is enough, and none that goes by capability.
    assert list(cloud.kept) == ["agreement", "confident", "rewarded, two_stage", "random_half", "oracle"]


# ---- rewards, agreement ---------------------------------------------------------------------------------


def test_rewards_order_labels(world: SimulatedTexts, results: Results) -> None:
    [one] = results.topics["reward_models"]
    assert one.methods == ("rewarded", "two_stage")
    columns: dict[str, list[Mapping[str, float]]] = {"reward": [], "confidence": [], "right": []}
    for step in steps_of(world, "rewarded", reward_model):
        rewards = Rewards.load(world.store.path(step)).reward
        rows = list(zip(labels_of(world, step.inputs["targets"]), rewards.tolist(), strict=True))
        known = [(label, reward) for label, reward in rows if not math.isnan(reward)]
        assert len(known) == len(rows) - 1
        for key, pick in (("reward", lambda row: row[1]), ("confidence", lambda row: row[0].confidence)):
            columns[key].append(
                {
                    name: roc_auc_score(
                        [row[0].value >= 0.5 for row in known if row[0].capability == name],
                        [pick(row) for row in known if row[0].capability == name],
                    )
                    for name in NAMES
                }
            )
        columns["right"].append(
            {name: mean([float(row[0].value >= 0.5) for row in known if row[0].capability == name]) for name in NAMES}
        )
    for key, per_seed in columns.items():
        check(one.measured, key, per_seed)
    pairs = zip(columns["reward"], columns["confidence"], strict=True)
    check(one.measured, "difference", [{name: a[name] - b[name] for name in NAMES} for a, b in pairs])
    assert (one.examples[WHOLE].positives, one.examples["sums"].negatives) == (30, 6)
    assert one.examples["slots"].told_apart is None


def test_what_agreement_tells(world: SimulatedTexts, results: Results) -> None:
    [one] = results.topics["consistency"]
    assert one.methods == ("agreement", "rewarded", "two_stage")
    gold = dict(zip(world.task.items.ids, world.task.items.answers or [], strict=True))
    fields = ("agreeing", "weak_if_agree", "weak_if_not", "strong_if_not")
    columns: dict[str, list[Mapping[str, float]]] = {field: [] for field in fields}
    for found in steps_of(world, "agreement", comparison):
        table = WeakTexts.load(world.store.path(found.strong) / "half_b.parquet")
        own = {item: cell[0][0].text for item, cell in zip(table.items, table.candidates, strict=True) if cell[0]}
        seed: dict[str, dict[str, float]] = {field: {} for field in fields}
        for name in NAMES:
            mine = [
                label for label in labels_of(world, found.targets) if label.capability == name and label.item in own
            ]
            both = [(value_of(name, x.text, own[x.item]) + value_of(name, own[x.item], x.text)) / 2 for x in mine]
            agree = [label for label, value in zip(mine, both, strict=True) if value >= 1]
            apart = [label for label, value in zip(mine, both, strict=True) if value < 1]
            seed["agreeing"][name] = len(agree) / len(mine)
            seed["weak_if_agree"][name] = mean([label.value for label in agree])
            seed["weak_if_not"][name] = mean([label.value for label in apart])
            seed["strong_if_not"][name] = mean([value_of(name, own[x.item], gold[x.item]) for x in apart])
        for field in fields:
            columns[field].append(seed[field])
    for field, per_seed in columns.items():
        check(one.measured, field, per_seed)


# ---- labels ---------------------------------------------------------------------------------------------


def test_every_table_of_labels_is_measured_once(results: Results) -> None:
    names = [one.name for one in results.topics["labels"]]
    assert names == [
        GOLD, "gpt", "opt", "gpt, rewritten (icl)", "opt, rewritten (icl)", "student's own answers",
        "gpt, 30 % exchanged", "opt, 30 % exchanged", "gpt, 60 % exchanged", "opt, 60 % exchanged",
    ]  # fmt: skip
    learned = {one.name: one.methods for one in results.topics["labels"]}
    assert learned["student's own answers"] == ("self_bootstrap",)
    assert {"naive", "rewarded", "0.5 epochs"} <= set(learned["gpt"])
    gold = results.topics["labels"][0].measured
    assert gold[WHOLE].accuracy.value == 1
    assert "gave no probabilities" in gold[WHOLE].confidence.note


def entropy(answers: list[Any]) -> float:
    shares = [answers.count(one) / len(answers) for one in set(answers)]
    return -sum(share * math.log2(share) for share in shares)


def answer_of(world: SimulatedTexts, label: Label) -> Any:
    """What is counted: for options their number, for sums the number, for slots the text."""
    if label.capability == "sums":
        return "" if not any(letter.isdigit() for letter in label.text) else label.text
    if label.capability == "slots":
        return " ".join(label.text.casefold().split())
    options = (world.task.items.allowed or [])[world.task.items.ids.index(label.item)]
    return options.index(label.text) if label.text in options else None


@pytest.mark.parametrize("method", ["naive", "self_bootstrap", "noise 60 %"])
def test_labels_by_themselves(world: SimulatedTexts, results: Results, method: str) -> None:
    number = {"naive": "opt", "self_bootstrap": "student's own answers", "noise 60 %": "opt, 60 % exchanged"}[method]
    one = next(one for one in results.topics["labels"] if one.name == number)
    fields = ("accuracy", "confidence", "overconfidence", "words", "distinct", "unigrams", "bigrams")
    columns: dict[str, list[Mapping[str, float]]] = {field: [] for field in fields}
    found_entropy: list[dict[str, float]] = []
    for source in [some[-1] for some in steps_of(world, method, sources)]:
        table = WeakTexts.load(world.store.path(source.step) / "half_b.parquet")
        seed: dict[str, dict[str, float]] = {field: {} for field in fields}
        bits = {}
        for name in NAMES:
            mine = [
                (item, cell[0][0])
                for item, cell in zip(table.items, table.candidates, strict=True)
                if cell[0] and item.startswith(f"{name}/")
            ]
            gold = dict(zip(world.task.items.ids, world.task.items.answers or [], strict=True))
            labels = [
                Label(name, value_of(name, best.text, gold[item]), best.text, math.exp(best.mean_logprob), item)
                for item, best in mine
            ]
            said = [words(label.text) for label in labels]
            pairs = [pair for text in said for pair in itertools.pairwise(text)]
            singles = [word for text in said for word in text]
            seed["accuracy"][name] = mean([label.value for label in labels])
            seed["confidence"][name] = mean([label.confidence for label in labels])
            seed["overconfidence"][name] = seed["confidence"][name] - seed["accuracy"][name]
            seed["words"][name] = mean([float(len(text)) for text in said])
            seed["distinct"][name] = len({label.text for label in labels}) / len(labels)
            seed["unigrams"][name] = len(set(singles)) / len(singles)
            seed["bigrams"][name] = len(set(pairs)) / len(pairs) if pairs else math.nan
            bits[name] = entropy([answer_of(world, label) for label in labels])
        for field in fields:
            columns[field].append(seed[field])
        found_entropy.append(bits)
    for field, per_seed in columns.items():
        check(one.measured, field, per_seed, interval=field not in ("distinct", "unigrams", "bigrams"))
    for name in ("slots", "science"):
        value = one.measured[name].entropy.value
        assert value == pytest.approx(mean([seed[name] for seed in found_entropy]), abs=2e-6)


# ---- rows -----------------------------------------------------------------------------------------------


def test_transfer_is_made_of_the_rows_scores(results: Results) -> None:
    assert results.topics["capabilities"].alone == {f"alone: {name}": name for name in NAMES}
    tables = {table.name: table for table in make_tables(results)}
    learned = [line.cells[:2] for line in tables["transfer"].lines]
    assert learned == [
        ("nothing", "untouched student"),
        *((name, f"alone: {name}") for name in NAMES),
        ("all capabilities", "naive"),
        ("all, gold", "ceiling"),
    ]
    line = tables["transfer"].lines[2]
    tested = results.topics["capabilities"].rows["alone: sums"]
    assert line.cells[2:] == tuple(tested[name].score for name in NAMES)
    gain = next(line for line in tables["transfer_gain"].lines if line.cells[1] == "alone: sums").cells[2]
    bare = results.topics["capabilities"].rows["untouched student"]["slots"].score
    assert isinstance(gain, Estimate)
    assert gain.value == pytest.approx((tested["slots"].score.value or 0) - (bare.value or 0), abs=2e-6)
    assert all(line.cells[1] != "untouched student" for line in tables["transfer_gain"].lines)


def test_curves_join_rows_that_differ_in_one_number(world: SimulatedTexts, results: Results) -> None:
    found = {(one.setting, one.line, one.row): one for one in results.topics["curves"]}
    assert {key: one.value for key, one in found.items()} == {
        ("noise", "", "naive"): 0.0,
        ("noise", "noise", "noise 30 %"): 0.3,
        ("noise", "noise", "noise 60 %"): 0.6,
        ("share", "", "naive"): 1.0,
        **{
            ("share", f"same number of {line}", f"{share} {budget}"): share
            for share in (0.25, 0.5)
            for line, budget in (("updates", "examples"), ("passes", "epochs"))
        },
    }
    assert {one.series for one in found.values()} == {"naive"}
    for (_, _, row), one in found.items():
        tables = [labels_of(world, step) for step in steps_of(world, row, learned_last)]
        numbers = [
            mean([mean([label.value for label in labels if label.capability == name]) for name in NAMES])
            for labels in tables
        ]
        assert one.accuracy.value == pytest.approx(mean(numbers), abs=2e-6)
        assert one.labels == mean([float(len(labels)) for labels in tables])
    accuracy = [found["noise", line, row].accuracy.value or 0 for line, row in
                (("", "naive"), ("noise", "noise 30 %"), ("noise", "noise 60 %"))]  # fmt: skip
    assert accuracy[0] > accuracy[1] > accuracy[2]


def test_every_line_of_a_curve_begins_with_all_labels(results: Results) -> None:
    lines = {
        setting: lines_of([one for one in results.topics["curves"] if one.setting == setting])
        for setting in ("noise", "share")
    }
    assert [(line.title, [point.row for point in line.points]) for line in lines["noise"]] == [
        ("naive", ["naive", "noise 30 %", "noise 60 %"])
    ]
    assert {line.title: [point.row for point in line.points] for line in lines["share"]} == {
        "same number of updates": ["0.25 examples", "0.5 examples", "naive"],
        "same number of passes": ["0.25 epochs", "0.5 epochs", "naive"],
    }


# ---- what is shown --------------------------------------------------------------------------------------


def test_every_table_in_every_format_and_every_figure(results: Results, folder: Path) -> None:
    for name in TABLES:
        for ending in ("md", "csv", "json", "tex"):
            assert (folder / "tables" / f"{name}.{ending}").stat().st_size > 100, name
    page = (folder / "report.html").read_text()
    for name in FIGURES:
        assert (folder / "figures" / f"{name}.svg").is_file(), name
        assert f'id="plot-{name}"' in page
    for name in TABLES:
        assert f'id="table-{name}"' in page


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_figures_are_valid_described_and_as_wide_as_they_may_be(results: Results, name: str) -> None:
    drawn = plots_of(results)[name]
    root = ElementTree.fromstring(drawn)
    assert len(root.get("aria-label") or "") > 60
    assert float(root.get("width") or 0) <= WIDTH


def test_capabilities_without_anything_kept_have_no_line(results: Results) -> None:
    table = next(table for table in make_tables(results) if table.name == "selections_by_capability")
    found = [(line.section, line.cells[0]) for line in table.lines if str(line.cells[0]).startswith("alone")]
    assert found == [(name, f"alone: {name}") for name in NAMES]


def test_a_selection_by_gold_is_an_upper_bound_and_no_winner(results: Results) -> None:
    assert [row.name for row in results.rows if row.oracle] == ["oracle"]
    main = next(table for table in make_tables(results) if table.name == "main")
    line = next(line for line in main.lines if line.cells[0] == "oracle")
    assert "upper bound" in line.section
    assert not line.ranked
    story = make_headline(results)
    assert any("oracle: an upper bound" in sentence for sentence in story.sentences)
    assert "oracle" not in " ".join(tile.what for tile in story.tiles)


def test_a_seed_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    """The second seed's reward model failed: what hangs on it has one seed, everything else two."""
    methods = ["naive", "rewarded", "agreement", "oracle"]

    def failed(step: Step) -> bool:
        return step.name == "reward" and step.params["seed"] == 1

    small = simulate_selections(tmp_path / "store", SEEDS[1] % 1000, failed, methods=methods)
    found = write_report(small.study, small.store, small.outcomes, tmp_path / "out").topics
    seeds = {one.methods: one.measured[WHOLE].kept.seeds for one in found["selections"]}
    assert seeds == {("rewarded",): 1, ("agreement",): 2, ("oracle",): 2}
    assert [one.measured[WHOLE].reward.seeds for one in found["reward_models"]] == [1]
    assert [one.measured[WHOLE].agreeing.seeds for one in found["consistency"]] == [2]
    assert found["curves"] == ()
    assert found["capabilities"].alone == {}


def test_a_study_without_any_of_it_has_none_of_it(tmp_path: Path) -> None:
    small = simulate_small_texts(tmp_path / "store", metric="exact_match")
    found = write_report(small.study, small.store, small.outcomes, tmp_path / "out")
    names = {table.name for table in make_tables(found)}
    assert not names & TABLES
    assert not FIGURES & set(plots_of(found))
