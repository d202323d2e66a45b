"""Rules as sources of votes: a regular expression or a function each, which says a class or nothing.

    text: text
    classes: [ham, spam]
    rules:
      links: {regex: "https?://", says: spam}
      check: {regex: "check +(this|it) +out", says: spam, ignore_case: true}
      short: {function: "my_rules.py:is_short"}

`apply_rules` makes a `VoteTable` of a file of items, `apply_rule` is the step of a study with a rule among its
supervisors. A function is given the whole row and returns a class, its number, probabilities by class, or None. Rules
run in processes of their own (`rule_processes.py`), each call within a time limit.

An item on which a rule fails has no vote of that rule and is reported; a rule that fails on every item is an error. A
rule learns nothing and has no weight here: combiners estimate its accuracy. A change of a rule is recognised by the
content of the function's own file, not by what it imports.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from outgrow.config.user_code import refuse_code
from outgrow.data.task import Split, Task
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Job, Json
from outgrow.labels import ANSWER_FILES, WeakLabels
from outgrow.supervise.rule_file import (
    RowSource,
    as_table,
    class_number,
    item_names,
    plain_rule,
    read_rules,
    require_texts,
)
from outgrow.supervise.rule_processes import run_rules
from outgrow.supervise.rule_source import file_hash
from outgrow.supervise.rule_worker import Verdict
from outgrow.vote_table import VoteTable

log = logging.getLogger(__name__)


NAMED = 5
"""Items that an error names."""


class RuleError(NamedTuple):
    """One kind of failure of one rule."""

    rule: str
    error: str
    """An exception's type, `bad answer`, `too slow`, or `died`."""
    message: str
    """Of the first of the items."""
    n_items: int
    items: tuple[str, ...]
    """The first few of them."""

    def __str__(self) -> str:
        many = "1 item" if self.n_items == 1 else f"{self.n_items} items"
        more = ", …" if self.n_items > len(self.items) else ""
        reason = f"{self.error}: {self.message}" if self.message else self.error
        return f"Rule `{self.rule}` fails on {many} ({', '.join(self.items)}{more}): {reason}."


def rule_errors(names: Sequence[str], items: Sequence[str], verdicts: Sequence[Sequence[Verdict]]) -> list[RuleError]:
    """Failures by rule and kind, in the order of rules and of their first item. Raises `DataError` for a rule that
    fails on every item."""
    errors = []
    for name, answers in zip(names, verdicts, strict=True):
        kinds: dict[str, list[tuple[str, str]]] = {}
        for item, verdict in zip(items, answers, strict=True):
            if isinstance(verdict, tuple):
                kinds.setdefault(verdict[0], []).append((item, verdict[1]))
        failures = [
            RuleError(name, kind, where[0][1], len(where), tuple(item for item, _ in where[:NAMED]))
            for kind, where in kinds.items()
        ]
        if sum(error.n_items for error in failures) == len(items):
            raise DataError(
                f"rule `{name}` fails on all {len(items)} items, on `{failures[0].items[0]}` with {failures[0].error}:"
                f" {failures[0].message}; mend it, or leave it out"
            )
        errors += failures
    return errors


def vote_table(
    items: list[str], names: Sequence[str], classes: Sequence[str], verdicts: Sequence[Sequence[Verdict]]
) -> VoteTable:
    """All votes, by item and then by rule."""
    soft = any(isinstance(verdict, list) for answers in verdicts for verdict in answers)
    votes = np.stack([hard_votes(answers) for answers in verdicts], axis=1)
    item, source = np.nonzero(votes >= 0)
    probs = (
        np.stack([distributions(answers, len(classes)) for answers in verdicts], axis=1)[item, source]
        if soft
        else None
    )
    return VoteTable(items, tuple(names), tuple(classes), item, source, votes[item, source], probs)


def hard_votes(answers: Sequence[Verdict]) -> Int[np.ndarray, "item"]:
    """Each verdict's class, of a distribution the most probable one; -1 = none."""
    return np.asarray(
        [verdict if isinstance(verdict, int) else _most_probable(verdict) for verdict in answers], dtype=np.int64
    )


def _most_probable(verdict: list[float] | tuple[str, str] | None) -> int:
    return verdict.index(max(verdict)) if isinstance(verdict, list) else -1


