"""The numbers of the main table: scores, PGR and differences to naive, all from one set of resamples.

A score is a function of a few counts per item, summed over the items of a resample. Accuracy counts (right, 1) and
divides; micro-averaged F1 counts true positives, false positives and false negatives.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.metrics.bootstrap import Resamples, difference, over_seeds, paired, resampled_sums, seeds_with
from outgrow.metrics.estimate import Estimate, from_draws, undefined
from outgrow.metrics.pgr import performance_gap_recovered
from outgrow.metrics.proportion import difference_from_draws, share_from_draws
from outgrow.reporting.evidence.row_answers import EvaluatedItems
from outgrow.reporting.evidence.row_provenance import chosen_by_gold
from outgrow.reporting.results import ANSWERED, AnswerCount, RowResult
from outgrow.study.build import Row
from outgrow.study.method_rows import parts_of

MISSING = "no result"
NO_CEILING = "no item of half B has gold, so there is no ceiling"
Counts = Bool[np.ndarray, "seed item part"] | Float[np.ndarray, "seed item part"]
"""One row's counts; zeros where the seed lacks the item or the row a result."""
Value = Callable[[Float[np.ndarray, "*rows part"]], Float[np.ndarray, "*rows"]]
"""The score of summed counts; NaN where all are zero."""


@dataclass(frozen=True)
class Measured:
    """All rows' resampled scores."""

    rows: Sequence[Row]
    per_seed: Float[np.ndarray, "draw row seed"]
    resamples: Resamples
    of_seed: Bool[np.ndarray, "seed item"]
    answered: Mapping[str, Bool[np.ndarray, "seed item"]] = field(default_factory=dict)
    """By row that is measured on some items only: these items."""
    group: Int[np.ndarray, "item"] | None = None
    """The index of each item's group; by default every item is a group."""

    def of(self, row: Row) -> Float[np.ndarray, "draw seed"]:
        return self.per_seed[:, self.rows.index(row)]

    def n(self, per_seed: Float[np.ndarray, "draw seed"], row: Row | None = None) -> int:
        """Different items behind a row, or behind a comparison."""
        return int(self._items(per_seed, row).sum())

    def groups(self, per_seed: Float[np.ndarray, "draw seed"], row: Row | None = None) -> int:
        """Different groups that these items belong to."""
        return self.groups_of(self._items(per_seed, row))

    def groups_of(self, items: Bool[np.ndarray, "item"]) -> int:
        """How many groups the marked items belong to."""
        return int(items.sum()) if self.group is None else len(np.unique(self.group[items]))

    def _items(self, per_seed: Float[np.ndarray, "draw seed"], row: Row | None) -> Bool[np.ndarray, "item"]:
        among = self.among(row) if row is not None else self.of_seed
        return np.asarray(among[np.isfinite(per_seed[0])].any(axis=0))

    def among(self, row: Row) -> Bool[np.ndarray, "seed item"]:
        """The items that a row is measured on."""
        return self.answered.get(row.name, self.of_seed)

    def note(self, row: Row) -> str:
        """The caveat of a row's numbers."""
        return ANSWERED if row.name in self.answered and (self.among(row) != self.of_seed).any() else ""


def baseline_name(experiment: Experiment) -> str | None:
    """The method with the settings of naive multi-weak (eq. 2), by any name.

    The weights of its sources are equal. If no method has equal weights, other fixed ones will do, provided that all
    such methods have the same.
    """
    naive_settings = _settings(Method(name=""), experiment)
    naive = [method for method in experiment.methods if _settings(method, experiment) == naive_settings]
    if naive:
        return naive[0].name
    fixed = [method for method in experiment.methods if _weighed(method, experiment) == naive_settings]
    different = {json.dumps(_settings(method, experiment), sort_keys=True) for method in fixed}
    return fixed[0].name if len(different) == 1 else None


