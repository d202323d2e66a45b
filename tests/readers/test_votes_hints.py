"""Every hint of a message can be typed as it stands, and leads on: to votes, or to the next question."""

import json
import re
from pathlib import Path

import pytest

from outgrow.config.load import read_section
from outgrow.config.messages import FileLocation
from outgrow.config.votes import VoteColumns
from outgrow.errors import OutgrowError
from outgrow.readers.read_votes import read_votes
from outgrow.vote_table import VoteTable

SHARED = Path(__file__).parents[2].parent / "shared" / "cases"
HINT = re.compile(r"`((?:\w+|where\.[^`=]+|where)=[^`]+)`|`(--renormalise)`")
LONGEST = 6
"""Questions that one file may ask."""


def lines(*rows):
    return "".join(f"{row}\n" for row in rows)


ITEMS = range(30)
FOUR = [(i, j) for i in ITEMS for j in range(4)]
HIT = "H{0},W{1},{2},Mon Mar 04 10:00:0{1} PST 2024,{3}"
DAY = "2026-07-15"


def choice(i, j):
    return "ab"[(i * j) % 2]


MADE = {
    "scores.csv": lines("item,rater,score", *(f"{i},r{j},{(37 * i + 11 * j) % 101}" for i, j in FOUR)),
    "preferences.csv": lines(
        "prompt_id,judge,preference", *(f"{i},j{j},{1 + (i + j) % 2 + 0.00021 * (i % 3)}" for i, j in FOUR)
    ),
    "hits.csv": lines(
        "HITId,WorkerId,AssignmentStatus,AcceptTime,mood.label",
        *(HIT.format(i, j, "Approved" if (i + j) % 7 else "Rejected", choice(i, j)) for i, j in FOUR),
    ),
    "wide.csv": lines(
        "id,aspect,ann,bo,cy,checked_by,annotated_at",
        *(f"{i},tone,{choice(i, 1)},{choice(i, 3)},a,{'ann' if i % 2 else ''},{DAY}" for i in ITEMS),
    ),
    "counts.csv": lines("id,spam,ham", *(f"{i},{i % 6},{5 - i % 6}" for i in ITEMS)),
    "turns.csv": lines("question_id,turn,judge,winner", *(f"{i},{t},g,{choice(i, 1)}" for i in ITEMS for t in (1, 2))),
    "samples.csv": lines("item,judge,verdict", *(f"{i // 3},g,{'ab'[i % 5 == 0]}" for i in ITEMS)),
    "dates.csv": lines("item,worker,label", *(f"{i},w{j},2024-03-0{1 + (i + j) % 5}" for i, j in FOUR)),
    "texts.csv": lines("item,worker,answer", *(f"{i},w{j},reply {i} {j % 2}" for i, j in FOUR)),
    "one.csv": lines("id,label", *(f"{i},{choice(i, 1)}" for i in ITEMS)),
    "index.csv": lines(",who,what,thing", *(f"{i},w{i % 3},{choice(i, 1)},t{i // 3}" for i in ITEMS)),
    "frame.csv": lines(",ann,bo,cy", *(f"{i},{choice(i, 1)},{choice(i, 3)},{choice(i, 5)}" for i in ITEMS)),
    "models.csv": lines(
        "prompt,response,gpt_label,claude_label", *(f"p {i},r {i},{choice(i, 1)},{choice(i, 3)}" for i in ITEMS)
    ),
    "beside.csv": lines("id,label,ann,bo", *(f"{i},{choice(i, 1)},{choice(i, 1)},{choice(i, 3)}" for i in ITEMS)),
    "marks.tsv": lines(
        "user\tinstance\tm:::a\tm:::b",
        *(f"u{i % 3}\t{i // 3}\t{'true' if i % 2 else ''}\t{'' if i % 2 else 'true'}" for i in ITEMS),
    ),
    "nested.jsonl": lines(*(json.dumps({"uid": i, "shares": {"e": 1, "n": 2}, "majority": "n"}) for i in ITEMS)),
    "columns.tsv": lines(
        "IN:image\tOUT:result\tW:worker_id\tA:status",
        *(f"{i // 3}.jpg\t{choice(i, 1)}\tW{i % 3}\t{'APPROVED' if i % 4 else 'REJECTED'}" for i in ITEMS),
    ),
}


def asked(path, words, renormalise):
    """What comes of reading: a table or a question."""
    try:
        columns = read_section(VoteColumns, {}, words, FileLocation("columns"))
        return read_votes(path, columns=columns, renormalise=renormalise)
    except OutgrowError as error:
        return str(error)


def followed(path, words=(), renormalise=False, depth=0):
    """All that comes of following every hint in turn."""
    found = asked(path, words, renormalise)
    if isinstance(found, VoteTable):
        yield found
        return
    assert depth < LONGEST, f"{path.name} still asks after {words}: {found}"
    hints = [tuple(re.split(" (?=where)", one)) for one, _ in HINT.findall(found) if one]
    scaled = renormalise or "--renormalise" in found
    for hint in hints:
        later = asked(path, (*words, *hint), scaled)
        assert later != found, f"{path.name}: `{hint}` after {words} changes nothing: {found}"
        if isinstance(later, str):
            assert "override" not in later, later
        yield from followed(path, (*words, *hint), scaled, depth + 1)


def test_of_every_made_file_some_hints_lead_to_votes(tmp_path):
    for name, content in MADE.items():
        path = tmp_path / name
        path.write_text(content)
        first = asked(path, (), False)
        assert isinstance(first, str), f"{name} was read without a question"
        assert HINT.search(first), first
        assert any(isinstance(one, VoteTable) for one in followed(path)), name


@pytest.mark.parametrize(
    ("name", "columns"),
    [("frame.csv", "ann,bo,cy"), ("models.csv", "gpt_label,claude_label"), ("beside.csv", "ann,bo")],
)
def test_columns_of_the_same_classes_are_offered_as_sources(tmp_path, name, columns):
    (tmp_path / name).write_text(MADE[name])
    told = asked(tmp_path / name, (), False)
    assert f"`votes={columns}`" in told
    assert "`source=" not in told
    found = asked(tmp_path / name, (f"votes={columns}",), False)
    assert found.n_votes == len(ITEMS) * len(columns.split(","))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases are not here")
def test_hints_on_the_shared_cases_lead_on():
    files = [one for one in sorted(SHARED.glob("*/*")) if one.suffix in (".csv", ".tsv", ".jsonl", ".json")]
    for path in files:
        for found in followed(path):
            assert found.n_votes


def test_a_spreadsheet_of_annotators_is_told_how_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    names = [f"Annotator {number}" for number in range(12)]
    path.write_text(lines(",".join(["Photo", "Remarks", *names]), *(
        ",".join([f"p{i}.jpg", f"seen {i}", *(choice(i, j) for j in range(12))]) for i in ITEMS
    )))  # fmt: skip
    with pytest.raises(OutgrowError) as caught:
        read_votes(path)
    assert "`layout=wide`" in str(caught.value)
    table = read_votes(path, columns=VoteColumns(layout="wide", item="Photo", ignore=("Remarks",)))
    assert table.sources == tuple(names)
