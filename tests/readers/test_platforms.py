"""Exports of labelling platforms: drawn votes, written as each platform writes them, are read back without options."""

import contextlib
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, DataError, OutgrowError
from outgrow.readers.platforms import PLATFORMS
from outgrow.readers.read_votes import explain_columns, read_votes

PEOPLE = ("ada", "bo", "cy")
CLASSES = ("cold", "warm")


def draw_votes(seed, n_items=6):
    """Who says what of which item; a third of the votes are missing, but not of the first item."""
    draw = np.random.default_rng(seed)
    votes = {
        (f"i{i}", who): str(draw.choice(CLASSES))
        for i in range(n_items)
        for who in PEOPLE
        if i == 0 or draw.random() > 0.3
    }
    return votes | {("i0", "ada"): "cold", ("i0", "bo"): "warm"}


def table(header, rows, delimiter=","):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue()


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def text_of(item):
    return f"the text, of {item}"


def by_item(votes):
    return {item: {who: label for (name, who), label in votes.items() if name == item} for item, _ in votes}


def mturk(votes):
    header = ["HITId", "Title", "WorkerId", "AssignmentStatus", "WorkTimeInSeconds", "Input.text", "Answer.mood.label"]
    rows = [[item, "Rate", who, "Approved", 9, text_of(item), label] for (item, who), label in votes.items()]
    return table(header, rows)


def mturk_marks(votes):
    header = ["HITId", "WorkerId", "AssignmentStatus", "Input.text", "Answer.mood.cold", "Answer.mood.warm"]
    marks = {"cold": ["true", "false"], "warm": ["false", "true"]}
    return table(header, [[i, who, "Submitted", text_of(i), *marks[label]] for (i, who), label in votes.items()])


def mturk_packed(votes):
    header = ["HITId", "WorkerId", "AssignmentStatus", "Input.text", "Answer.taskAnswers"]
    rows = [
        [i, who, "Submitted", text_of(i), json.dumps([{"mood": {"label": label}}])]
        for (i, who), label in votes.items()
    ]
    return table(header, rows)


def toloka(votes):
    header = [
        "INPUT:text",
        "OUTPUT:mood",
        "GOLDEN:mood",
        "ASSIGNMENT:link",
        "ASSIGNMENT:worker_id",
        "ASSIGNMENT:status",
    ]
    rows = [[item, label, "", "http://t", who, "APPROVED"] for (item, who), label in votes.items()]
    return table(header, rows, "\t")


def appen(votes):
    header = ["_unit_id", "_golden", "_trust", "_worker_id", "_tainted", "mood", "mood_gold", "text"]
    rows = [[item, "false", 0.9, who, "false", label, "", text_of(item)] for (item, who), label in votes.items()]
    return table(header, rows)


def potato(votes):
    header = ["user", "instance_id", "displayed_text", "mood:::cold", "mood:::warm"]
    marks = {"cold": ["true", ""], "warm": ["", "true"]}
    rows = [[who, item, text_of(item), *marks[label]] for (item, who), label in votes.items()]
    return table(header, rows, "\t")


def potato_json(votes):
    return lines(
        {
            "id": item,
            "user_id": who,
            "displayed_text": text_of(item),
            "span_annotations": {},
            "label_annotations": {"mood": {label: "true"}},
        }
        for (item, who), label in votes.items()
    )


def prodigy(votes):
    options = [{"id": name, "text": name} for name in CLASSES]
    return lines(
        {
            "text": text_of(item),
            "_input_hash": item,
            "_task_hash": 7,
            "options": options,
            "accept": [label],
            "answer": "accept",
            "_annotator_id": who,
            "_session_id": f"db-{who}",
        }
        for (item, who), label in votes.items()
    )


def labelbox(votes):
    def label_of(who, name):
        answer = {"name": "Mood", "value": "mood", "radio_answer": {"name": name, "value": name}}
        return {
            "label_details": {"created_by": who, "is_benchmark_reference": False},
            "performance_details": {"seconds_to_create": 8},
            "annotations": {"objects": [], "classifications": [answer], "relationships": []},
        }

    return lines(
        {
            "data_row": {"id": f"x{item}", "global_key": item, "row_data": text_of(item)},
            "projects": {"p1": {"name": "a", "labels": [label_of(who, label) for who, label in of_item.items()]}},
        }
        for item, of_item in by_item(votes).items()
    )


