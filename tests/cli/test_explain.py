"""`outgrow labels FILE --explain`, and several files on the command line."""

import json
from pathlib import Path

import pytest

from outgrow.cli.vote_commands import combine, labels

FILE = Path(__file__).parents[2] / "examples" / "data" / "ticket_votes.csv"


def test_explain_shows_every_column_and_no_report(capsys: pytest.CaptureFixture[str]) -> None:
    labels(FILE, explain=True)
    shown = capsys.readouterr().out.splitlines()
    columns = FILE.read_text().split("\n", 1)[0].split(",")
    assert [line.split()[0] for line in shown] == [str(FILE), *columns]
    assert "the only column without another role; to change it: item=OTHER" in shown[1 + columns.index("ticket")]
    labels(FILE, ["label=worker", "source=label"], explain=True, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    roles = {use["column"]: (use["role"], use["reason"]) for use in found["columns"]}
    assert roles["worker"] == ("label", "named by `label`")


def test_words_without_an_equals_sign_are_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header, *rows = FILE.read_text().splitlines()
    for name, part in (("one", rows[::2]), ("two", rows[1::2])):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *part]) + "\n")
    written = []
    for file, words in ((FILE, []), (tmp_path / "one.csv", [str(tmp_path / "two.csv"), "abstain=none"])):
        combine(file, words, method="vote", output=tmp_path / "out.csv", calibrate=False)
        written.append(sorted((tmp_path / "out.csv").read_text().splitlines()))
    assert written[0] == written[1]
    assert f"{len(rows)} votes" in capsys.readouterr().out


def test_columns_of_scores_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("doc,rater,score,note\n1,u,3.5,n\n2,u,1.5,m\n1,v,2.25,o\n")
    labels(path, explain=True, kind="scores", as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert [use["role"] for use in found["columns"]] == ["item", "source", "score", "not used"]
    ratings = [
        {"id": k, "annotations": [{"completed_by": 1, "result": [{"from_name": "q", "value": {"rating": k}}]}]}
        for k in (1, 2)
    ]
    (tmp_path / "export.json").write_text(json.dumps(ratings))
    labels(tmp_path / "export.json", explain=True, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert {
        "column": "annotations[].completed_by",
        "role": "source",
        "reason": "an export of Label Studio",
        "option": "",
    } in found["columns"]