def _settings(method: Method, experiment: Experiment) -> dict[str, Any]:
    """The settings that change a row's result, defaults filled in."""
    tree = method.model_dump(mode="json", exclude={"name", "variants", "budget"})
    parts = [part for part in parts_of(method) if part.share]
    plain = len(parts) == 1 and parts[0].select is None and parts[0].loss == method.loss
    tree["stages"] = None if plain else tree["stages"]
    tree["sources"] = list(method.sources_among(experiment.supervisors))
    tree["self_training"] = (method.self_training or experiment.self_training).model_dump(mode="json")
    tree["soft_labels"] = (method.soft_labels or experiment.soft_labels).model_dump(mode="json")
    weights = tree["combine"].get("weights")
    if isinstance(weights, dict) and len({weights[name] for name in weights if name in tree["sources"]}) == 1:
        tree["combine"]["weights"] = "average"
    return tree


def _weighed(method: Method, experiment: Experiment) -> dict[str, Any]:
    """The same, with equal weights in place of other fixed weights."""
    tree = _settings(method, experiment)
    if isinstance(tree["combine"].get("weights"), dict):
        tree["combine"]["weights"] = "average"
    return tree


def measure(
    rows: Sequence[Row],
    counts: Sequence[Counts],
    value: Value,
    part: EvaluatedItems,
    resamples: Resamples,
    answered: Mapping[str, Bool[np.ndarray, "seed item"]] | None = None,
) -> Measured:
    """Resampled score of every row under every seed; NaN where a row has no result."""
    values = seed_values(resamples.items, np.stack(counts), value)
    return Measured(rows, values, resamples, part.of_seed, answered or {}, part.group)


def seed_sums(
    items: UInt8[np.ndarray, "draw item"],
    counts: Bool[np.ndarray, "row seed item part"] | Float[np.ndarray, "row seed item part"],
) -> Float[np.ndarray, "draw row seed part"]:
    """Every draw's weighted sums."""
    rows, seeds, n_items, parts = counts.shape
    columns = np.moveaxis(counts, 2, 0).reshape(n_items, rows * seeds * parts)
    return resampled_sums(items, columns).reshape(len(items), rows, seeds, parts)


def seed_values(
    items: UInt8[np.ndarray, "draw item"],
    counts: Bool[np.ndarray, "row seed item part"] | Float[np.ndarray, "row seed item part"],
    value: Value,
) -> Float[np.ndarray, "draw row seed"]:
    """The value of every draw's weighted sums."""
    return value(seed_sums(items, counts))


def mean_estimate(row: Row, measured: Measured) -> Estimate:
    """A row's mean over the seeds that are there."""
    per_seed = measured.of(row)
    seeds = seeds_with(per_seed)
    if not seeds:
        return undefined(MISSING)
    draws = over_seeds(per_seed, measured.resamples.seeds)
    n, groups = measured.n(per_seed, row), measured.groups(per_seed, row)
    return share_from_draws(draws, n, groups, seeds, measured.note(row))


def unanswered(there: Bool[np.ndarray, "seed item"], answered: Bool[np.ndarray, "seed item"]) -> AnswerCount:
    """Items without an answer, among all items of the seeds."""
    return AnswerCount(int((there & ~answered).sum()), int(there.sum()))


def row_result(row: Row, measured: Measured, baseline: str | None) -> RowResult:
    """A row's scores and comparisons."""
    per_seed = measured.of(row)
    result = RowResult(
        role=row.role,
        name=row.name,
        method=row.method,
        variant=row.variant,
        source=row.source,
        view=row.view,
        sources=row.sources,
        score=mean_estimate(row, measured),
        per_seed=tuple(_one_seed(row, measured, seed) for seed in range(per_seed.shape[1])),
        gold=row.gold,
        oracle=row.role == "method" and chosen_by_gold(row.steps[0]),
    )
    return result if row.role not in ("method", "control") else _with_comparisons(result, row, measured, baseline)


