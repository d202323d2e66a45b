"""The known data sets: from the wheel, from their published files, from a folder that the hub library reads."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from outgrow.config.task import TaskSection
from outgrow.data.load_published import split_of
from outgrow.data.load_task import load_task
from outgrow.data.published_task import HubSource, PublishedTask
from outgrow.data.tasks import TASKS
from outgrow.data.tasks.mmlu import DISCIPLINES
from outgrow.errors import DataError
from outgrow.metrics.text_score import TEXT_METRICS

SHARED = Path(__file__).parents[3] / "shared" / "data"
BUNDLED = {
    # train and test items that are left of the published rows
    "sciq": (1000, 0),
    "openbookqa": (5380, 500),
    "arc_easy": (2793, 2365),
    "arc_challenge": (1401, 1165),
    "commonsense_qa": (9741, 1221),
    "piqa": (15521, 1838),
    "social_iqa": (33221, 1930),
    "winogrande": (40227, 1267),
    "mmlu": (15709, 0),
    "mmlu_topic": (13640, 0),
    "boolq": (7626, 3270),
    "errands": (2000, 1000),
    "tales": (2000, 1000),
    "sums": (2000, 1000),
}
FILES = {
    "sciq": ("sciq", 1000, 1000),
    "cosmos_qa": ("cosmosqa", 2980, 0),
    "creak": ("creak", 10172, 1371),
    "mc_taco": ("mctaco", 3777, 9424),
    "esnli": ("esnli", 9834, 9824),
    "slurp_scenario": ("slurp", 2031, 2973),
    "slurp_intent": ("slurp", 2031, 2973),
    "slurp_slots": ("slurp", 2031, 2973),
    "gsm8k": ("gsm8k", 7469, 1319),
    "scan": ("scan", 16728, 4182),
}


def shared(name):
    if not (SHARED / name).is_dir():
        pytest.skip(f"needs the development data {SHARED / name}")
    return SHARED / name


def check(task, train, test):
    """What holds for every loaded task."""
    items, known = task.items, TASKS[task.name]
    assert Counter(items.parts) == Counter({"train": train} | ({"test": test} if test else {}))
    assert (task.kind, task.classes) == (known.kind, known.classes)
    assert len(set(items.ids)) == len(items)
    assert all(text == text.strip() and text for text in items.prompts)
    assert ((items.gold >= 0) & (items.gold < max(task.n_classes, 1))).all()
    assert (items.options is not None) == (task.kind == "choose")
    assert (items.answers is not None) == (task.kind == "generate")
    assert task.metric == known.metric
    if items.answers is not None:
        assert all(text == text.strip() and text for text in items.answers)
        assert (
            TEXT_METRICS[task.metric].score.value(
                TEXT_METRICS[task.metric].score.counts(items.answers, items.answers).sum(0)
            )
        ) == 1
    if items.options is not None:
        assert {len(choice) for choice in items.options} == {task.n_classes}
        share = np.bincount(items.gold) / len(items)
        assert abs(share - 1 / task.n_classes).max() < 0.1, "the place of the right option gives it away"
    both = {g for g, p in zip(items.groups, items.parts, strict=True) if p == "test"} & {
        g for g, p in zip(items.groups, items.parts, strict=True) if p == "train"
    }
    assert not both


@pytest.mark.parametrize("name", [name for name, known in TASKS.items() if known.bundled or known.made])
def test_bundled_set_loads(name):
    check(load_task(TaskSection(name=name)), *BUNDLED[name])


@pytest.mark.parametrize("name", FILES)
def test_published_files_load(name):
    folder, train, test = FILES[name]
    check(load_task(TaskSection(name=name, path=shared(folder))), train, test)


def test_instructions_with_a_passage_are_not_dolly(tmp_path):
    rows = [
        {"instruction": f"Name {n} rivers.", "context": "A text." * (n % 2), "response": f"{n}", "category": "qa"}
        for n in range(6)
    ]
    path = tmp_path / "databricks-dolly-15k.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = load_task(TaskSection(name="dolly", path=path)).items
    assert items.prompts == ["Name 0 rivers.", "Name 2 rivers.", "Name 4 rivers."]
    assert items.answers == items.keys == ["0", "2", "4"]


def test_every_known_task_is_tried_somewhere():
    assert set(TASKS) == set(BUNDLED) | set(FILES) | {"dolly", "ecqa"}
    assert all(name == known.name for name, known in TASKS.items())


def test_loading_twice_gives_the_same_bytes(tmp_path):
    for form in ("native", "binary"):
        written = []
        for run in "ab":
            folder = tmp_path / form / run
            folder.mkdir(parents=True)
            load_task(TaskSection(name="arc_challenge", form=form)).save(folder)
            written.append([(folder / name).read_bytes() for name in ("items.parquet", "task.json")])
        assert written[0] == written[1]


def test_sciq_test_rendering_and_validation_rows_agree_with_their_sources():
    path = shared("sciq")
    task = load_task(TaskSection(name="sciq", path=path))
    right = {
        prompt: choice[gold]
        for prompt, choice, gold in zip(task.items.prompts, task.items.options, task.items.gold, strict=True)
    }
    assert right["Question: Vertebrata are characterized by the presence of what?\nAnswer:"] == "backbone"
    assert right["Question: Who proposed the theory of evolution by natural selection?\nAnswer:"] == "darwin"


def test_only_part_of_a_set_makes_one_pool_with_a_note():
    task = load_task(TaskSection(name="esnli", path=shared("esnli")))
    assert not any("Only published" in note for note in task.notes)
    one = load_task(TaskSection(name="creak", path=shared("creak") / "dev.json"))
    assert set(one.items.parts) == {"train"}
    assert one.notes[0].startswith("Only published validation items are here")


def test_questions_about_one_passage_share_a_group():
    task = load_task(TaskSection(name="cosmos_qa", path=shared("cosmosqa")))
    passages = [prompt.rpartition("\nQuestion:")[0] for prompt in task.items.prompts]
    pairs = set(zip(passages, task.items.groups, strict=True))
    assert len({group for _, group in pairs}) <= len(set(passages)) < len(passages)
    assert len({passage for passage, _ in pairs}) == len(pairs)


def test_fifteen_disciplines_of_fifty_four_subjects():
    subjects = [subject for names in DISCIPLINES.values() for subject in names.split()]
    assert (len(DISCIPLINES), len(subjects), len(set(subjects))) == (15, 54, 54)


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("data/train-00000-of-00001.parquet", "train"),
        ("default/validation/0000.parquet", "validation"),
        ("dev_3783.tsv", "validation"),
        ("test/abstract_algebra_test.csv", "test"),
        ("ARC-Easy-Test.jsonl", "test"),
        ("contest.jsonl", None),
    ],
)
def test_splits_by_file_name(tmp_path, file, split):
    assert split_of(tmp_path / file, tmp_path) == split


def test_headerless_mmlu_csv(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "virology_test.csv").write_text('"What, then?",a,b,c,d,C\nAnd now?,e,f,g,h,A\n')
    (tmp_path / "test" / "prehistory_test.csv").write_text("When?,a,b,c,d,B\n")
    topic = load_task(TaskSection(name="mmlu_topic", path=tmp_path))
    names = [topic.classes[gold] for gold in topic.items.gold]
    assert dict(zip(topic.items.prompts, names, strict=True)) == {
        "When?": "history",
        "What, then?": "medicine",
        "And now?": "medicine",
    }
    choice = load_task(TaskSection(name="mmlu", path=tmp_path))
    assert choice.items.gold.tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"question": "q"}', "it has question, and needs question, correct_answer, distractor1"),
        (
            '{"question": null, "correct_answer": "a", "distractor1": "b", "distractor2": "c", "distractor3": "d"}',
            "empty",
        ),
        (
            '{"question": "q", "correct_answer": 3, "distractor1": "b", "distractor2": "c", "distractor3": "d"}',
            "not a",
        ),
        ('{"instruction": "something else", "answer": "answer1"}', "no question with"),
    ],
)
def test_damaged_rows_are_named(tmp_path, line, message):
    path = tmp_path / "train.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(DataError, match=message) as caught:
        load_task(TaskSection(name="sciq", path=path))
    assert f"{path}, line 2" in str(caught.value)


def test_folder_without_the_set(tmp_path):
    with pytest.raises(DataError, match="no file of `sciq` here"):
        load_task(TaskSection(name="sciq", path=tmp_path))


def test_line_files_of_different_length(tmp_path):
    for name, lines in {"s1.dev": "a\nb\n", "s2.dev": "c\n", "labels.dev": "neutral\nneutral\n"}.items():
        (tmp_path / name).write_text(lines)
    with pytest.raises(DataError, match="differ in their number of lines"):
        load_task(TaskSection(name="esnli", path=tmp_path))


def test_descriptions_are_complete():
    for known in TASKS.values():
        assert isinstance(known, PublishedTask)
        assert isinstance(known.hub, HubSource) == (known.made is None)
        assert known.title
        assert known.licence
        assert len(set(known.classes)) == len(known.classes)
        assert (len(known.classes) >= 2) == (known.kind != "generate")
        assert (known.metric in TEXT_METRICS) == (known.kind == "generate")
        assert known.kind == "generate" or known.template == "{text}"
        assert known.kind != "generate" or not (known.text_template or known.text_note)
        assert set(known.bundled) <= set(known.parts)
