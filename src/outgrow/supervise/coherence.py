"""Internal coherence maximisation: labels without any gold, such that a base model predicts each from the others.

With L(i, y) the log-probability that the model gives the label y of item i, after other labelled items as examples,
the search finds labels y_1 … y_n of half B that maximise

    U = α · mean_i (L(i, y_i) − max_{y ≠ y_i} L(i, y))  −  number of inconsistencies

(Wen et al. 2025). The search is annealing. It starts from a few random labels. Step n draws an item, gives it
the label that the others predict, and keeps that if U rises, or else with the probability exp(ΔU / T),

    T = max(.01, 10 / (1 + 2 ln(1 + n))).

An inconsistency is a pair of items with the same text and different labels; other rules need knowledge of the task. An
item's examples are the first of the labelled others in a random order of its own, at most `context`, the first one
nearest to the item: so a changed label concerns few items, and what was computed is kept.

`label_coherently` is the step: half A's items and the test items, whose labels are not searched, are answered after
examples from half B. It reads no gold.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.data.task import Items, Split, Task
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.models.load_model import load_causal_lm, load_tokenizer, pick_device
from outgrow.models.resumable_inference import DEFAULT_BATCH_TOKENS
from outgrow.models.token_batches import usable_length
from outgrow.models.zero_shot import option_logprobs, options_of, per_character, softmax

Examples = tuple[tuple[int, int], ...]
"""Labelled items (item, label), the nearest first."""
Question = tuple[int, Examples]
"""An item after its examples."""
Ask = Callable[[Sequence[Question]], Float[np.ndarray, "question label"]]
"""Log-probabilities of an item's labels after examples."""


class Found(NamedTuple):
    """The result of a search."""

    labels: Int[np.ndarray, "item"]
    utility: float
    accepted: int
    """Steps that changed the labels."""


class Coherence:
    """U of partial labellings of `n_items` items; -1 = no label yet.

    `ask` gives log-probabilities, `order` each item's order of the others, `texts` what makes two items the same.
    """

    def __init__(
        self, ask: Ask, order: Int[np.ndarray, "item other"], texts: Sequence[str], *, alpha: float, context: int
    ) -> None:
        self._ask, self._order, self._alpha, self._context = ask, order, alpha, context
        self._logprobs: dict[Question, np.ndarray] = {}
        place: dict[str, list[int]] = {}
        for item, text in enumerate(texts):
            place.setdefault(text, []).append(item)
        self._same = [members for members in place.values() if len(members) > 1]

    def predictions(self, items: Sequence[int], labels: Int[np.ndarray, "item"]) -> Float[np.ndarray, "asked label"]:
        """L of each item's labels after the others."""
        questions = [(item, self.examples(item, labels)) for item in items]
        new = list(dict.fromkeys(question for question in questions if question not in self._logprobs))
        if new:
            self._logprobs.update(zip(new, self._ask(new), strict=True))
        return np.stack([self._logprobs[question] for question in questions])

    def examples(self, item: int, labels: Int[np.ndarray, "item"]) -> Examples:
        """The first labelled others in the item's order."""
        others = self._order[item]
        chosen = others[labels[others] >= 0][: self._context]
        return tuple(zip(chosen.tolist(), labels[chosen].tolist(), strict=True))

    def utility(self, labels: Int[np.ndarray, "item"]) -> float:
        """U of the items that have a label; at least one."""
        items = np.flatnonzero(labels >= 0)
        logprobs = self.predictions(items.tolist(), labels)
        rows, chosen = np.arange(len(items)), labels[items]
        own = logprobs[rows, chosen].copy()
        logprobs[rows, chosen] = -np.inf
        return self._alpha * float((own - logprobs.max(axis=1)).mean()) - self.inconsistencies(labels)

    def inconsistencies(self, labels: Int[np.ndarray, "item"]) -> int:
        """Pairs of labelled items with the same text and different labels."""
        count = 0
        for members in self._same:
            given = labels[members]
            given = given[given >= 0]
            _, sizes = np.unique(given, return_counts=True)
            count += (len(given) ** 2 - int((sizes**2).sum())) // 2
        return count


def temperature(step: int) -> float:
    """T of a step, from 1."""
    return max(0.01, 10 / (1 + 2 * math.log(1 + step)))


