"""A quality score for each target: one number per row, higher is better, NaN where there is none.

Targets that are texts, and targets that are distributions over classes:

    agreement    the task's metric between the weak text and the strong model's, mean of both directions
                 classes: 1 where both have the same most probable class
    confidence   exp(mean log-probability per piece), by the model that wrote the text or another one that read it
                 classes: exp(−entropy)
    oracle       the task's metric against gold
                 classes: 1 where the most probable class is gold

Agreement is symmetric, while some metrics are not (`contains`). Where a metric has nothing to measure because neither
text has a slot, two texts without slots agree; a text that cannot be parsed agrees with nothing. Both confidences are
e to the minus surprise, within 0 … 1: the entropy of a writer over whole texts cannot be computed, and −log p of a
sampled text is an unbiased estimate of it. A text from a file has probability 1 in every piece, which says nothing.

The functions at the end are those of the records in `selectors.py` and `reward_model.py`.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import xlogy

from outgrow.combiners.text_targets_step import load_texts
from outgrow.data.task import Task
from outgrow.errors import ConfigError, DataError
from outgrow.labels import Targets, WeakLabels
from outgrow.metrics.slu_f1 import parse_slots
from outgrow.metrics.text_score import TaskScore, likeness_of, score_of
from outgrow.select import VOTES_LACK
from outgrow.select.rewards import Rewards
from outgrow.select.selection import Scores, SelectionInputs, capabilities_of, rows_of
from outgrow.select.votes_as_text import targets_as_texts
from outgrow.texts import Candidate, TextTargets, WeakTexts

# ---- texts ----------------------------------------------------------------------------------------------


def text_agreement(task: Task, targets: TextTargets, strong: WeakTexts) -> Scores:
    """With the best text of the one source in `strong`, item by item; NaN where it has none."""
    own = {item: row[0] for item, row in zip(strong.items, one_source(strong).texts, strict=True)}
    strong_texts = [own.get(item) for item in targets.items]
    score = likeness_of(task)
    forward, backward = (
        _values(task, score, targets.items, *texts)
        for texts in ((targets.texts, strong_texts), (strong_texts, targets.texts))
    )
    return np.asarray((forward + backward) / 2)


def text_confidence(targets: TextTargets, scores: WeakTexts | None = None) -> Scores:
    """Of those who wrote the texts or, with `scores`, of the one source that read them."""
    if scores is None:
        pairs = zip(targets.texts, targets.pieces, strict=True)
        means = [Candidate(text, pieces).mean_logprob for text, pieces in pairs]
    else:
        mean_of_text = _means(one_source(scores))
        means = [mean_of_text.get(row, np.nan) for row in zip(targets.items, targets.texts, strict=True)]
    return np.asarray(np.exp(np.asarray(means, dtype=np.float64)))


def _means(scores: WeakTexts) -> dict[tuple[str, str], float]:
    """The mean log-probability by the one source, by item and text."""
    pairs = zip(scores.items, scores.candidates, strict=True)
    return {(item, candidate.text): candidate.mean_logprob for item, (texts,) in pairs for candidate in texts}


def text_oracle(task: Task, targets: TextTargets) -> Scores:
    """Against gold; NaN where it is unknown."""
    rows, answers = rows_of(task, targets.items), task.items.answers
    gold = [answers[row] if answers is not None and task.items.gold[row] >= 0 else None for row in rows]
    return _values(task, score_of(task), targets.items, targets.texts, gold)


def _values(
    task: Task,
    score: TaskScore,
    items: Sequence[str],
    predicted: Sequence[str | None],
    reference: Sequence[str | None],
) -> Scores:
    """Each text's own value by a score of the task; NaN where one of the two is missing."""
    result = np.full(len(items), np.nan)
    both = [
        (row, text, target)
        for row, (text, target) in enumerate(zip(predicted, reference, strict=True))
        if text is not None and target is not None
    ]
    places = [row for row, *_ in both]
    names = capabilities_of(task, items)
    whose = None if task.items.capabilities is None else [names[row] for row in places]
    values = score.value(score.counts([text for _, text, _ in both], [target for *_, target in both], whose))
    result[places] = np.where(
        np.isnan(values), [_no_slots(text) and _no_slots(target) for _, text, target in both], values
    )
    return result


