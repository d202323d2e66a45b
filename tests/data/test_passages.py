"""No two parts of a study share a passage: the rule against a quadratic definition, and every data set at hand."""

import os
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from outgrow.config.task import Columns, Sizes, TaskSection
from outgrow.data.leak import RUN, TEMPLATE, join_by_passage, normalise, sharing
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut
from outgrow.data.split import draw_split
from outgrow.data.tasks import TASKS

SHARED = Path(__file__).parents[3] / "shared" / "data"
FOLDERS = {
    "sciq": "sciq",
    "cosmos_qa": "cosmosqa",
    "creak": "creak",
    "mc_taco": "mctaco",
    "esnli": "esnli",
    "slurp_scenario": "slurp",
    "slurp_slots": "slurp",
    "gsm8k": "gsm8k",
    "scan": "scan",
}
LONG = 100
"""Letters of a sentence that counts as a passage here, whatever the rule says."""
FIELDS = {
    "mc_taco": lambda prompt: prompt.splitlines()[0],
    "esnli": lambda prompt: prompt.splitlines()[0],
    "boolq": lambda prompt: prompt.rpartition("\nQuestion:")[0],
    "cosmos_qa": lambda prompt: prompt.rpartition("\nQuestion:")[0],
    "piqa": lambda prompt: prompt,
}
"""What questions of a set are asked about, as its prompts have it."""
SEEDS = np.random.default_rng(int(os.environ["OUTGROW_TEST_SEED"])).integers(0, 10**6, 2).tolist()


@pytest.mark.parametrize("seed", range(10))
def test_joining_is_its_definition(seed: int) -> None:
    generator = np.random.default_rng(seed)
    passages = [" ".join(generator.choice(list("abcdefgh"), 22)) for _ in range(6)]
    texts = []
    for number in range(30):
        words = passages[generator.integers(6)].split()
        start = generator.integers(0, 12)
        texts.append(" ".join([f"Q{number}:", *words[start : start + generator.integers(8, 20)], f"({number})?"]))
    groups = [f"g{n}" for n in generator.integers(0, 25, 30)]
    runs = [
        {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}
        for words in (normalise(text).split() for text in texts)
    ]
    joined = np.asarray(
        [[a == b or bool(r & s) for b, s in zip(groups, runs, strict=True)] for a, r in zip(groups, runs, strict=True)]
    )
    for _ in range(30):  # whatever is reached by chains
        joined = (joined.astype(int) @ joined.astype(int)) > 0
    found = np.asarray(join_by_passage(texts, groups))
    assert ((found[:, None] == found[None, :]) == joined).all()
    assert sharing(texts, groups) == sum(len({groups[j] for j in np.flatnonzero(row)}) > 1 for row in joined)


def test_the_wording_of_a_set_is_no_passage() -> None:
    wording = " ".join(f"w{n}" for n in range(RUN))
    few = [f"{wording} {n}" for n in range(TEMPLATE)]
    assert len(set(join_by_passage(few, list(map(str, range(TEMPLATE)))))) == 1
    many = [*few, f"{wording} more"]
    assert len(set(join_by_passage(many, list(map(str, range(TEMPLATE + 1)))))) == TEMPLATE + 1


def sections() -> list[TaskSection]:
    bundled = [TaskSection(name=name) for name, known in TASKS.items() if known.bundled]
    files = [TaskSection(name=name, path=SHARED / folder) for name, folder in FOLDERS.items()]
    return [*bundled, *files]


@pytest.mark.parametrize("section", sections(), ids=lambda one: f"{one.name}{'-files' if one.path else ''}")
def test_no_passage_is_in_two_parts_of_a_study(section: TaskSection) -> None:
    if section.path is not None and not section.path.is_dir():
        pytest.skip(f"needs the development data {section.path}")
    task = load_task(section)
    published = task.items.parts.count("test")
    half = (len(task.items) - published) // 4
    sizes = Sizes(half_a=half, half_b=half, test=min(published, 3000) or half)
    asked = FIELDS.get(section.name)
    for seed in SEEDS:
        pool = cut(task, sizes, 0).items
        split = draw_split(pool, sizes, seed)
        where = defaultdict(set)
        for part in ("half_a", "half_b", "test"):
            for row in getattr(split, part).tolist():
                for passage in passages_of(pool.prompts[row]):
                    where[passage].add((part, row))
                if asked is not None:
                    where["asked about", normalise(asked(pool.prompts[row]))].add((part, row))
        torn = [key for key, places in where.items() if len({part for part, _ in places}) > 1]
        assert [key for key in torn if isinstance(key, tuple) or len(where[key]) <= TEMPLATE] == []


def passages_of(prompt: str) -> set[str]:
    """The long sentences and lines of a prompt."""
    pieces = [*re.split(r"(?<=[.?!])\s+|\n+", prompt), *prompt.split("\n")]
    return {text for text in map(normalise, pieces) if len(text) >= LONG}


def test_own_data_tells_shared_passages_and_keeps_groups_together(tmp_path: Path) -> None:
    story = "once there was a dog that ran over the hill and found a bone that nobody had seen before"
    rows = [f'"{story if n < 4 else n} asks {n}",{"yn"[n % 2]},{n // 2 if n < 20 else ""}' for n in range(40)]
    (tmp_path / "d.csv").write_text("\n".join(["text,label,story", *rows]))
    task = load_task(TaskSection(name="own", path=tmp_path / "d.csv"))
    assert any(
        note.startswith(f"Items that have {RUN} words in a row in common with another item: 4;") for note in task.notes
    )
    assert len(set(task.items.groups)) == 40
    grouped = load_task(TaskSection(name="own", path=tmp_path / "d.csv", columns=Columns(group="story")))
    assert not any("in common" in note for note in grouped.notes)
    assert len(set(grouped.items.groups)) == 30
    assert grouped.items.groups[0] == grouped.items.groups[1] != grouped.items.groups[2]
