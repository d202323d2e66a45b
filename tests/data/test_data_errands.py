"""The set that ships with outgrow: what its grammar promises, and that it is the same everywhere."""

import re
import subprocess
import sys
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import pairwise

import pytest

from drawn_seeds import SEEDS
from outgrow.config.task import Sizes, TaskSection
from outgrow.data.data_identity import data_identity
from outgrow.data.leak import normalise
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut
from outgrow.data.tasks.errands import HashChoices, draw_request, make_errands, read_grammar
from outgrow.errors import ConfigError
from outgrow.metrics.slu_f1 import parse_slots

FIRST = {
    "text": "i want you to air the hall for a couple of hours at ten",
    "slots": '{"room": "hall", "duration": "a couple of hours", "time": "ten"}',
}
DIGEST = "198300c65920df93254a14eb98a058a248d8177ee38b4a0e3d45ab49a812c720"


@pytest.fixture(scope="module")
def task():
    return load_task(TaskSection(name="errands"))


@pytest.fixture(scope="module")
def grammar():
    return read_grammar()


def expanded(text):
    """Everything a text with (a|b) can say."""
    head, bracket, tail = text.partition("(")
    if not bracket:
        return {text}
    choices, _, rest = tail.partition(")")
    return {head + choice + end for choice in choices.split("|") for end in expanded(rest)}


def test_three_thousand_different_requests_without_leaks(task):
    assert Counter(task.items.parts) == {"train": 2000, "test": 1000}
    assert task.notes == ()
    assert len({normalise(text) for text in task.items.prompts}) == 3000
    assert task.metric == "slu_f1"


def test_it_is_the_same_everywhere_and_always():
    rows = [row for _, table in make_errands() for row in table.rows]
    assert rows[0] == FIRST
    digest = sha256("\n".join(f"{row['text']}\t{row['slots']}" for row in rows).encode()).hexdigest()
    assert digest == DIGEST
    script = (
        "from outgrow.config.task import TaskSection\nfrom outgrow.data.data_identity import data_identity\n"
        "print(data_identity(TaskSection(name='errands')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == data_identity(TaskSection(name="errands")) != ""
    assert done.stdout.startswith("sha256:")


def test_fillers_are_said_in_the_order_of_the_slots(task):
    for prompt, answer in zip(task.items.prompts, task.items.answers, strict=True):
        place = 0
        by_type = defaultdict(list)
        for slot in parse_slots(answer):
            by_type[slot.type].append(slot.filler)
            assert 1 <= len(slot.filler.split()) <= 5
        for fillers in by_type.values():
            place = 0
            for filler in fillers:
                found = re.compile(rf"(?<!\w){re.escape(filler)}(?!\w)").search(prompt, place)
                assert found, (prompt, answer)
                place = found.end()


def test_requests_are_plain_words(task):
    assert all(re.fullmatch(r"[a-z' ]+", prompt) and "  " not in prompt for prompt in task.items.prompts)
    words = [prompt.split() for prompt in task.items.prompts]
    doubled = [line for line in words if any(a == b for a, b in pairwise(line))]
    assert len(doubled) < 10
    assert max(map(len, words)) < 30


def test_the_grammar_is_as_rich_as_promised(grammar):
    templates = [template for mood in grammar["templates"].values() for template in mood]
    assert len(templates) == len(set(templates)) > 100
    assert set(grammar["templates"]) == set(grammar["wrappers"]) == set(grammar["closers"])
    fields = [re.findall(r"\{(\w+)\}", template) for template in templates]
    assert {name for names in fields for name in names} == set(grammar["fillers"])
    assert sum(not names for names in fields) >= 10
    assert sum(len(set(names)) < len(names) for names in fields) >= 15
    fillers = {name: set().union(*map(expanded, entries)) for name, entries in grammar["fillers"].items()}
    assert len(fillers) >= 12
    assert all(len(several) >= 25 for several in fillers.values())
    kinds = Counter(filler for several in fillers.values() for filler in several)
    assert sum(count > 1 for count in kinds.values()) >= 50
    assert not any("&" in filler or filler != " ".join(filler.split()) for filler in kinds)


def test_both_parts_have_every_type_and_some_requests_without_slots(task):
    types = {part: Counter() for part in ("train", "test")}
    for part, answer in zip(task.items.parts, task.items.answers, strict=True):
        types[part].update({slot.type for slot in parse_slots(answer)} or {"none"})
    assert set(types["train"]) == set(types["test"])
    for count, size in ((types["train"], 2000), (types["test"], 1000)):
        assert min(count.values()) > 0.02 * size
        assert 0.05 < count["none"] / size < 0.15


def test_two_hundred_requests_do_not_give_the_rest_away(task):
    slots = [set(parse_slots(answer)) for answer in task.items.answers]
    seen = set().union(*slots[:200])
    rest = [slot for several in slots[2000:] for slot in several]
    assert sum(slot in seen for slot in rest) / len(rest) < 0.5
    # Knowing a filler is not knowing its type.
    types = defaultdict(Counter)
    for several in slots:
        for slot in several:
            types[slot.filler][slot.type] += 1
    unclear = sum(sum(count.values()) for count in types.values() if len(count) > 1)
    assert unclear / sum(map(len, slots)) > 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_any_draw_says_what_its_slots_say(grammar, seed):
    dice = HashChoices(str(seed))
    for _ in range(300):
        row = draw_request(grammar, dice)
        slots = parse_slots(row["slots"])
        assert all(slot.filler in row["text"] for slot in slots)
        assert len(set(slots)) == len(slots)
        assert not re.search(r"[{}()|]", row["text"])


def test_dice_are_fair():
    dice = HashChoices("a")
    thrown = Counter(dice.pick("abcdef") for _ in range(6000))
    assert max(abs(count - 1000) for count in thrown.values()) < 150


def test_it_is_here_and_nowhere_else(tmp_path):
    pool = cut(load_task(TaskSection(name="errands")), Sizes(half_a=200, half_b=400, test=300), 0)
    assert Counter(pool.items.parts) == {"train": 603, "test": 300}
    assert load_task(TaskSection(name="errands", source="bundled")).items.prompts[0]
    for section, message in (
        ({"source": "hub"}, "ships with outgrow and is nowhere else"),
        ({"path": tmp_path}, r"task\.path: `errands` ships with outgrow"),
        ({"revision": "abc"}, r"task\.revision: `errands` ships with outgrow"),
    ):
        with pytest.raises(ConfigError, match=message):
            data_identity(TaskSection(name="errands", **section))