def _one_seed(row: Row, measured: Measured, seed: int) -> Estimate:
    draws, items = measured.of(row)[:, seed], measured.among(row)[seed]
    if not np.isfinite(draws[0]):
        return undefined(MISSING)
    return share_from_draws(draws, int(items.sum()), measured.groups_of(items), 1, measured.note(row))


def _with_comparisons(result: RowResult, row: Row, measured: Measured, baseline: str | None) -> RowResult:
    shares = {view: recovered(row, measured, view) for view in {row.view, "main"}}
    own, by_supervisor = shares[row.view]
    return replace(
        result,
        pgr=own,
        pgr_per_seed=tuple(recovered(row, alone, row.view)[0] for alone in _by_seed(measured)),
        pgr_by_supervisor=by_supervisor,
        pgr_main=shares["main"][0] if row.view != "main" else None,
        versus_naive=versus(row, _naive(measured, baseline, row.variant), measured),
        versus_plain_naive=versus(row, _naive(measured, baseline, "plain"), measured),
        versus_best_supervisor=versus(row, _best_supervisor(measured), measured),
    )


def _by_seed(measured: Measured) -> Iterator[Measured]:
    """Each seed by itself."""
    for seed in range(measured.per_seed.shape[2]):
        once = np.zeros_like(measured.resamples.seeds[:, :1])
        alone = Resamples(once, measured.resamples.items)
        only = slice(seed, seed + 1)
        yield Measured(
            measured.rows, measured.per_seed[:, :, only], alone, measured.of_seed[only], group=measured.group
        )


def recovered(row: Row, measured: Measured, view: str) -> tuple[Estimate, dict[str, Estimate]]:
    """A method's PGR against the ceiling of a view: the mean over its sources, and against each."""
    ceiling = next((top for top in measured.rows if top.role == "ceiling" and top.view == view), None)
    if ceiling is None:
        return undefined(NO_CEILING), {}
    weak = {
        floor.name: measured.of(floor)
        for floor in measured.rows
        if floor.role == "floor" and floor.source in row.sources
    }
    student = measured.of(row)
    if not seeds_with(student):
        return undefined(MISSING), {}
    pgr = performance_gap_recovered(
        student, weak, measured.of(ceiling), measured.resamples.seeds, measured.n(student), measured.groups(student)
    )
    return pgr.average, pgr.by_supervisor


def _naive(measured: Measured, baseline: str | None, variant: str) -> Row | None:
    rows = [row for row in measured.rows if row.role == "method" and row.method == baseline and row.variant == variant]
    return rows[0] if rows else None


def _best_supervisor(measured: Measured) -> Row | None:
    means = over_seeds(measured.per_seed[:1], measured.resamples.seeds[:1])[0]
    places = [place for place, row in enumerate(measured.rows) if row.role == "floor" and np.isfinite(means[place])]
    return measured.rows[max(places, key=lambda place: float(means[place]))] if places else None


def versus(row: Row, other: Row | None, measured: Measured) -> Estimate | None:
    """The paired difference of a row's score to another's; None without another."""
    if other is None or other is row:
        return None
    shared, theirs = paired(measured.of(row), measured.of(other))
    if not seeds_with(shared):
        return undefined("no seed has both rows")
    seeds = measured.resamples.seeds
    return difference_from_draws(
        over_seeds(shared, seeds),
        over_seeds(theirs, seeds),
        measured.n(shared),
        measured.groups(shared),
        seeds_with(shared),
        difference(shared, theirs, seeds),
    )


def seeds_estimate(
    per_seed: Float[np.ndarray, "draw seed"],
    among: Bool[np.ndarray, "seed item"],
    resamples: Resamples,
    note: str = "",
) -> Estimate:
    """Mean over the seeds; n is the number of different items in `among`."""
    seeds, n = seeds_with(per_seed), int(among.any(axis=0).sum())
    return from_draws(over_seeds(per_seed, resamples.seeds), n, seeds, note)
