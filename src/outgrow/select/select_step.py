"""The step `selected`: some of a method's targets, in their order, and why these.

What a selection goes by beside the targets comes as an input, by its type:

    agreement      `strong`    the strong model's own answers (classes: its votes)
    confidence     `scores`    `by: student`, texts only: what the student thinks of them
    reward_model   `reward`    what the step `reward` says of these very targets
    random         `like`      another selection, whose size this one copies; without, `keep` says how many

Gold and capabilities stand in the pool. The kept targets are as they were: same pieces, same weights.
"""

import json
from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from outgrow.combiners.text_targets_step import load_texts
from outgrow.data.task import Task
from outgrow.errors import ConfigError
from outgrow.graph.step import Job, Json
from outgrow.labels import Targets, WeakLabels
from outgrow.select import VOTES_LACK
from outgrow.select.keep_rules import sizes
from outgrow.select.rewards import Rewards
from outgrow.select.row_scores import (
    Scores,
    capabilities_of,
    text_agreement,
    text_confidence,
    text_oracle,
    vote_agreement,
    vote_confidence,
    vote_oracle,
)
from outgrow.select.selection import Selection, TargetRows
from outgrow.select.votes_as_text import spoken_targets
from outgrow.texts import TextTargets

TARGETS = "targets.parquet"


def select_texts(job: Job, *, select: dict[str, Json], seed: int) -> None:
    """Inputs `pool`, `targets` and what the type needs; writes `targets.parquet` (`TextTargets`) and `kept.json`.

    Args:
        select: a section of `config.select`, as far as it is not about the inputs.
        seed: of the lots.

    Raises:
        DataError: nothing is kept, or the inputs do not fit each other.
    """
    task, targets = Task.load(job.inputs["pool"]), TextTargets.load(job.inputs["targets"] / TARGETS)
    # Two sources may have written the same text; what each thought of it tells their rows apart.
    columns = zip(targets.items, targets.texts, targets.pieces, strict=True)
    words = [(item, text, pieces.logprob.tobytes().hex()) for item, text, pieces in columns]
    rows = TargetRows.of(task, targets.items, words, seed)
    score, origin = _text_scores(job, task, targets, rows, select)
    like = TextTargets.load(job.inputs["like"] / TARGETS).items if "like" in job.inputs else None
    chosen = Selection(select["type"], rows, score, _rule(task, rows, select, like), origin)
    kept = chosen.kept()
    _write(job, targets, chosen, kept)


def select_votes(job: Job, *, select: dict[str, Json], seed: int) -> None:
    """The same for targets that are distributions over classes (`Targets`).

    Raises:
        ConfigError: a selection that needs texts.
        DataError: nothing is kept, or the inputs do not fit each other.
    """
    task, targets = Task.load(job.inputs["pool"]), Targets.load(job.inputs["targets"] / TARGETS)
    columns = zip(targets.items, targets.probs, strict=True)
    rows = TargetRows.of(task, targets.items, [(item, probs.tobytes().hex()) for item, probs in columns], seed)
    score, origin = _vote_scores(job, task, targets, rows, select)
    like = Targets.load(job.inputs["like"] / TARGETS).items if "like" in job.inputs else None
    chosen = Selection(select["type"], rows, score, _rule(task, rows, select, like), origin)
    kept = chosen.kept()
    _write(job, targets, chosen, kept)


# ---- scores ---------------------------------------------------------------------------------------------


def _text_scores(
    job: Job, task: Task, targets: TextTargets, rows: TargetRows, select: dict[str, Json]
) -> tuple[Scores, tuple[str, ...]]:
    """Of every row, and what had to be done otherwise."""
    match select["type"]:
        case "reward_model":
            return _rewards(job, targets, select)
        case "agreement":
            return text_agreement(task, targets, load_texts(job.inputs["strong"])), ()
        case "confidence":
            read = load_texts(job.inputs["scores"]) if select["by"] == "student" else None
            return text_confidence(targets, read), ()
        case "oracle":
            return text_oracle(task, targets), ()
    return _plain_scores(rows, select), ()


def _vote_scores(
    job: Job, task: Task, targets: Targets, rows: TargetRows, select: dict[str, Json]
) -> tuple[Scores, tuple[str, ...]]:
    match select["type"]:
        case "reward_model":
            return _rewards(job, spoken_targets(task, targets), select)
        case "agreement":
            return vote_agreement(targets, WeakLabels.load(job.inputs["strong"] / "half_b.parquet")), ()
        case "confidence":
            if select["by"] == "student":
                raise ConfigError(VOTES_LACK["student"])
            return vote_confidence(targets), ()
        case "oracle":
            return vote_oracle(task, targets), ()
    return _plain_scores(rows, select), ()


def _rewards(job: Job, targets: TextTargets, select: dict[str, Json]) -> tuple[Scores, tuple[str, ...]]:
    """Rewards order the rows even where probabilities are all but 1; a threshold is of the latter."""
    rewards = Rewards.load(job.inputs["reward"])
    rewards.require(targets)
    return rewards.reward if select["keep"]["threshold"] is None else rewards.probability, rewards.origin


def _plain_scores(rows: TargetRows, select: dict[str, Json]) -> Scores:
    """Of selections that do not look at what the targets say."""
    if select["type"] == "random":
        return rows.lot
    return np.asarray([name in select["only"] for name in rows.capability], dtype=np.float64)


def _rule(task: Task, rows: TargetRows, select: dict[str, Json], like: list[str] | None) -> dict[str, Json]:
    """Arguments of `keep_rows`; `like`: the items of the rows that another selection kept."""
    if select["type"] == "capability":
        return {"threshold": 1.0}
    if like is None:
        return dict(select["keep"])
    copied = sizes(capabilities_of(task, like))
    return {"quota": {name: copied.get(name, 0) for name in sizes(rows.capability)}}


# ---- writing --------------------------------------------------------------------------------------------


def _write(job: Job, targets: Targets | TextTargets, chosen: Selection, kept: Bool[np.ndarray, "row"]) -> None:
    some = targets.keep(kept)
    replace(some, origin=(*some.origin, *chosen.sentences(kept))).save(job.out / TARGETS)
    (job.out / "kept.json").write_text(json.dumps(chosen.record(kept), ensure_ascii=False, indent=1))