def label_studio(votes):
    def annotation(who, label):
        result = {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": [label]}}
        return {"completed_by": {"id": 1, "email": who}, "was_cancelled": False, "result": [result]}

    tasks = [
        {
            "id": item,
            "data": {"text": text_of(item)},
            "annotations": [annotation(who, label) for who, label in of_item.items()],
        }
        for item, of_item in by_item(votes).items()
    ]
    return json.dumps(tasks)


ROW = ["text", "id", "mood", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"]


def label_studio_rows(votes):
    return table(ROW, [[text_of(i), i, label, who, 3, "2024", "2024", 2.5] for (i, who), label in votes.items()])


def label_studio_min(votes):
    rows = [[text_of(i), i, {"choices": [label]}, who, 3, "2024", "2024", 2.5] for (i, who), label in votes.items()]
    return json.dumps([dict(zip(ROW, row, strict=True)) for row in rows])


def argilla(votes):
    return json.dumps(
        [
            {
                "id": item,
                "fields": {"text": text_of(item)},
                "responses": {
                    "mood": [{"value": label, "user_id": who, "status": "submitted"} for who, label in said.items()]
                },
                "suggestions": {},
            }
            for item, said in by_item(votes).items()
        ]
    )


def qualtrics(votes):
    items = sorted(by_item(votes))
    header = ["StartDate", "Status", "ResponseId", *items]
    ids = ["startDate", "status", "_recordId", *(f"QID{k}" for k in range(len(items)))]
    people = [["2024", "IP Address", who, *(votes.get((item, who), "") for item in items)] for who in PEOPLE]
    preview = ["2024", "Survey Preview", "R_0", *("cold" for _ in items)]
    texts = ["Start Date", "Response Type", "Response ID", *(f"the text,\nof {item}" for item in items)]
    return table(header, [texts, [json.dumps({"ImportId": one}) for one in ids], preview, *people])


def pivot(votes):
    header = ["item_id", "field", *PEOPLE, "authoritative_annotator", "annotated_at"]
    rows = [
        [item, "mood", *(said.get(who, "") for who in PEOPLE), PEOPLE[0], "2026-07-15T10:00:00Z"]
        for item, said in by_item(votes).items()
    ]
    return table(header, rows)


def promptfoo(votes):
    results = [
        {
            "promptIdx": 0,
            "testIdx": item,
            "provider": {"id": who},
            "vars": {"text": text_of(item)},
            "response": {"output": label},
            "success": label == "cold",
            "testCase": {"assert": [{"type": "equals", "value": "cold"}]},
        }
        for (item, who), label in votes.items()
    ]
    return json.dumps({"evalId": "e", "results": {"version": 3, "results": results}, "config": {}})


WRITERS = [
    (mturk, ".csv", "text"),
    (mturk_marks, ".csv", "text"),
    (mturk_packed, ".csv", "text"),
    (toloka, ".tsv", None),
    (appen, ".csv", "text"),
    (potato, ".tsv", "displayed_text"),
    (potato_json, ".jsonl", "text"),
    (prodigy, ".jsonl", "text"),
    (labelbox, ".ndjson", "text"),
    (label_studio, ".json", "text"),
    (label_studio_rows, ".csv", "text"),
    (label_studio_min, ".json", "text"),
    (argilla, ".json", "text"),
    (qualtrics, ".csv", "text"),
    (pivot, ".csv", None),
    (promptfoo, ".json", "text"),
]
NAMES = [writer.__name__ for writer, _, _ in WRITERS]


def said(votes):
    return {
        (votes.items[item], votes.sources[source]): votes.classes[label]
        for item, source, label in zip(votes.item, votes.source, votes.label, strict=True)
    }


def written(folder, content, name):
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.parametrize("seed", SEEDS[:1])
@pytest.mark.parametrize(("write", "suffix", "text"), WRITERS, ids=NAMES)
def test_every_export_is_read_without_options(tmp_path, write, suffix, text, seed):
    votes = draw_votes(seed)
    found = read_votes(written(tmp_path, write(votes), f"export{suffix}"))
    assert said(found) == votes
    assert found.classes == CLASSES
    assert "export" in found.notes[0]


VALUES = [
    None,
    True,
    -1.5,
    "x",
    "",
    [],
    {},
    [1, "a"],
    {"a": 1},
    [[0, 4, "P"]],
    [{"labels": ["x"], "start": 1, "end": 2}],
]


def damaged(value, draw):
    """A value of JSON in which some parts are replaced, others are missing."""
    if draw.random() < 0.03:
        return VALUES[int(draw.integers(len(VALUES)))]
    if isinstance(value, dict):
        return {key: damaged(cell, draw) for key, cell in value.items() if draw.random() > 0.01}
    return [damaged(cell, draw) for cell in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_exports_are_read_or_refused(tmp_path, seed):
    draw = np.random.default_rng(seed)
    for write, suffix, _ in WRITERS:
        content = write(draw_votes(seed))
        if suffix == ".json":
            content = json.dumps(damaged(json.loads(content), draw))
        elif suffix in (".csv", ".tsv"):
            rows = list(csv.reader(io.StringIO(content), delimiter="," if suffix == ".csv" else "\t"))
            row = rows[int(draw.integers(len(rows)))]
            row[int(draw.integers(len(row)))] = str(
                draw.choice(["", "x", "[", '{"choices": ["a", "b"]}', "true", "-1"])
            )
            content = table(rows[0], rows[1:], "," if suffix == ".csv" else "\t")
        else:
            content = lines(damaged(json.loads(line), draw) for line in content.splitlines())
        path = written(tmp_path, content, f"damaged{suffix}")
        for read in (read_votes, explain_columns):
            with contextlib.suppress(OutgrowError):  # any other exception is a fault
                assert read(path)


def test_a_platform_is_read_as_named_or_not_at_all(tmp_path):
    votes = draw_votes(SEEDS[0])
    path = written(tmp_path, potato(votes), "export.tsv")
    assert said(read_votes(path, columns=VoteColumns(layout="potato"))) == votes
    plain = VoteColumns(layout="long", item="instance_id", probability=("mood:::cold", "mood:::warm"))
    assert said(read_votes(path, columns=plain)) == votes
    with pytest.raises(ConfigError, match="`layout=mturk` is for batch results of MTurk"):
        read_votes(path, columns=VoteColumns(layout="mturk"))
    with pytest.raises(ConfigError, match="no layout `potatoe`; did you mean `potato`"):
        read_votes(path, columns=VoteColumns(layout="potatoe"))
    assert all(platform.name == name for name, platform in PLATFORMS.items())


@pytest.mark.parametrize(
    ("write", "name", "state", "others"),
    [
        (mturk, "AssignmentStatus", "Approved", ("Rejected", "Submitted")),
        (toloka, "ASSIGNMENT:status", "APPROVED", ("REJECTED", "SUBMITTED")),
        (appen, "_tainted", "false,cold", ("true,cold",)),
    ],
)
def test_rejected_answers_do_not_count(tmp_path, write, name, state, others):
    votes = draw_votes(SEEDS[0]) | {("i5", "ada"): "cold"}
    last = next(line for line in write(votes).split("\n") if "i5" in line and "ada" in line)
    for other in others:
        content = write(votes) + last.replace("i5", "new").replace(state, other) + "\n"
        path = written(tmp_path, content, f"export{'.tsv' if write is toloka else '.csv'}")
        found = read_votes(path)
        assert said(found) == votes
        assert any(f"in `{name}` do not count" in note for note in found.notes)
        assert read_votes(path, columns=VoteColumns(ignore=(name,))).n_votes == len(votes) + 1
        where = {name: (other.partition(",")[0],)}
        assert said(read_votes(path, columns=VoteColumns(where=where), classes=CLASSES)) == {("new", "ada"): "cold"}


def test_before_a_review_submitted_assignments_count(tmp_path):
    votes = draw_votes(SEEDS[0])
    content = mturk(votes).replace("Approved", "Submitted").replace("Submitted", "Rejected", 1)
    assert read_votes(written(tmp_path, content, "b.csv")).n_votes == len(votes) - 1


def test_gold_of_control_tasks(tmp_path):
    votes = draw_votes(SEEDS[0])
    for write, suffix, old, new in (
        (toloka, ".tsv", "i0\tcold\t\t", "i0\tcold\tcold\t"),
        (appen, ".csv", "i0,false,0.9,ada,false,cold,,", "i0,true,0.9,ada,false,cold,cold,"),
    ):
        content = write(votes)
        assert old in content
        found = read_votes(written(tmp_path, content.replace(old, new), f"gold{suffix}"))
        assert said(found) == votes
        assert {found.items[i]: found.classes[k] for i, k in enumerate(found.gold) if k >= 0} == {"i0": "cold"}
    several = appen(votes).replace("i0,false,0.9,ada,false,cold,,", 'i0,true,0.9,ada,false,cold,"cold\nwarm",')
    found = read_votes(written(tmp_path, several, "several.csv"))
    assert (found.gold < 0).all()
    assert any("several accepted answers" in note for note in found.notes)


def test_an_aggregated_report_is_refused_with_a_way_on(tmp_path):
    content = table(
        ["_unit_id", "_golden", "mood", "mood:confidence"], [["7", "false", "cold", 0.8], ["8", "false", "warm", 1]]
    )
    path = written(tmp_path, content, "a.csv")
    with pytest.raises(ConfigError, match="export the full report") as told:
        read_votes(path)
    words = dict(word.split("=") for word in str(told.value).split("`")[-2].split())
    found = read_votes(path, columns=VoteColumns(**words))
    assert found.sources == ("appen",)
    np.testing.assert_allclose(found.probs, [[0.8, 0.2], [0, 1]])


def test_several_questions_are_asked_about(tmp_path):
    votes = draw_votes(SEEDS[0])
    rows = list(csv.reader(io.StringIO(mturk(votes))))
    rows = [[*row, "Answer.size" if number == 0 else "small"] for number, row in enumerate(rows)]
    path = written(tmp_path, table(rows[0], rows[1:]), "two.csv")
    with pytest.raises(ConfigError, match="several questions, `mood`, `size`; name one, such as `label=mood`"):
        read_votes(path)
    for name in ("mood", "Answer.mood.label"):
        assert said(read_votes(path, columns=VoteColumns(label=name))) == votes
    with pytest.raises(ConfigError, match="no question is called `moot`; did you mean `mood`"):
        read_votes(path, columns=VoteColumns(label="moot"))


def test_prodigy_without_options(tmp_path):
    rows = [
        {"text": "x", "_input_hash": 1, "label": "SPAM", "answer": answer, "_session_id": f"db-{who}"}
        for who, answer in (("ada", "accept"), ("bo", "reject"), ("cy", "ignore"))
    ]
    found = read_votes(written(tmp_path, lines(rows), "binary.jsonl"))
    assert said(found) == {("1", "db-ada"): "accept", ("1", "db-bo"): "reject"}
    alone = [{**row, "_input_hash": number} for number, row in enumerate(rows)]
    for row in alone:
        del row["_session_id"]
    assert read_votes(written(tmp_path, lines(alone), "ada.jsonl")).sources == ("ada",)
    with pytest.raises(ConfigError, match="several questions, `SPAM`, `HAM`"):
        read_votes(written(tmp_path, lines([*rows, rows[0] | {"label": "HAM"}]), "two.jsonl"))


def test_doccano_names_the_source_by_its_file(tmp_path):
    chosen = (["a"], ["b"], [])
    rows = [{"id": k, "text": f"t{k}", "label": labels, "Comments": []} for k, labels in enumerate(chosen)]
    found = read_votes(written(tmp_path, lines(rows), "ada.jsonl"))
    assert said(found) == {("0", "ada"): "a", ("1", "ada"): "b"}
    assert found.items == ["0", "1", "2"]
    assert read_votes(tmp_path / "ada.jsonl", columns=VoteColumns(one_source="bo")).sources == ("bo",)


def test_doccano_of_all_users_and_without_comments(tmp_path):
    rows = [
        {"id": k, "text": "t", "annotations": [{"user": 1, "label": 3 + k}, {"user": 2, "label": 3}]} for k in (0, 1)
    ]
    found = read_votes(written(tmp_path, lines(rows), "all.jsonl"))
    assert said(found) == {("0", "1"): "3", ("1", "1"): "4", ("0", "2"): "3", ("1", "2"): "3"}
    bare = [{"id": k, "text": "t", "label": ["ab"[k]]} for k in (0, 1)]
    assert read_votes(written(tmp_path, lines(bare), "bo.jsonl")).sources == ("bo",)


def test_the_later_annotation_is_the_last_one(tmp_path):
    def annotation(label, when):
        result = {"from_name": "q", "type": "choices", "value": {"choices": [label]}}
        return {"completed_by": 1, "created_at": when, "result": [result]}

    tasks = [{"id": k, "annotations": [annotation("b", "2024-03-02"), annotation("a", "2024-03-01")]} for k in (0, 1)]
    path = written(tmp_path, json.dumps(tasks), "twice.json")
    with pytest.raises(DataError, match="repeats=last"):
        read_votes(path)
    for way, label in (("first", "a"), ("last", "b")):
        found = read_votes(path, columns=VoteColumns(repeats=way), classes=["a", "b"])
        assert set(said(found).values()) == {label}


def test_comments_are_no_question(tmp_path):
    votes = draw_votes(SEEDS[0])
    rows = list(csv.reader(io.StringIO(mturk(votes))))
    rows = [[*row, "Answer.comments" if number == 0 else f"free {number}"] for number, row in enumerate(rows)]
    assert said(read_votes(written(tmp_path, table(rows[0], rows[1:]), "comments.csv"))) == votes


def test_questions_that_do_not_share_classes_are_asked_about(tmp_path):
    content = qualtrics(draw_votes(SEEDS[0]))
    rows = list(csv.reader(io.StringIO(content)))
    rows = [
        [*row, cell]
        for row, cell in zip(rows, ("age", "How old?", '{"ImportId":"QID77"}', "1", "30", "40", "50"), strict=True)
    ]
    path = written(tmp_path, table(rows[0], rows[1:]), "survey.csv")
    with pytest.raises(ConfigError, match="`age` has answers that no other question has") as told:
        read_votes(path)
    names = tuple(str(told.value).split("`votes=")[1].rstrip("`").split(","))
    assert read_votes(path, columns=VoteColumns(votes=names)).classes == CLASSES
    assert read_votes(path, columns=VoteColumns(ignore=("age",))).classes == CLASSES


def test_layouts_of_other_tables(tmp_path):
    votes = draw_votes(SEEDS[0])
    items = sorted(by_item(votes))
    rows = [[who, "yes", *(votes.get((item, who), "") for item in items)] for who in (*PEOPLE,)]
    path = written(tmp_path, table(["worker", "done", *items], rows), "people.csv")
    columns = VoteColumns(layout="respondents", where={"done": ("yes",)})
    assert said(read_votes(path, columns=columns)) == votes
    marks = {"cold": ["1", "0"], "warm": ["0", "1"]}
    rows = [[who, item, *marks[label]] for (item, who), label in votes.items()]
    path = written(tmp_path, table(["worker", "item", "cold", "warm"], rows), "marks.csv")
    assert said(read_votes(path, columns=VoteColumns(layout="one_column_per_class"))) == votes


def inspect_log(epochs=1):
    samples = [
        {
            "id": k,
            "epoch": epoch,
            "input": f"question {k}",
            "target": "A",
            "output": {"completion": "A" if (k + epoch) % 2 else "B"},
            "scores": {
                "choice": {"value": "C" if (k + epoch) % 2 else "I", "answer": "A" if (k + epoch) % 2 else "B"}
            },
        }
        for epoch in range(1, epochs + 1)
        for k in range(4)
    ]
    return json.dumps({"version": 2, "eval": {"model": "org/m"}, "samples": samples})


def test_logs_of_models(tmp_path):
    path = written(tmp_path, inspect_log(), "log.json")
    found = read_votes(path)
    assert said(found) == {("0", "org/m"): "A", ("1", "org/m"): "B", ("2", "org/m"): "A", ("3", "org/m"): "B"}
    assert (found.gold == found.classes.index("A")).all()
    judged = read_votes(path, columns=VoteColumns(label="correct"))
    assert judged.classes == ("C", "I")
    with pytest.raises(ConfigError, match="`label` is `answer` or `correct`"):
        read_votes(path, columns=VoteColumns(label="epoch"))
    path = written(tmp_path, inspect_log(epochs=2), "epochs.json")
    with pytest.raises(DataError, match="repeats=average"):
        read_votes(path)
    assert read_votes(path, columns=VoteColumns(repeats="all")).sources == ("org/m#1", "org/m#2")
    results = promptfoo(draw_votes(SEEDS[0]))
    judged = read_votes(written(tmp_path, results, "p.json"), columns=VoteColumns(label="correct"))
    assert judged.classes == ("false", "true")


def test_lm_eval_samples(tmp_path):
    rows = [
        {
            "doc_id": k,
            "doc": {"question": f"q{k}"},
            "target": 1,
            "filtered_resps": [[str(-2.0 + k), "False"], ["-1.0", "True"]],
            "acc": float(k < 1),
        }
        for k in range(3)
    ]
    path = written(tmp_path, lines(rows), "samples_arc.jsonl")
    found = read_votes(path, columns=VoteColumns(one_source="m"))
    odds = np.exp([[-2, -1], [-1, -1], [0, -1]])
    np.testing.assert_allclose(found.probs, odds / odds.sum(axis=1, keepdims=True))
    assert found.gold.tolist() == [1, 1, 1]
    judged = read_votes(path, columns=VoteColumns(label="correct"))
    assert said(judged) == {(str(k), "samples_arc"): str(k < 1).lower() for k in range(3)}
    answers = [("strict", "72"), ("strict", "7"), ("loose", "72"), ("loose", "8")]
    texts = [
        {"doc_id": k % 2, "doc": {}, "target": "72", "filter": name, "filtered_resps": [answer], "exact_match": 1.0}
        for k, (name, answer) in enumerate(answers)
    ]
    path = written(tmp_path, lines(texts), "gsm.jsonl")
    found = read_votes(path)
    assert said(found) == {("0", "gsm"): "72", ("1", "gsm"): "7"}
    assert any("filters `strict`, `loose`" in note for note in found.notes)
    loose = read_votes(path, columns=VoteColumns(where={"filter": ("loose",)}))
    assert said(loose) == {("0", "gsm"): "72", ("1", "gsm"): "8"}


def test_argilla_version_1(tmp_path):
    rows = [
        {
            "id": "r1",
            "text": "t",
            "annotation": "good",
            "annotation_agent": "ada",
            "prediction": [["bad", 0.75], ["good", 0.25]],
            "prediction_agent": "m",
            "status": "Validated",
        }
    ]
    found = read_votes(written(tmp_path, lines(rows), "old.jsonl"))
    assert said(found) == {("r1", "ada"): "good", ("r1", "m"): "bad"}
    np.testing.assert_allclose(found.probs[found.source == found.sources.index("m")], [[0.75, 0.25]])


SHARED = Path(__file__).parents[2].parent / "shared" / "cases"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize(
    ("name", "options", "n_items", "sources", "classes", "n_votes", "n_gold"),
    [
        (("doccano/ann.jsonl", "doccano/bo.jsonl"), {}, 12, ("ann", "bo"), ("neg", "pos"), 24, 0),
        (("doccano/joined.jsonl",), {}, 12, ("ann", "bo"), ("neg", "pos"), 24, 0),
        (("ls_same_user_twice/export.json",), {"repeats": "last"}, 10, ("1", "2"), ("Neg", "Pos"), 20, 0),
        (("mturk_batch/Batch_1_batch_results.csv",), {}, 30, ("A0", "A1", "A2"), ("Negative", "Positive"), 81, 0),
        (("ocs_pivot/annotations.csv",), {"label": "tone"}, 8, 3, ("cold", "warm"), 24, 0),
        (("ocs_pivot/one_field.csv",), {}, 8, 3, ("cold", "warm"), 24, 0),
        (("potato_tsv/annotated_instances.tsv",), {}, 12, 3, ("negative", "positive"), 36, 0),
        (("prodigy_choice/db-out.jsonl",), {}, 12, ("db-alice", "db-bob", "db-cara"), ("NEG", "POS"), 35, 0),
        (("qualtrics/survey.csv",), {}, 6, 8, ("Polite", "Rude"), 48, 0),
        (("repeated_samples/votes.csv",), {"repeats": "average"}, 10, ("gpt", "claude"), ("no", "yes"), 20, 0),
        (("repeated_samples/votes.csv",), {"repeats": "all"}, 10, 6, ("no", "yes"), 60, 0),
        (("toloka_tsv/assignments.tsv",), {}, 20, ("W0", "W1", "W2"), ("cat", "dog"), 60, 6),
    ],
)
def test_the_shared_cases(name, options, n_items, sources, classes, n_votes, n_gold):
    found = read_votes([SHARED / one for one in name], columns=VoteColumns(**options))
    assert (len(found.items), found.n_votes, (found.gold >= 0).sum()) == (n_items, n_votes, n_gold)
    assert found.classes == classes
    assert found.sources == sources or len(found.sources) == sources
