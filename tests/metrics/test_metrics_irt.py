"""Item response theory against finite differences, a derivative-free minimiser, known abilities, and definitions."""

import dataclasses
import json
import math
import zipfile

import numpy as np
import pytest
from scipy.optimize import minimize

from fresh import SEEDS
from outgrow.data.irt_items import read_items
from outgrow.errors import ConfigError, DataError
from outgrow.metrics.irt import (
    ESTIMATORS,
    LARGEST_LOGIT,
    RIDGE,
    IrtItems,
    chances,
    estimate_score,
    fit_theta,
    loss_and_slope,
)

fresh = pytest.mark.parametrize("seed", SEEDS)


def make_items(rng, n_items=60, n_anchors=20, n_dims=3):
    """Item parameters as they come out of a fit: directions and difficulties around 1."""
    weights = rng.random(n_anchors) + 0.1
    return IrtItems(
        rng.standard_normal((n_items, n_dims)),
        rng.standard_normal(n_items),
        rng.permutation(n_items)[:n_anchors],
        weights / weights.sum(),
        float(rng.random()),
    )


def draw_answers(rng, items):
    theta = rng.standard_normal(items.a.shape[1])
    return (rng.random(len(items.b)) < chances(theta, items.a, items.b))[items.anchors].astype(float)


def chance_by_hand(theta, a, b):
    logit = sum(strength * ability for strength, ability in zip(a, theta, strict=True)) - b
    return 1 / (1 + math.exp(-min(max(logit, -30), 30)))


def loss_by_hand(theta, a, b, right, ridge):
    loss = ridge / 2 * sum(ability**2 for ability in theta)
    for row, difficulty, y in zip(a, b, right, strict=True):
        p = chance_by_hand(theta, row, difficulty)
        loss -= y * math.log(p) + (1 - y) * math.log(1 - p)
    return loss


@fresh
def test_chances(seed):
    rng = np.random.default_rng(seed)
    items, theta = make_items(rng), 20 * rng.standard_normal(3)
    by_hand = [chance_by_hand(theta, a, b) for a, b in zip(items.a, items.b, strict=True)]
    np.testing.assert_allclose(chances(theta, items.a, items.b), by_hand, rtol=1e-12)


def test_chances_are_cut_off():
    a, b = np.array([[1.0], [1.0], [-1.0]]), np.array([0.0, 29.0, 0.0])
    edge = 1 / (1 + math.exp(-LARGEST_LOGIT))
    np.testing.assert_allclose(chances(np.array([1e6]), a, b), [edge, edge, 1 - edge], rtol=0, atol=1e-15)
    loss, slope = loss_and_slope(np.array([1e6]), a, b, np.array([0.0, 1.0, 1.0]), 0.0)
    assert loss == pytest.approx(2 * LARGEST_LOGIT)
    assert slope.tolist() == [0]


@fresh
@pytest.mark.parametrize("graded", [False, True])
def test_slope_is_that_of_the_loss(seed, graded):
    rng = np.random.default_rng(seed)
    items, theta, ridge = make_items(rng), rng.standard_normal(3), rng.random()
    right = rng.random(60) if graded else rng.integers(2, size=60).astype(float)
    loss, slope = loss_and_slope(theta, items.a, items.b, right, ridge)
    assert loss == pytest.approx(loss_by_hand(theta, items.a, items.b, right, ridge), rel=1e-10)
    for dim in range(3):
        step = 1e-5 * np.eye(3)[dim]
        ahead, behind = (loss_by_hand(theta + way * step, items.a, items.b, right, ridge) for way in (1, -1))
        assert slope[dim] == pytest.approx((ahead - behind) / 2e-5, rel=1e-5, abs=1e-5)


@fresh
@pytest.mark.parametrize("graded", [False, True])
def test_theta_is_where_a_derivative_free_search_ends(seed, graded):
    rng = np.random.default_rng(seed)
    items, ridge = make_items(rng, n_items=40, n_dims=2), 0.01
    right = rng.random(40) if graded else (rng.random(40) < chances(rng.standard_normal(2), items.a, items.b)) * 1.0
    theta = fit_theta(items.a, items.b, right, ridge)
    for _ in range(4):
        found = minimize(
            loss_by_hand,
            3 * rng.standard_normal(2),
            (items.a, items.b, right, ridge),
            method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000, "maxfev": 4000},
        )
        np.testing.assert_allclose(theta, found.x, atol=1e-4)
        assert loss_by_hand(theta, items.a, items.b, right, ridge) <= found.fun + 1e-8