def distributions(answers: Sequence[Verdict], n_classes: int) -> Float[np.ndarray, "item class"]:
    """Each verdict as a distribution; zeros for an abstention or an error."""
    hard = hard_votes(answers)
    probs = (hard[:, None] == np.arange(n_classes)).astype(float)
    for row, verdict in enumerate(answers):
        if isinstance(verdict, list):
            probs[row] = np.asarray(verdict) / sum(verdict)
    return np.asarray(probs)


def apply_rules(
    rules: str | Path | Mapping[str, Any], items: RowSource, *, jobs: int = 1, code: bool = True
) -> tuple[VoteTable, list[RuleError]]:
    """Every rule's votes on every item, and where rules failed.

    Args:
        rules: a YAML file, or the mapping it would hold; files of functions are seen from its folder.
        items: a file that `readers.open_table` reads, a table, or a list of mappings.
        jobs: processes at a time; the result does not depend on it.
        code: whether rules may be functions; without it they are refused, and no file of them is read.

    Votes stand in the order of items, then of rules. Raises `ConfigError` for rules that cannot be read, `DataError`
    for items that cannot, for a function that cannot be loaded, and for a rule that fails on every item.
    """
    if jobs < 1:
        raise ConfigError(f"rules: jobs is {jobs}; at least one process is needed")
    file, folder = read_rules(rules)
    if not code:
        refuse_code(file, "rules" if isinstance(rules, Mapping) else str(rules))
    table = as_table(items)
    if not table.rows:
        raise DataError(f"{table.origin}: there is no item in it")
    names, note = item_names(table, file.item)
    if any(rule.reads_text for rule in file.rules.values()):
        require_texts(table, file.text)
    plain = [plain_rule(name, rule, file.classes, folder, file.text) for name, rule in file.rules.items()]
    verdicts = run_rules(plain, file.classes, table.rows, jobs)
    errors = rule_errors(list(file.rules), names, verdicts)
    votes = vote_table(names, list(file.rules), file.classes, verdicts)
    silent = [name for name, count in zip(votes.sources, votes.n_per_source.tolist(), strict=True) if not count]
    notes = [note, *map(str, errors), *(f"Rule `{name}` says nothing of any item." for name in silent)]
    return replace(votes, notes=tuple(notes)), errors


def apply_rule(job: Job, *, rule: dict[str, Json], content: str | None, source: str) -> None:
    """The step `supervisor` for a rule: inputs `pool` and `split`; writes `anchors.parquet`, `half_b.parquet`,
    `test.parquet` and `errors.json`.

    Args:
        rule: its section; the file of a function is the hint `file`.
        content: hash of that file when the study was planned.
        source: under which name its votes are known.

    Rows given to a function have `item` and `text`. Having learned no gold, a rule is judged by all of half A.
    """
    task, split = Task.load(job.inputs["pool"]), Split.load(job.inputs["split"])
    parts = {"half_a": split.half_a, "half_b": split.half_b, "test": split.test}
    items = task.items.take(np.concatenate(list(parts.values())))
    rows = [{"item": name, "text": text} for name, text in zip(items.ids, items.prompts, strict=True)]
    plain = {**rule, "name": source, "text": "text", **({} if content is None else {"file": job.hints["file"]})}
    if content is None:
        plain["says"] = class_number(rule["says"], task.classes, f"supervisors.{source}.says")
    elif file_hash(Path(plain["file"])) != content:
        raise DataError(f"{plain['file']}: has changed since the study was planned; run the study again")
    verdicts = run_rules([plain], task.classes, rows)
    errors = rule_errors([source], items.ids, verdicts)
    for error in errors:
        log.warning("%s", error)
    (job.out / "errors.json").write_text(json.dumps([error._asdict() for error in errors], ensure_ascii=False))
    probs = distributions(verdicts[0], len(task.classes))
    if not probs.any():
        raise DataError(f"supervisors.{source}: the rule says nothing of any of the {len(items)} items; mend it")
    ends = np.cumsum([len(part) for part in parts.values()])[:-1]
    for part, rows_of_part, part_probs in zip(
        parts, np.split(np.arange(len(items)), ends), np.split(probs, ends), strict=True
    ):
        ids = [items.ids[row] for row in rows_of_part.tolist()]
        WeakLabels(ids, (source,), part_probs[:, None]).save(job.out / ANSWER_FILES[part])