def _no_slots(text: str) -> bool:
    """Whether a text says that there is none, rather than nothing that can be read."""
    return parse_slots(text) == []


def one_source(texts: WeakTexts) -> WeakTexts:
    """The same table. `DataError` unless it has exactly one source."""
    if len(texts.sources) != 1:
        raise DataError(f"labels are selected by one model's answers, not by those of {', '.join(texts.sources)}")
    return texts


# ---- classes --------------------------------------------------------------------------------------------


def vote_agreement(targets: Targets, strong: WeakLabels) -> Scores:
    """With the most probable class of the one source in `strong`; NaN where it abstains."""
    if len(strong.sources) != 1:
        raise DataError(f"labels are selected by one model's answers, not by those of {', '.join(strong.sources)}")
    own = dict(zip(strong.items, strong.hard[:, 0].tolist(), strict=True))
    return _equal(targets, [own.get(item, -1) for item in targets.items])


def vote_confidence(targets: Targets) -> Scores:
    """e to the minus entropy: 1 for a certain target, 1/K for one that knows nothing."""
    return np.asarray(np.exp(xlogy(targets.probs, targets.probs).sum(axis=1)))


def vote_oracle(task: Task, targets: Targets) -> Scores:
    """Whether the most probable class is gold; NaN where gold is unknown."""
    return _equal(targets, [int(task.items.gold[row]) for row in rows_of(task, targets.items)])


def _equal(targets: Targets, labels: Sequence[int]) -> Scores:
    label = np.asarray(labels, dtype=np.int64)
    return np.where(label < 0, np.nan, (targets.probs.argmax(axis=1) == label).astype(np.float64))


# ---- functions of the records ---------------------------------------------------------------------------


def agreement_of_texts(inputs: SelectionInputs) -> Scores:
    return text_agreement(inputs.task, inputs.texts, load_texts(inputs.folders["strong"]))


def agreement_of_votes(inputs: SelectionInputs) -> Scores:
    return vote_agreement(inputs.votes, WeakLabels.load(inputs.folders["strong"] / "half_b.parquet"))


def confidence_of_texts(inputs: SelectionInputs) -> Scores:
    read = load_texts(inputs.folders["scores"]) if inputs.options["by"] == "student" else None
    return text_confidence(inputs.texts, read)


def confidence_of_votes(inputs: SelectionInputs) -> Scores:
    if inputs.options["by"] == "student":
        raise ConfigError(VOTES_LACK["student_scores"])
    return vote_confidence(inputs.votes)


def oracle_of_texts(inputs: SelectionInputs) -> Scores:
    return text_oracle(inputs.task, inputs.texts)


def oracle_of_votes(inputs: SelectionInputs) -> Scores:
    return vote_oracle(inputs.task, inputs.votes)


def rewards_of_texts(inputs: SelectionInputs) -> Scores:
    return _rewards(inputs, inputs.texts)


def rewards_of_votes(inputs: SelectionInputs) -> Scores:
    return _rewards(inputs, targets_as_texts(inputs.task, inputs.votes))


def _rewards(inputs: SelectionInputs, targets: TextTargets) -> Scores:
    """Rewards order the rows even where probabilities are all but 1; a threshold is of the latter."""
    rewards = Rewards.load(inputs.folders["reward"])
    rewards.require(targets)
    inputs.notes.extend(rewards.origin)
    return rewards.reward if inputs.options["keep"]["threshold"] is None else rewards.probability


def random_scores(inputs: SelectionInputs) -> Scores:
    return inputs.rows.lot


def capability_scores(inputs: SelectionInputs) -> Scores:
    return np.asarray([name in inputs.options["only"] for name in inputs.rows.capability], dtype=np.float64)