@fresh
@pytest.mark.parametrize("kind", ["right", "wrong", "drawn", "graded"])
def test_the_search_ends_on_level_ground(seed, kind):
    rng = np.random.default_rng(seed)
    for scale in (0.1, 1, 5):
        a = scale * rng.standard_normal((rng.integers(1, 120), rng.integers(1, 12)))
        b, draws = rng.standard_normal(len(a)), rng.random(len(a))
        right = {"right": np.ones(len(a)), "wrong": np.zeros(len(a)), "drawn": draws.round(), "graded": draws}[kind]
        theta = fit_theta(a, b, right)
        assert np.isfinite(theta).all()
        assert np.abs(loss_and_slope(theta, a, b, right, RIDGE)[1]).max() < 1e-4


@fresh
def test_known_ability_comes_back(seed):
    rng = np.random.default_rng(seed)
    a, b, truth = rng.standard_normal((40_000, 4)), rng.standard_normal(40_000), rng.standard_normal(4)
    p = chances(truth, a, b)
    # Expected answers give the truth itself, up to the ridge; drawn ones come within five standard errors of it.
    np.testing.assert_allclose(fit_theta(a, b, p), truth, atol=1e-6)
    drawn = (rng.random(40_000) < p).astype(float)
    error = np.sqrt(np.diag(np.linalg.inv((a * (p * (1 - p))[:, None]).T @ a)))
    assert (np.abs(fit_theta(a, b, drawn) - truth) < 5 * error).all()


