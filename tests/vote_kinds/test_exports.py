"""Exports of platforms whose votes are scores, sets of labels or spans, as tables for the readers of these kinds."""

import json

import pytest

from outgrow.errors import DataError
from outgrow.readers.read_votes import read_votes
from outgrow.vote_kinds.exports import kind_of_export
from outgrow.vote_kinds.table_rows import TableColumns, open_source


def written(folder, name, content):
    path = folder / name
    path.write_text(content)
    return path


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def label_studio(values, **more):
    """A task per item: who says what; a value is the content of a result, None a cancelled annotation."""

    def annotation(who, value):
        result = [] if value is None else [{"from_name": "q", "value": value}]
        return {"completed_by": who, "was_cancelled": value is None, "result": result}

    return json.dumps(
        [
            {"id": item, "data": {"text": "t"}, "annotations": [annotation(*one) for one in said.items()], **more}
            for item, said in values.items()
        ]
    )


def cells(path, *columns):
    table = open_source(path, TableColumns())
    return [tuple(row[name] for name in columns) for row in table.read(table.columns).to_pylist()]


def test_several_choices_are_sets_of_labels(tmp_path):
    sets = {1: {"u": {"choices": ["a", "b"]}, "v": {"choices": []}}, 2: {"u": {"choices": ["a"]}, "v": None}, 3: {}}
    path = written(tmp_path, "export.json", label_studio(sets))
    assert kind_of_export(path) == "multi_label"
    found = cells(path, "item", "source", "label")
    assert found == [(1, "u", ["a", "b"]), (1, "v", []), (2, "u", ["a"])]
    with pytest.raises(DataError, match=r"an answer has 2 labels.*--kind multi_label"):
        read_votes(path)


def test_ratings_are_scores(tmp_path):
    scores = {1: {"u": {"rating": 3}, "v": {"rating": 4}}, 2: {"u": {"number": 5}}}
    path = written(tmp_path, "export.json", label_studio(scores))
    assert kind_of_export(path) == "scores"
    assert cells(path, "item", "source", "score") == [(1, "u", 3), (1, "v", 4), (2, "u", 5)]
    assert read_votes(path).classes == ("3", "4", "5")


SPANS = [("1", "u", 0, 4, "PER"), ("1", "u", 6, 9, "LOC"), ("1", "v", None, None, None), ("2", "u", 0, 2, "LOC")]


def of_label_studio(folder):
    def value(start, end, label):
        return {"start": start, "end": end, "text": "x", "labels": [label]}

    def result(*spans):
        return [{"from_name": "q", "type": "labels", "value": value(*span)} for span in spans]

    tasks = [
        {
            "id": "1",
            "data": {},
            "annotations": [
                {"completed_by": "u", "result": result((0, 4, "PER"), (6, 9, "LOC"))},
                {"completed_by": "v", "result": []},
                {"completed_by": "w", "was_cancelled": True, "result": []},
            ],
        },
        {"id": "2", "data": {}, "annotations": [{"completed_by": "u", "result": result((0, 2, "LOC"))}]},
    ]
    return written(folder, "export.json", json.dumps(tasks))


def of_label_studio_rows(folder):
    def row(item, who, *spans):
        marked = [{"start": start, "end": end, "labels": [label]} for start, end, label in spans]
        return {"text": "t", "id": item, "q": marked, "annotator": who, "annotation_id": 1, "lead_time": 1.5}

    rows = [row("1", "u", (0, 4, "PER"), (6, 9, "LOC")), row("1", "v"), row("2", "u", (0, 2, "LOC"))]
    return written(folder, "export.json", json.dumps(rows))


def of_prodigy(folder):
    def row(item, who, answer, *spans):
        marked = [{"start": start, "end": end, "label": label} for start, end, label in spans]
        return {"text": "t", "_input_hash": item, "spans": marked, "answer": answer, "_annotator_id": who}

    rows = [
        row("1", "u", "accept", (0, 4, "PER"), (6, 9, "LOC")),
        row("1", "v", "accept"),
        row("1", "w", "ignore"),
        row("2", "u", "accept", (0, 2, "LOC")),
    ]
    return written(folder, "export.jsonl", lines(rows))


def of_doccano(folder, entities=False):
    def marked(*spans):
        if entities:
            return {
                "entities": [dict(zip(("start_offset", "end_offset", "label"), span, strict=True)) for span in spans]
            }
        return {"label": [list(span) for span in spans]}

    rows = [("1", "u", (0, 4, "PER"), (6, 9, "LOC")), ("1", "v"), ("2", "u", (0, 2, "LOC"))]
    return written(
        folder,
        "export.jsonl",
        lines({"id": i, "text": "t", "annotator": who, "Comments": [], **marked(*s)} for i, who, *s in rows),
    )


def of_doccano_entities(folder):
    return of_doccano(folder, entities=True)


@pytest.mark.parametrize("write", [of_label_studio, of_label_studio_rows, of_prodigy, of_doccano, of_doccano_entities])
def test_spans_of_every_platform(tmp_path, write):
    path = write(tmp_path)
    assert kind_of_export(path) == "spans"
    assert cells(path, "item", "source", "start", "end", "label") == SPANS
    with pytest.raises(DataError, match="spans, not classes; `--kind spans` reads them"):
        read_votes(path)


def test_marks_of_several_choices(tmp_path):
    header = "user\tinstance_id\tdisplayed_text\tq:::a\tq:::b"
    path = written(tmp_path, "p.tsv", f"{header}\nu\t1\tt\ttrue\ttrue\nv\t1\tt\t\t\nu\t2\tt\t\ttrue\n")
    assert kind_of_export(path) == "multi_label"
    assert cells(path, "item", "source", "label") == [("1", "u", ["a", "b"]), ("1", "v", []), ("2", "u", ["b"])]


def test_rejected_rows_gold_and_names_of_columns(tmp_path):
    header = "INPUT:t\tOUTPUT:q\tGOLDEN:q\tASSIGNMENT:worker_id\tASSIGNMENT:status"
    rows = "1\tx\tx\tu\tAPPROVED\n1\ty\t\tv\tAPPROVED\n1\ty\t\tw\tREJECTED\n"
    path = written(tmp_path, "t.tsv", f"{header}\n{rows}")
    assert cells(path, "item", "source", "label", "gold") == [("1", "u", "x", "x"), ("1", "v", "y", "x")]
    table = open_source(path, TableColumns(item="INPUT:t"))
    assert "INPUT:t" in table.columns
    assert table.place(1) == f"{path}, line 3"


def test_other_files_are_no_exports(tmp_path):
    plain = written(tmp_path, "plain.csv", "item,worker,label\n1,u,a\n")
    assert kind_of_export(plain) is None
    assert kind_of_export(tmp_path / "missing.csv") is None
    assert kind_of_export([{"item": 1, "label": "a"}]) is None
    assert open_source(plain, TableColumns()).columns == ["item", "worker", "label"]
