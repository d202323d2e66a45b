"""Balanced binary form: every question gives its right option and one wrong one, and stays together."""

from collections import Counter

import numpy as np
import pytest

from outgrow.config.task import Sizes, TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut
from outgrow.data.split import draw_split
from outgrow.data.task import Items, Task
from outgrow.data.task_forms import balanced_binary
from outgrow.data.tasks import TASKS


def choice_task(seed, n=200, k=4):
    generator = np.random.default_rng(seed)
    items = Items(
        ids=[f"q{i}" for i in range(n)],
        prompts=[f"Question: {i}\nAnswer:" for i in range(n)],
        gold=generator.integers(-1, k, n),
        options=[[f"option {i}.{j}" for j in range(k)] for i in range(n)],
    )
    return Task("made", "choose", tuple("ABCDE"[:k]), items)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_each_question_gives_its_right_and_one_wrong_option(k):
    task = choice_task(k, k=k)
    made = balanced_binary(task, 7)
    with_gold = np.flatnonzero(task.items.gold >= 0)
    assert (made.kind, made.classes) == ("classify", ("incorrect", "correct"))
    assert len(made.items) == 2 * len(with_gold)
    assert made.items.options is None
    assert Counter(made.items.groups) == {task.items.ids[i]: 2 for i in with_gold}
    for prompt, gold, group in zip(made.items.prompts, made.items.gold, made.items.groups, strict=True):
        row = task.items.ids.index(group)
        text = prompt.removeprefix(task.items.prompts[row] + " ")
        assert (task.items.options[row].index(text) == task.items.gold[row]) == bool(gold)


def test_wrong_options_and_order_are_drawn_evenly_by_the_seed():
    task = choice_task(0, n=3000)
    made = balanced_binary(task, 1)
    order = made.items.gold.reshape(-1, 2)[:, 0]
    assert abs(order.mean() - 0.5) < 0.05
    wrong = Counter(prompt[-1] for prompt, gold in zip(made.items.prompts, made.items.gold, strict=True) if gold == 0)
    assert max(wrong.values()) / sum(wrong.values()) < 0.3
    assert balanced_binary(task, 1).items.prompts == made.items.prompts
    assert balanced_binary(task, 2).items.prompts != made.items.prompts


@pytest.mark.parametrize("name", ["sciq", "arc_challenge", "openbookqa", "arc_easy"])
def test_splits_are_balanced_and_question_disjoint(name):
    task = load_task(TaskSection(name=name, form="binary"))
    assert task.items.gold.mean() == 0.5
    sizes = Sizes(half_a=401, half_b=400, test=199)
    pool = cut(task, sizes, 3)
    split = draw_split(pool.items, sizes, 11)
    groups = []
    for rows in (split.half_a, split.half_b, split.test):
        assert abs(pool.items.gold[rows].sum() - len(rows) / 2) <= 2
        groups.append({pool.items.groups[i] for i in rows})
    assert sum(map(len, groups)) == len(set().union(*groups))
    stems = [{pool.items.ids[i].partition("/")[0] for i in rows} for rows in (split.half_a, split.half_b, split.test)]
    assert sum(map(len, stems)) == len(set().union(*stems))


def test_every_bundled_choice_has_both_forms():
    names = [name for name, known in TASKS.items() if known.bundled and known.kind == "choose"]
    assert len(names) == 9
    for name in ("commonsense_qa", "arc_easy"):
        task = load_task(TaskSection(name=name, form="binary"))
        assert task.n_classes == 2
        assert "right and one wrong" in task.notes[-1]
