"""Thousands of damaged inputs: whatever the file holds, the loader loads it or says why not; nothing else escapes."""

import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outgrow.config.task import Columns, Sizes, TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut
from outgrow.errors import OutgrowError

MANY = settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))

SOUND = [
    {"text": f"text number {i}", "label": "abc"[i % 3], "options": ["x", "y", "z"], "part": "train", "id": f"n{i}"}
    for i in range(6)
]
TO_WRITE = [
    {"prompt": f"text number {i}", "completion": json.dumps({"t": f"word {i}"}), "part": "train", "id": f"n{i}"}
    for i in range(6)
]
WHOLE = {
    ".jsonl": "\n".join(json.dumps(row) for row in SOUND).encode(),
    ".json": json.dumps(SOUND).encode(),
    ".csv": b"text,label,part,id\n" + b"".join(b'"text, %d",%c,train,n%d\n' % (i, 97 + i % 3, i) for i in range(6)),
    ".tsv": b"text\tlabel\tpart\tid\n" + b"".join(b"text %d\t%c\ttrain\tn%d\n" % (i, 97 + i % 3, i) for i in range(6)),
}


def parquet_bytes(rows):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue()


WHOLE[".parquet"] = parquet_bytes(SOUND)

REMOVED = "(removed)"
MAPPINGS = [
    {},
    {"columns": Columns(id="id", part="part")},
    {"columns": Columns(text="{text} ({part})"), "classes": ["c", "b", "a"]},
    {"columns": Columns(text="{id}: {text}", label="label", options="options")},
    {"columns": Columns(options="options"), "form": "binary", "split_seed": 3},
    {"columns": Columns(options=["id", "part"], label="part"), "kind": "choose"},
    {"columns": Columns(text="text", label="label"), "kind": "generate"},
]
WRITING = [
    {},
    {"metric": "slu_f1", "template": "Among {types}: {text}"},
    {"columns": Columns(id="id", part="part"), "metric": "answer_match"},
    {"columns": Columns(text="{id} {prompt}", label="prompt"), "metric": "rouge_l", "template": "{{ {text} }}"},
]
PUBLISHED = {
    # a tuple goes round, # is the row's number
    "sciq": {"question": "q #", "correct_answer": "a", "distractor1": "b", "distractor2": "c", "distractor3": "d"},
    "cosmos_qa": {"context": "c #", "question": "q", "label": (0, 1), **{f"answer{i}": f"a{i}" for i in range(4)}},
    "arc_easy": {
        "question": "q #",
        "choices": {"label": list("ABCD"), "text": list("wxyz")},
        "answerKey": ("A", "B"),
    },
    "arc_challenge": {"query": "q #", "choices": list("wxyz"), "gold": (2, 3)},
    "openbookqa": {
        "question_stem": "q #",
        "choices": {"label": list("ABCD"), "text": list("wxyz")},
        "answerKey": ("A", "B"),
    },
    "commonsense_qa": {
        "question": tuple(
            {"stem": f"q {i}", "choices": [{"label": letter, "text": f"is {letter}"} for letter in "ABCDE"]}
            for i in range(6)
        ),
        "answerKey": ("A", "B"),
    },
    "piqa": {"goal": "g #", "sol1": "a", "sol2": "b", "label": (0, 1)},
    "social_iqa": {
        "context": "c #",
        "question": "q",
        "answerA": "a",
        "answerB": "b",
        "answerC": "c",
        "label": ("1", "2"),
    },
    "winogrande": {"sentence": "s # _ t", "option1": "a", "option2": "b", "answer": ("1", "2")},
    "boolq": {"question": "q #", "passage": "p #", "answer": (True, False)},
    "creak": {"sentence": "s #", "label": ("true", "false")},
    "mc_taco": {"sentence": "s #", "question": "q", "answer": "a", "label": ("yes", "no")},
    "esnli": {"premise": "p #", "hypothesis": "h", "label": (0, 1, 2)},
    "mmlu": {"question": "q #", "choices": list("wxyz"), "answer": (0, 3)},
    "mmlu_topic": {"question": "q #", "subject": ("anatomy", "prehistory")},
    "slurp_intent": {"sentence": "s #", "scenario": ("news", "weather"), "action": "query"},
    "slurp_scenario": {"transcript": "s #", "intent": ("news_query", "alarm_set")},
    "slurp_slots": {
        "sentence": "wake # up",
        "tokens": [{"id": 0, "surface": "wake"}, {"id": 1, "surface": "#"}, {"id": 2, "surface": "up"}],
        "entities": ([{"span": [1], "type": "person"}], []),
    },
    "gsm8k": {"question": "q #", "answer": ("1 + 1\n#### 2", "#### 3")},
    "scan": {"commands": "jump #", "actions": ("I_JUMP", "I_JUMP I_JUMP")},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
cells = (
    json_values
    | st.sampled_from(
        [
            "{}",
            '{"t": "x"}',
            [{"span": [0], "type": "t"}],
            [{"span": [], "type": "t"}],
            [{"id": 0, "surface": "x"}],
        ]
    )
    | st.sampled_from(
        ["a", "b", "A", "B", 0, 1, 2, "\ud800", ["x", "\ud800"], ["x", "y"], ["x", "y", "z"], "train", "test"]
    )
)
rows = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(SOUND[0], cells)), max_size=6)
words = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
"""What a section takes; a NUL is refused before any file is read."""
columns = st.builds(
    Columns,
    id=st.sampled_from([None, "id", "ident"]),
    text=st.sampled_from(["text", "{text}", "{text}: {label}", "txt"]) | st.text(words, max_size=10),
    label=st.sampled_from(["label", "label", "id", "nothing"]),
    options=st.sampled_from([None, None, "options", ["text", "id"], []]),
    part=st.sampled_from([None, None, "part"]),
)
sections = st.fixed_dictionaries(
    {
        "columns": columns,
        "kind": st.sampled_from([None, "classify", "choose", "generate"]),
        "metric": st.sampled_from([None, None, "slu_f1", "token_f1"]),
        "template": st.sampled_from([None, None, "{text}", "{types} {text}", "{", "{x}"]) | st.text(words, max_size=6),
        "classes": st.sampled_from([None, None, ["a", "b", "c"], ["a"], ["a", "a"], []]),
        "form": st.sampled_from(["native", "binary"]),
        "split_seed": st.integers(0, 2**32 - 1),
    }
)