@fresh
def test_the_default_ridge_hardly_moves_a_maximum(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((400, 2)), rng.standard_normal(400)
    right = (rng.random(400) < chances(rng.standard_normal(2), a, b)).astype(float)
    np.testing.assert_allclose(fit_theta(a, b, right), fit_theta(a, b, right, ridge=0.0), atol=1e-4)


@fresh
@pytest.mark.parametrize("answer", [0.0, 1.0])
def test_all_right_and_all_wrong(seed, answer):
    rng = np.random.default_rng(seed)
    items = make_items(rng, n_dims=1)
    items = dataclasses.replace(items, a=np.abs(items.a) + 0.5)
    right = np.full(20, answer)
    theta = fit_theta(items.a[items.anchors], items.b[items.anchors], right)
    assert 5 < abs(theta[0]) < 40
    assert np.isfinite(fit_theta(items.a[items.anchors], items.b[items.anchors], right, ridge=0.0)).all()
    for by in ESTIMATORS:
        assert estimate_score(items, right, by) == pytest.approx(answer, abs=0.02)


@fresh
def test_estimators_against_their_definitions(seed):
    rng = np.random.default_rng(seed)
    items = make_items(rng)
    right, anchors = draw_answers(rng, items), items.anchors.tolist()
    irt = sum(weight * y for weight, y in zip(items.weights, right, strict=True))
    assert estimate_score(items, right, "irt") == pytest.approx(irt, rel=1e-12)

    theta = fit_theta(items.a[anchors], items.b[anchors], right)
    unseen = [chance_by_hand(theta, items.a[i], items.b[i]) for i in range(60) if i not in anchors]
    p_irt = 20 / 60 * sum(right) / 20 + 40 / 60 * sum(unseen) / len(unseen)
    assert len(unseen) == 40
    assert estimate_score(items, right, "p_irt") == pytest.approx(p_irt, rel=1e-9)

    gp_irt = items.irt_share * irt + (1 - items.irt_share) * p_irt
    assert estimate_score(items, right) == estimate_score(items, right, "gp_irt") == pytest.approx(gp_irt, rel=1e-9)
    for share, alone in ((0.0, "p_irt"), (1.0, "irt")):
        assert estimate_score(dataclasses.replace(items, irt_share=share), right) == estimate_score(
            items, right, alone
        )


@fresh
def test_with_every_item_asked_nothing_is_estimated(seed):
    rng = np.random.default_rng(seed)
    items = make_items(rng, n_items=20, n_anchors=20)
    right = draw_answers(rng, items)
    assert estimate_score(items, right, "p_irt") == pytest.approx(right.mean())


@fresh
def test_hard_anchors_mislead_the_mean_but_not_p_irt(seed):
    rng = np.random.default_rng(seed)
    a, b, theta = np.ones((4000, 1)), rng.standard_normal(4000), np.array([0.5])
    anchors = np.argsort(b)[-1000:]
    items = IrtItems(a, b, anchors, np.full(1000, 1 / 1000))
    right = rng.random(4000) < chances(theta, a, b)
    assert estimate_score(items, right[anchors], "irt") < right.mean() - 0.2
    assert estimate_score(items, right[anchors], "p_irt") == pytest.approx(right.mean(), abs=0.06)


@fresh
@pytest.mark.parametrize("by", ESTIMATORS)
def test_what_the_score_does_not_depend_on(seed, by):
    rng = np.random.default_rng(seed)
    items = make_items(rng)
    right = draw_answers(rng, items)
    score = estimate_score(items, right, by)

    order = rng.permutation(60)
    moved = dataclasses.replace(items, a=items.a[order], b=items.b[order], anchors=np.argsort(order)[items.anchors])
    assert estimate_score(moved, right, by) == pytest.approx(score, abs=1e-6)

    order = rng.permutation(20)
    asked = dataclasses.replace(items, anchors=items.anchors[order], weights=items.weights[order])
    assert estimate_score(asked, right[order], by) == pytest.approx(score, abs=1e-6)

    sign = rng.choice([-1.0, 1.0], size=3)
    assert estimate_score(dataclasses.replace(items, a=items.a * sign), right, by) == pytest.approx(score, abs=1e-9)
    at = items.anchors
    theta, flipped = (fit_theta(a[at], items.b[at], right) for a in (items.a, items.a * sign))
    np.testing.assert_allclose(flipped, theta * sign, rtol=1e-9)


@fresh
def test_scores_lie_within_0_and_1_and_answers_may_be_of_any_type(seed):
    rng = np.random.default_rng(seed)
    items = make_items(rng)
    right = draw_answers(rng, items)
    for by in ESTIMATORS:
        scores = {estimate_score(items, typed, by) for typed in (right, right.astype(int), right.astype(bool))}
        assert len(scores) == 1
        assert isinstance(scores.pop(), float)
        assert 0 <= estimate_score(items, rng.random(20), by) <= 1


def test_answers_that_do_not_fit():
    items = make_items(np.random.default_rng(SEEDS[0]))
    right = np.ones(20)
    with pytest.raises(ConfigError, match="`pirt` is not a way to estimate a score; did you mean `p_irt`"):
        estimate_score(items, right, "pirt")
    for wrong in (right[:-1], np.ones(60)):
        with pytest.raises(DataError, match=f"there are 20 anchors but {len(wrong)} answers"):
            estimate_score(items, wrong)
    for rating in (1.5, -0.25, np.nan, np.inf):
        right[7] = rating
        with pytest.raises(DataError, match=f"answer 7 is rated {rating:g}; ratings go from 0"):
            estimate_score(items, right, "irt")
    with pytest.raises(DataError, match="these items have no `lambda`, which `gp_irt` needs"):
        estimate_score(dataclasses.replace(items, irt_share=None), np.ones(20))


# Files.

GOOD = {
    "a": [[1.0, 0.5], [0.2, -1.0], [1.5, 0.0]],
    "b": [0.5, -0.5, 1],
    "anchors": [2, 0],
    "weights": [0.25, 0.75],
    "lambda": 0.4,
}


def write(folder, suffix, values):
    path = folder / f"items{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps(values), encoding="utf-8")
    else:
        np.savez(path, **{key: np.asarray(value) for key, value in values.items()})
    return path


def refusal(path):
    with pytest.raises(DataError) as caught:
        read_items(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


both = pytest.mark.parametrize("suffix", [".json", ".npz"])


@both
def test_read(tmp_path, suffix):
    items = read_items(write(tmp_path, suffix, GOOD | {"note": "others are ignored"}))
    assert items.a.tolist() == GOOD["a"]
    assert items.b.tolist() == GOOD["b"]
    assert items.anchors.tolist() == GOOD["anchors"]
    assert items.weights.tolist() == GOOD["weights"]
    assert items.irt_share == GOOD["lambda"]
    assert (items.a.dtype, items.anchors.dtype) == (np.float64, np.int64)
    assert 0 < estimate_score(items, np.array([1, 0])) < 1
    without = {key: value for key, value in GOOD.items() if key != "lambda"}
    assert read_items(write(tmp_path, suffix, without)).irt_share is None


@fresh
def test_read_what_was_written_in_other_types(tmp_path, seed):
    items = make_items(np.random.default_rng(seed))
    single = {"a": items.a.astype(np.float32), "b": items.b, "anchors": items.anchors.astype(np.uint16)}
    path = write(tmp_path, ".npz", single | {"weights": items.weights})
    assert read_items(path).anchors.tolist() == items.anchors.tolist()
    np.testing.assert_allclose(read_items(path).a, items.a, rtol=1e-6)


@both
@pytest.mark.parametrize("key", ["a", "b", "anchors", "weights"])
def test_a_key_is_missing(tmp_path, suffix, key):
    left = {name: value for name, value in GOOD.items() if name != key}
    assert f"the key `{key}` is missing" in refusal(write(tmp_path, suffix, left))


@both
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("a", [1.0, 2.0, 3.0], "`a` has the shape (3,); expected [item, dim], none of them empty"),
        ("a", [[], [], []], "`a` has the shape (3, 0); expected [item, dim], none of them empty"),
        ("a", [[1.0, 2.0], [1.0, 2.0]], "`b` is for 3 items, `a` for 2"),
        ("b", [[0.5, -0.5, 1.0]], "`b` has the shape (1, 3); expected [item], none"),
        ("b", [0.5, -0.5], "`b` is for 2 items, `a` for 3"),
        ("anchors", [], "`anchors` has the shape (0,); expected [anchor], none"),
        ("anchors", [2, 0, 1], "`weights` is for 2 anchors, `anchors` for 3"),
        ("anchors", [[2, 0]], "`anchors` has the shape (1, 2)"),
        ("weights", 1.0, "`weights` has the shape (); expected [anchor]"),
        ("weights", [1.0], "`weights` is for 1 anchors, `anchors` for 2"),
        ("lambda", [0.4], "`lambda` has the shape (1,); expected a single number"),
        ("a", [[1.0, 0.5], [0.2, math.nan], [1.5, 0.0]], "`a`[1, 1] is nan; every number must be finite"),
        ("b", [0.5, -math.inf, 1], "`b`[1] is -inf; every"),
        ("weights", [math.nan, 1], "`weights`[0] is nan; every"),
        ("lambda", math.nan, "`lambda` is nan; every"),
        ("b", ["x", "y", "z"], "`b` holds something other than numbers"),
        ("anchors", [2, 3], "`anchors` names item 3; with 3 items, they go from 0 to 2"),
        ("anchors", [-1, 0], "`anchors` names item -1; with 3 items"),
        ("anchors", [2, 2], "`anchors` names item 2 more than once"),
        ("anchors", [2.0, 0.5], "`anchors` must be whole numbers"),
        ("weights", [0.25, 0.5], "`weights` sum to 0.75; they must sum to 1"),
        ("weights", [0.25, 0.75 + 2e-6], "`weights` sum to 1.000002; they must"),
        ("weights", [-0.25, 1.25], "`weights` has -0.25; a weight is never below 0"),
        ("lambda", 1.5, "`lambda` is 1.5; it must lie within 0 to 1"),
        ("lambda", -0.1, "`lambda` is -0.1; it must"),
    ],
)
def test_a_value_does_not_fit(tmp_path, suffix, key, value, said):
    assert said in refusal(write(tmp_path, suffix, GOOD | {key: value}))


