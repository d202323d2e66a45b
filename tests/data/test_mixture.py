"""Tasks made of capabilities: every set as if it were alone, copies between them, exact splits, clear complaints."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.task import Capability, Sizes, TaskSection
from outgrow.data.data_identity import data_identity
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut, make_pool
from outgrow.data.preview import describe_capabilities, show_items
from outgrow.data.split import make_split
from outgrow.data.task import Split, Task
from outgrow.data.task_kind import kind_of, metric_of
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Job

SHARED = Path(__file__).parents[3] / "shared" / "data"
EIGHT = {
    # name, the folder of its published files (none: it is bundled), metric, whether its test part is published
    "maths": ("gsm8k", "gsm8k", "answer_match", True),
    "time": ("mc_taco", "mctaco", "exact_match", True),
    "planning": ("scan", "scan", "exact_match", True),
    "facts": ("creak", "creak", "exact_match", True),
    "commonsense": ("commonsense_qa", None, "exact_match", True),
    "logic": ("esnli", "esnli", "exact_match", True),
    "fact_reasoning": ("openbookqa", None, "exact_match", True),
    "science": ("sciq", "sciq", "exact_match", True),
}
SHIPPED = {"sums": {"name": "sums"}, "tales": {"name": "tales"}, "slots": {"name": "errands"}}


def mixture(capabilities, **section):
    sets = {name: Capability(**one) for name, one in capabilities.items()}
    return TaskSection(name="mix", capabilities=sets, **section)


def run_pool(section, out):
    out.mkdir()
    make_pool(Job(out, {}, out), task={**section.model_dump(mode="json"), "content": "sha256:…"})
    return Task.load(out)


def run_split(section, pool, out, seed):
    out.mkdir()
    by_capability = {name: sizes.model_dump() for name, sizes in section.sizes_by_capability.items()}
    sizes = by_capability if section.capabilities else section.sizes.model_dump()
    make_split(Job(out, {"pool": pool}, out), sizes=sizes, seed=seed)
    return Split.load(out)


def write(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def texts(numbers, word="item", **more):
    return [{"prompt": f"{word} {n}?", "completion": f"text {n}", **more} for n in numbers]


def check_mixture(task, parts):
    """What holds for every mixture; `parts` are its capabilities loaded alone."""
    items = task.items
    assert (task.kind, task.classes, task.metric) == ("generate", (), "macro")
    assert items.options is None
    assert len(set(items.ids)) == len(items)
    start = 0
    for name, alone in parts.items():
        rows = items.rows_of(name)
        assert rows.tolist() == list(range(start, start + len(rows)))
        start += len(rows)
        mine = items.take(rows)
        assert mine.ids == [f"{name}/{one}" for one in alone.items.ids]
        assert mine.groups == [f"{name}/{one}" for one in alone.items.groups]
        assert (mine.prompts, mine.answers, mine.keys) == (
            alone.items.prompts,
            alone.items.answers,
            alone.items.keys,
        )
        assert (mine.parts, mine.gold.tolist()) == (alone.items.parts, alone.items.gold.tolist())
        assert [one or None for one in mine.allowed or []] == (alone.items.allowed or [None] * len(mine.allowed or []))
        assert task.metrics[name] == alone.metric
        assert {f"{name}: {note}" for note in alone.notes} <= set(task.notes)
    assert start == len(items)


# ---- loading --------------------------------------------------------------------------------------------


def test_sets_that_ship_with_outgrow():
    section = mixture(SHIPPED)
    task = load_task(section)
    check_mixture(task, {name: load_task(TaskSection(**one)) for name, one in SHIPPED.items()})
    assert dict(task.metrics) == {"sums": "answer_match", "tales": "exact_match", "slots": "slu_f1"}
    assert task.notes == ()
    assert (kind_of(section), metric_of(section)) == ("generate", "macro")


def test_the_eight_sets_of_the_paper():
    if not SHARED.is_dir():
        pytest.skip(f"needs the development data {SHARED}")
    sets = {
        name: {"name": known, **({"path": SHARED / folder} if folder else {})}
        for name, (known, folder, *_) in EIGHT.items()
    }
    task = load_task(mixture(sets))
    assert dict(task.metrics) == {name: metric for name, (_, _, metric, _) in EIGHT.items()}
    alone = {name: load_task(TaskSection(**one, form="text")) for name, one in sets.items()}
    check_mixture(task, alone)
    assert any("stands in for `ecqa`" in note for note in task.notes)
    for one in describe_capabilities(task):
        counts = Counter(alone[one["name"]].items.parts)
        assert (one["train"], one["test"]) == (counts["train"], counts["test"])
        assert one["test"] > 400
    pool = cut(task, {name: Sizes(half_a=30, half_b=40, test=50) for name in EIGHT}, SEEDS[0])
    parts = Counter(zip(pool.items.capabilities, pool.items.parts, strict=True))
    assert {name: parts[name, "test"] for name in EIGHT} == dict.fromkeys(EIGHT, 50)
    assert all(parts[name, "train"] >= 70 for name in EIGHT)
    assert not any(word in prompt for prompt in pool.items.prompts for word in ("{text}", "{options}"))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "one", [{"name": "sciq"}, {"name": "openbookqa"}, {"name": "errands"}], ids=lambda one: one["name"]
)
def test_a_mixture_of_one_is_that_one(tmp_path, one, seed):
    sizes = Sizes(half_a=20, half_b=30, test=25)
    sections = (
        TaskSection(**one, form="text", sizes=sizes, split_seed=seed),
        mixture({"only": one}, sizes=sizes, split_seed=seed),
    )
    found = []
    for number, section in enumerate(sections):
        pool = run_pool(section, tmp_path / f"pool{number}")
        split = run_split(section, tmp_path / f"pool{number}", tmp_path / f"split{number}", seed + 1)
        items = pool.items
        rows = [split.half_a.tolist(), split.half_b.tolist(), split.test.tolist()]
        found.append((items.prompts, items.answers, items.parts, items.allowed, rows, items.ids, items.groups))
    plain, mixed = found
    assert plain[:5] == mixed[:5]
    assert mixed[5] == [f"only/{one}" for one in plain[5]]
    assert mixed[6] == [f"only/{one}" for one in plain[6]]


def test_copies_between_capabilities(tmp_path):
    first = write(tmp_path / "a.jsonl", texts(range(6), part="train") + texts(range(6, 9), part="test"))
    rows = texts([1, 20, 21, 7]) + texts([22, 8, 2], part="test")
    second = write(tmp_path / "b.jsonl", [{"part": "train", **row} for row in rows])
    columns = {"part": "part"}
    own = {"kind": "generate", "columns": columns}
    task = load_task(mixture({"a": {"name": "x", "path": first, **own}, "b": {"name": "y", "path": second, **own}}))
    # Item 2 is trained on by `a` and tested by `b`; 1 and 8 are in one part of both; 7 is tested by `a`.
    assert [one for one in task.items.ids if one.startswith("a/")] == [f"a/{n}" for n in (0, 1, 3, 4, 5, 6, 7, 8)]
    assert [one for one in task.items.ids if one.startswith("b/")] == ["b/1", "b/2", "b/4", "b/6"]
    assert "Between capabilities: duplicates left out: 2." in task.notes
    assert any(
        note.startswith("Between capabilities: training items left out") and ": 2." in note for note in task.notes
    )


def test_equal_row_numbers_of_two_files_are_no_group(tmp_path):
    """The rows of own data are their own groups, by their numbers."""
    files = {name: write(tmp_path / f"{name}.jsonl", texts(range(5), word=name)) for name in "ab"}
    sets = {name: {"name": name, "path": path, "kind": "generate"} for name, path in files.items()}
    sets["a"]["columns"] = {"part": "part"}
    write(files["a"], [{**row, "part": "test"} for row in texts(range(5), word="a")])
    task = load_task(mixture(sets))
    assert len(task.items) == 10
    assert task.notes == ("Capabilities without a published test part, whose test items are drawn from all: b.",)


def test_options_and_classes_become_texts_by_themselves(tmp_path):
    rows = [{"text": f"film {n}", "label": ["bad", "good"][n % 2]} for n in range(6)]
    quiz = [{"text": f"which {n}?", "a": f"one {n}", "b": "two", "label": n % 2} for n in range(6)]
    sets = {
        "films": {"name": "f", "path": write(tmp_path / "f.jsonl", rows)},
        "quiz": {"name": "q", "path": write(tmp_path / "q.jsonl", quiz), "columns": {"options": ["a", "b"]}},
        "sums": {"name": "sums"},
    }
    task = load_task(mixture(sets))
    assert task.metrics["films"] == task.metrics["quiz"] == "exact_match"
    assert task.items.allowed[0] == ["bad", "good"]
    assert task.items.allowed[task.items.rows_of("sums")[0]] == []
    assert task.items.answers[6] == "one 0"


# ---- sizes and splits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_every_capability_gets_exactly_its_sizes(tmp_path, seed):
    sets = {**SHIPPED, "science": {"name": "sciq", "sizes": {"half_a": 7, "half_b": 11}}}
    section = mixture(sets, sizes=Sizes(half_a=20, half_b=30, test=40), split_seed=seed)
    pool = run_pool(section, tmp_path / "pool")
    splits = [run_split(section, tmp_path / "pool", tmp_path / f"s{n}", seed + n) for n in range(2)]
    for split in splits:
        assert not set(split.half_a) & set(split.half_b) | set(split.test) & {*split.half_a, *split.half_b}
        for rows, part in ((split.half_a, "half_a"), (split.half_b, "half_b"), (split.test, "test")):
            assert rows.tolist() == sorted(rows.tolist())
            counts = Counter(pool.items.capabilities[row] for row in rows)
            assert counts == {name: getattr(sizes, part) for name, sizes in section.sizes_by_capability.items()}
        tested = pool.items.take(split.test)
        assert {part for name, part in zip(tested.capabilities, tested.parts, strict=True) if name != "science"} == {
            "test"
        }
    assert splits[0].half_b.tolist() != splits[1].half_b.tolist()
    published = [[row for row in split.test if pool.items.parts[row] == "test"] for split in splits]
    assert published[0] == published[1]


def test_one_capability_changes_nothing_in_another():
    sizes = {"tales": Sizes(half_a=20, half_b=30, test=10), "sums": Sizes(half_a=5, half_b=6, test=7)}
    both = cut(load_task(mixture({name: SHIPPED[name] for name in sizes})), sizes, 3)
    alone = cut(load_task(mixture({"sums": SHIPPED["sums"]})), {"sums": sizes["sums"]}, 3)
    assert both.items.take(both.items.rows_of("sums")).ids == alone.items.ids


def test_a_saved_mixture_is_the_same(tmp_path):
    task = cut(load_task(mixture(SHIPPED)), dict.fromkeys(SHIPPED, Sizes(half_a=2, half_b=2, test=2)), 0)
    task.save(tmp_path)
    again = Task.load(tmp_path)
    assert (again.items.capabilities, dict(again.metrics), again.metric) == (
        task.items.capabilities,
        dict(task.metrics),
        "macro",
    )
    rows = np.asarray([17, 0, 9])
    assert again.items.take(rows).capabilities == [task.items.capabilities[row] for row in rows]


# ---- identity and showing -------------------------------------------------------------------------------


def test_the_identity_covers_every_set(tmp_path):
    path = write(tmp_path / "a.jsonl", texts(range(5)))
    sets = {"own": {"name": "mine", "path": path, "kind": "generate"}, "sums": {"name": "sums"}}
    first = data_identity(mixture(sets))
    assert first.split()[1] == f"sums={data_identity(TaskSection(name='sums'))}"
    write(path, texts(range(6)))
    assert data_identity(mixture(sets)) != first
    other = data_identity(mixture({**sets, "sums": {"name": "tales"}}))
    assert other.split()[0] == data_identity(mixture(sets)).split()[0]
    assert other != data_identity(mixture(sets))


def test_shown_items_take_turns():
    task = load_task(mixture(SHIPPED))
    shown = show_items(task, 6, SEEDS[0])
    assert Counter(item["id"].split("/")[0] for item in shown) == dict.fromkeys(SHIPPED, 2)
    assert len(show_items(task, 10_000, 0)) == 9000
    assert describe_capabilities(task)[0] == {"name": "sums", "metric": "answer_match", "train": 2000, "test": 1000}
    assert describe_capabilities(load_task(TaskSection(name="sums"))) == []


# ---- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "message"),
    [
        (
            {"name": "sumz"},
            r"capability `b`: task\.capabilities\.b\.name: there is no task `sumz`; did you mean `sums`",
        ),
        ({"name": "sciq", "path": "task.path/absent"}, r"capability `b`: .*no file or folder task\.path/absent"),
        ({"name": "x", "path": "absent.csv"}, r"task\.capabilities\.b\.path: there is no file or folder absent\.csv"),
        ({"name": "sums", "path": "x"}, r"task\.capabilities\.b\.path: `sums` ships with outgrow: remove task\.cap"),
        ({"name": "creak", "source": "bundled"}, r"task\.capabilities\.b\.source: no wheel carries `creak`"),
        ({"name": "sciq", "classes": ["a"]}, r"task\.capabilities\.b\.classes is for your own data"),
    ],
)
def test_a_bad_capability_is_named_with_its_key(capability, message):
    with pytest.raises((ConfigError, DataError), match=message):
        data_identity(mixture({"a": {"name": "sums"}, "b": capability}))


@pytest.mark.parametrize(
    ("capability", "message"),
    [
        ({"template": "Say it"}, r"task\.capabilities\.b\.template: `Say it`"),
        (
            {"template": "{text} {types}"},
            r"task\.capabilities\.b\.template: `{types}` is for tasks measured by slu_f1",
        ),
        ({"answer": "so"}, r"task\.capabilities\.b\.answer: .*`{text}`"),
    ],
)
def test_keys_that_do_not_fit_are_named_before_anything_is_read(capability, message):
    section = mixture({"a": {"name": "sums"}, "b": {"name": "sciq", **capability}})
    with pytest.raises(ConfigError, match=message):
        kind_of(section)


@pytest.mark.parametrize(
    ("key", "value"),
    [("path", "x"), ("metric", "rouge_l"), ("template", "{text}"), ("form", "text"), ("kind", "generate")],
)
def test_keys_of_one_set_do_not_stand_beside_capabilities(key, value):
    with pytest.raises(
        ConfigError, match=rf"task\.{key} is about one set of data.*such as task\.capabilities\.sums\.{key}"
    ):
        kind_of(mixture(SHIPPED, **{key: value}))


def test_a_damaged_row_is_named_with_its_capability(tmp_path):
    path = write(tmp_path / "b.jsonl", [*texts(range(3)), {"prompt": "p", "completion": ["no text"]}])
    with pytest.raises(DataError, match=r"capability `b`: .*b\.jsonl, line 4: `completion` must be a text"):
        load_task(mixture({"a": {"name": "sums"}, "b": {"name": "x", "path": path, "kind": "generate"}}))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"half_a": 1, "half_b": 1, "test": 2000},
            r"capability `sums`: .*only 1000 usable test items, but task\.capabilities\.sums\.sizes asks for test"
            r" 2000: lower task\.capabilities\.sums\.sizes\.test to at most 1000",
        ),
        (
            {"half_a": 1500, "half_b": 600, "test": 1},
            r"only 2000 usable train items.*lower task\.capabilities\.sums\.sizes\.half_a to at most 1400",
        ),
    ],
)
def test_a_capability_with_too_few_items_is_named(sizes, message):
    section = mixture({"tales": {"name": "tales"}, "sums": {"name": "sums", "sizes": sizes}}, sizes=Sizes(test=9))
    with pytest.raises(DataError, match=message):
        cut(load_task(section), section.sizes_by_capability, 0)


def test_a_capability_without_any_gold_is_named(tmp_path):
    rows = [{**row, "part": "train", "completion": ""} for row in texts(range(5))] + texts([9], part="test")
    path = write(tmp_path / "b.jsonl", rows)
    own = {"name": "x", "path": path, "kind": "generate", "columns": {"part": "part"}}
    section = mixture({"sums": {"name": "sums"}, "b": own}, sizes=Sizes(half_a=1, half_b=1, test=1))
    with pytest.raises(DataError, match=r"capability `b`: task `mix` has only 0 usable train items"):
        cut(load_task(section), section.sizes_by_capability, 0)