def load_or_refuse(suffix, content, section, name="mine"):
    """Load, cut and save: a damaged input may only end in an `OutgrowError`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"train{suffix}"
        path.write_bytes(content)
        try:
            task = load_task(TaskSection(name=name, path=path, **section))
            cut(task, Sizes(half_a=1, half_b=1, test=1), 0)
            task.save(Path(folder))
        except OutgrowError:
            return None
        return task


def test_the_sound_files_load():
    for suffix, content in WHOLE.items():
        task = load_or_refuse(suffix, content, {})
        assert task is not None, suffix
        assert len(task.items) == 6


@MANY
@given(st.sampled_from(sorted(WHOLE)), st.binary(max_size=60), sections)
def test_any_bytes(suffix, content, section):
    load_or_refuse(suffix, content, section)


@MANY
@given(st.sampled_from(sorted(WHOLE)), st.data(), sections | st.just({}))
def test_a_sound_file_with_bytes_changed_cut_and_inserted(suffix, data, section):
    content = bytearray(WHOLE[suffix])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 12))
        content[at : at + length] = data.draw(st.binary(max_size=6))
    load_or_refuse(suffix, bytes(content), section)


@MANY
@given(rows, sections)
def test_rows_of_anything_as_json(values, section):
    content = "\n".join(json.dumps(row) for row in values).encode("utf-8", "surrogatepass")
    load_or_refuse(".jsonl", content, section)


@FEW
@given(st.lists(st.lists(st.text(max_size=6), max_size=5), max_size=6), sections)
def test_rows_of_anything_as_csv(values, section):
    lines = [["text", "label", "options", "id", "part"], *values]
    content = "\n".join(",".join(cells) for cells in lines).encode("utf-8", "surrogatepass")
    load_or_refuse(".csv", content, section)


def mutations(names):
    """Up to three cells to overwrite (or, with the last value, to remove)."""
    cell = st.tuples(st.integers(0, 5), st.sampled_from(names), cells | st.just(REMOVED))
    return st.lists(cell, min_size=1, max_size=3)


def mutate(sound, changes):
    damaged = [dict(row) for row in sound]
    for row, name, value in changes:
        damaged[row][name] = value
        if value is REMOVED:
            del damaged[row][name]
    return "\n".join(map(json.dumps, damaged)).encode()


@MANY
@given(mutations(list(SOUND[0])), st.sampled_from(MAPPINGS))
def test_sound_rows_with_cells_damaged(changes, section):
    load_or_refuse(".jsonl", mutate(SOUND, changes), section)


@MANY
@given(mutations(list(TO_WRITE[0])), st.sampled_from(WRITING))
def test_sound_texts_with_cells_damaged(changes, section):
    assert load_or_refuse(".jsonl", mutate(TO_WRITE, []), {**section, "kind": "generate"}) is not None
    task = load_or_refuse(".jsonl", mutate(TO_WRITE, changes), {**section, "kind": "generate"})
    if task is not None:
        assert [bool(text) for text in task.items.answers] == (task.items.gold == 0).tolist()
        assert all(text.strip() for text in task.items.prompts)


@FEW
@given(st.lists(st.text(max_size=30), max_size=6), st.integers(0, 3))
def test_lines_of_anything_as_scan(lines, sound):
    content = "\n".join(["IN: jump OUT: I_JUMP"] * sound + lines).encode("utf-8", "surrogatepass")
    load_or_refuse(".txt", content, {}, "scan")


@MANY
@given(st.data(), st.sampled_from(sorted(PUBLISHED)), st.sampled_from(["native", "binary"]))
def test_published_rows_with_cells_damaged(data, name, form):
    sound = [{key: _numbered(value, i) for key, value in PUBLISHED[name].items()} for i in range(6)]
    if not data.draw(st.booleans(), label="also undamaged"):
        assert load_or_refuse(".jsonl", mutate(sound, []), {}, name) is not None
    load_or_refuse(".jsonl", mutate(sound, data.draw(mutations(list(sound[0])))), {"form": form}, name)


def _numbered(value, i):
    """Six different rows of one pattern, with different gold."""
    if isinstance(value, str):
        return value.replace("#", str(i))
    return value[i % len(value)] if isinstance(value, tuple) else value
