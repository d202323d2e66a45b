"""The model card of a student: its sources with their estimated accuracy, its training, its evaluation, its command.

The evaluation uses gold of test items, and the training labels. Accuracy, and a metric of texts that is 0 or 1 for
every item, have Wilson's interval. Other metrics of texts are resampled over items (percentiles of 2,000 draws from a
fixed seed).
"""

import json
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from keyword import iskeyword
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from jaxtyping import Float
from jinja2 import Environment, StrictUndefined
from scipy.stats import binomtest

from outgrow.combiners.fit import LEVEL
from outgrow.data.task import Split, Task
from outgrow.data.template import template_pieces
from outgrow.deliver.combined import about_file
from outgrow.labels import WeakLabels
from outgrow.metrics.bootstrap import draw_items, resampled_sums
from outgrow.metrics.calibration import log_loss
from outgrow.metrics.text_score import TEXT_METRICS, TextScore
from outgrow.models.model_names import parse_name
from outgrow.text_format import many, short
from outgrow.texts import WeakTexts


def facts_of(data: Path, answered: Path, about: dict[str, Any]) -> dict[str, Any]:
    """The content of the card as plain data.

    `answered` is the folder of the student's answers; `about` has `student`, `command` and `content`.
    """
    combined, task = about_file(data / "combined.parquet"), Task.load(data)
    return {
        "outgrow": version("outgrow"),
        "kind": task.kind,
        "classes": list(task.classes),
        **combined,
        "training_data": json.loads((data / "training_data.json").read_text()),
        "answers": answers_of(data, answered),
        **about,
    }


def card_text(facts: dict[str, Any]) -> str:
    """The card as Markdown with its front matter."""
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    as_json = partial(json.dumps, ensure_ascii=False)
    environment.filters.update(cell=as_cell, line=as_line, name=as_name, in_braces=in_braces, many=many, json=as_json)
    template = environment.from_string((files("outgrow.deliver") / "card.md").read_text(encoding="utf-8"))
    title = f"{facts['student']['name']}: a student of {many(len(facts['votes']['sources']), 'source')}"
    return template.render(
        facts=facts,
        title=title,
        use=facts["student"]["name"],
        front_matter=front_matter(facts),
        texts=facts["kind"] == "generate",
        asked=asked_as(facts["student"]["text"]),
        prompt=facts["student"].get("prompt"),
    )


def asked_as(template: str) -> str:
    """The Python expression that makes an item's text from its columns, with … for their values.

    >>> asked_as("{title}: {body}"), asked_as("message")
    ('"{title}: {body}".format(title="…", body="…")', '"…"')
    """
    if not in_braces(template):
        return '"…"'
    names = list(dict.fromkeys(name for _, name in template_pieces(template, "items.text") if name is not None))
    is_callable = all(name.isidentifier() and not iskeyword(name) for name in names)
    arguments = ", ".join(f'{name}="…"' for name in names)
    return f"{json.dumps(template, ensure_ascii=False)}{f'.format({arguments})' if is_callable else ''}"


def in_braces(template: str) -> bool:
    """Whether a template has fields; otherwise it is the name of a column."""
    return "{" in template or "}" in template


def front_matter(facts: dict[str, Any]) -> str:
    """The front matter for the hub."""
    base = parse_name(facts["student"]["model"])
    about = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation" if facts["kind"] == "generate" else "text-classification",
        "tags": ["outgrow", "weak-supervision", "weak-to-strong"],
        **({"base_model": base.base} if base.place == "hub" else {}),
    }
    return yaml.safe_dump(about, sort_keys=False, allow_unicode=True)


def as_line(text: str) -> str:
    """A name on one line and without markup."""
    return " ".join(str(text).replace("<", "&lt;").split())


def as_name(text: str) -> str:
    """A name on one line, without markup, shortened."""
    return as_line(short(text))


def as_cell(text: str) -> str:
    """A name for a cell of a table."""
    return as_name(text).replace("|", "\\|")


DRAWS = 2000


def answers_of(data: Path, answered: Path) -> dict[str, Any]:
    """The card's evaluation of the answers in `answered`; `test` is None without test items with gold."""
    task = Task.load(data)
    return of_texts(task, data, answered) if task.kind == "generate" else of_classes(task, data, answered)


def of_classes(task: Task, data: Path, answered: Path) -> dict[str, Any]:
    """Agreement with the combined labels on training items; accuracy and log loss on test items."""
    learned = WeakLabels.load(answered / "half_b.parquet")
    labels = pq.read_table(data / "combined.parquet", columns=["item", "label"])
    label_of = dict(zip(labels["item"].to_pylist(), labels["label"].to_pylist(), strict=True))
    predicted = [task.classes[index] for index in learned.hard[:, 0].tolist()]
    is_equal = [label_of.get(name) == label for name, label in zip(learned.items, predicted, strict=True)]
    gold = task.items.gold[Split.load(data).test]
    with_gold = np.flatnonzero(gold >= 0)
    test = None
    if len(with_gold):
        probs = WeakLabels.load(answered / "test.parquet").probs[with_gold, 0]
        right = int((probs.argmax(axis=1) == gold[with_gold]).sum())
        low, high = wilson(right, len(with_gold))
        test = {
            "n": len(with_gold),
            "accuracy": right / len(with_gold),
            "low": low,
            "high": high,
            "log_loss": float(log_loss(probs, gold[with_gold]).mean()),
        }
    return {"agreement": float(np.mean(is_equal)), "test": test}


def of_texts(task: Task, data: Path, answered: Path) -> dict[str, Any]:
    """The task's metric on test items; a missing answer counts as empty. There are no answers to training items."""
    rows = Split.load(data).test
    with_gold = np.flatnonzero(task.items.gold[rows] >= 0).tolist()
    if not with_gold or task.items.answers is None:
        return {"agreement": None, "test": None}
    answers = WeakTexts.load(answered / "test.parquet").texts
    texts = [answers[row][0] for row in with_gold]
    gold = [task.items.answers[row] for row in rows[with_gold].tolist()]
    score = TEXT_METRICS[task.metric].score
    counts = score.counts([text or "" for text in texts], gold)
    low, high = interval_of(score, counts)
    test = {
        "n": len(with_gold),
        "metric": score.title,
        "score": float(score.value(counts.sum(axis=0))),
        "low": low,
        "high": high,
        "unanswered": sum(text is None for text in texts),
    }
    return {"agreement": None, "test": test}


def interval_of(score: TextScore, counts: Float[np.ndarray, "item part"]) -> tuple[float, float]:
    """The interval of a score at `LEVEL`; see the module."""
    right = counts[:, 0]
    if counts.shape[1] == 2 and np.isin(right, (0, 1)).all() and (counts[:, 1] == 1).all():
        return wilson(int(right.sum()), len(right))
    draws = draw_items(len(counts), DRAWS, np.random.default_rng(0))[1:]
    values = score.value(resampled_sums(draws, counts))
    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilson(right: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a share at `LEVEL`."""
    interval = binomtest(right, n).proportion_ci(LEVEL, method="wilson")
    return float(interval.low), float(interval.high)