def search(
    coherence: Coherence,
    n_items: int,
    n_labels: int,
    rng: np.random.Generator,
    *,
    start: int,
    passes: float,
    report: Callable[[float], None] = lambda share: None,
) -> Found:
    """Annealing from `start` random labels, `passes` steps per item; the items without a label come first.

    At the end every item that still has none gets the one that the others predict.
    """
    labels = np.full(n_items, -1)
    first = rng.choice(n_items, min(start, n_items), replace=False)
    labels[first] = rng.integers(n_labels, size=len(first))
    utility, accepted, steps = coherence.utility(labels), 0, max(1, round(passes * n_items))
    waiting = [item for item in rng.permutation(n_items).tolist() if labels[item] < 0]
    for step in range(1, steps + 1):
        item = waiting[(step - 1) % len(waiting)] if waiting else int(rng.integers(n_items))
        changed = labels.copy()
        changed[item] = int(coherence.predictions([item], labels)[0].argmax())
        chance = rng.random()
        if changed[item] != labels[item]:
            changed_utility = coherence.utility(changed)
            if changed_utility > utility or chance < math.exp((changed_utility - utility) / temperature(step)):
                labels, utility, accepted = changed, changed_utility, accepted + 1
                waiting = [waiting_item for waiting_item in waiting if waiting_item != item]
        report(step / steps)
    rest = np.flatnonzero(labels < 0)
    if len(rest):
        labels = labels.copy()
        labels[rest] = coherence.predictions(rest.tolist(), labels).argmax(axis=1)
        utility = coherence.utility(labels)
    return Found(labels, utility, accepted)


def orders(rng: np.random.Generator, n_items: int) -> Int[np.ndarray, "item other"]:
    """For every item a random order of the others."""
    drawn = np.argsort(rng.random((n_items, n_items)), axis=1)
    return np.asarray(drawn[drawn != np.arange(n_items)[:, None]].reshape(n_items, max(0, n_items - 1)))


# ---- the step -------------------------------------------------------------------------------------------


def label_coherently(
    job: Job, *, model: Mapping[str, Any], search_options: Mapping[str, Any], seed: int, source: str
) -> None:
    """Write `anchors.parquet`, `half_b.parquet`, `test.parquet` and `coherence.json`. Inputs `pool` and `split`.

    Args:
        model: a causal language model of this machine: `model`, `revision`, `dtype`, `max_length`.
        search_options: `alpha`, `context`, `start`, `passes`.
        seed: of the search and of the orders.
        source: under which the labels are known.

    Votes are the model's probabilities of an item's labels after its examples; those of half B after the labels found.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    rng, options = np.random.default_rng(seed), dict(search_options)
    half_b = task.items.take(split.half_b)
    ask = _asker(job, task, half_b, model)
    n, context = len(half_b), int(options["context"])
    texts = [
        json.dumps([prompt, choices]) for prompt, choices in zip(half_b.prompts, options_of(task, half_b), strict=True)
    ]
    coherence = Coherence(
        lambda questions: ask(half_b, questions), orders(rng, n), texts, alpha=options["alpha"], context=context
    )
    result = search(
        coherence, n, task.n_classes, rng, start=options["start"], passes=options["passes"],
        report=lambda share: job.report("half B, searching", 0.9 * share),
    )  # fmt: skip
    _save(job, "half_b", half_b, source, coherence.predictions(range(n), result.labels))
    for part, rows in (("anchors", split.half_a), ("test", split.test)):
        items = task.items.take(rows)
        shown = [rng.permutation(n)[:context] for _ in range(len(items))]
        questions = [
            (item, tuple(zip(some.tolist(), result.labels[some].tolist(), strict=True)))
            for item, some in enumerate(shown)
        ]
        _save(job, part, items, source, ask(items, questions))
    counts = np.bincount(result.labels, minlength=task.n_classes).tolist()
    about = {"utility": result.utility, "accepted": result.accepted, "labels": counts}
    (job.out / "coherence.json").write_text(json.dumps(about, indent=1) + "\n")


def _asker(
    job: Job, task: Task, shown: Items, model: Mapping[str, Any]
) -> Callable[[Items, Sequence[Question]], Float[np.ndarray, "question label"]]:
    """Log-probabilities of the options of `items` after examples from `shown`, by the language model."""
    trusted = model["trust_remote_code"]
    tokenizer = load_tokenizer(model["model"], model["revision"], trust_remote_code=trusted)
    lm = load_causal_lm(
        model["model"],
        model["revision"],
        dtype=model["dtype"],
        device=pick_device(job.hints),
        trust_remote_code=trusted,
    )
    longest = usable_length(lm, tokenizer, model["max_length"])
    budget = int(job.hints.get("batch_tokens", DEFAULT_BATCH_TOKENS))
    examples = options_of(task, shown)

    def ask(items: Items, questions: Sequence[Question]) -> Float[np.ndarray, "question label"]:
        choices = options_of(task, items)
        prompts = [
            "\n\n".join(
                [
                    *(f"{shown.prompts[shot]} {examples[shot][label]}" for shot, label in reversed(shots)),
                    items.prompts[item],
                ]
            )
            for item, shots in questions
        ]
        options = [choices[item] for item, _ in questions]
        scored = option_logprobs(lm, tokenizer, prompts, options, max_length=longest, batch_tokens=budget)
        counts = np.rint(scored.total / np.where(scored.mean == 0, 1.0, scored.mean)).astype(np.int64)
        scores = per_character(scored.total, options, np.maximum(counts, 1))
        return np.asarray(np.log(softmax(scores)))

    return ask


def _save(job: Job, part: str, items: Items, source: str, logprobs: Float[np.ndarray, "item label"]) -> None:
    WeakLabels(items.ids, (source,), softmax(logprobs)[:, None]).save(job.out / f"{part}.parquet")