@both
def test_weights_may_be_rounded(tmp_path, suffix):
    read_items(write(tmp_path, suffix, GOOD | {"weights": [0.25, 0.75 + 5e-7]}))


@pytest.mark.parametrize("value", [[None, 1, 2], {"0": 1}, [10**400, 1, 2], [True, False, True]])
def test_json_that_holds_no_numbers(tmp_path, value):
    assert "`b` holds something other than numbers" in refusal(write(tmp_path, ".json", GOOD | {"b": value}))


def test_rows_of_different_lengths(tmp_path):
    said = refusal(write(tmp_path, ".json", GOOD | {"a": [[1.0, 2.0], [1.0], [2.0, 3.0]]}))
    assert "`a` is not a table of numbers" in said


def test_files_that_cannot_be_read(tmp_path):
    for name in ("none.json", "none.npz"):
        assert f"{name}: there is no such file" in refusal(tmp_path / name)
    assert "are a `.npz` or a `.json` file" in refusal(tmp_path / "items.pkl")
    bad = {
        "text.json": (b"{", "cannot be read as item parameters"),
        "bytes.json": (b"\xff\xfe\x00", "UTF-16"),
        "deep.json": (b"[" * 100_000, "more than 100 deep"),
        "text.npz": (b"{}", "cannot be read as item parameters"),
        "e.npz": (b"", "cannot be read as item parameters"),
    }
    for name, (content, reason) in bad.items():
        (tmp_path / name).write_bytes(content)
        assert reason in refusal(tmp_path / name)
    (tmp_path / "list.json").write_text("[1, 2]")
    assert "expected one object with the keys `a`, `b`, `anchors`" in refusal(tmp_path / "list.json")


def test_archives_that_are_none(tmp_path):
    path = tmp_path / "items.npz"
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    assert "cannot be read as item parameters" in refusal(path)
    np.savez(path, **{key: np.asarray(value, dtype=object) for key, value in GOOD.items()})
    assert "cannot be read as item parameters" in refusal(path)
    path = write(tmp_path, ".npz", GOOD)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("a.npy").header_offset + 60
    content = bytearray(path.read_bytes())
    content[place : place + 120] = bytes(byte ^ 0x55 for byte in content[place : place + 120])
    path.write_bytes(content)
    assert "cannot be read as item parameters" in refusal(path)
