"""Reading files: every format gives the same rows, and every defect is named with its place."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.errors import DataError
from outgrow.readers.open_table import data_files, read_table

ROWS = [{"text": "Über uns,\nzwei Zeilen", "label": "a"}, {"text": 'sagt "ja"\u2028doch', "label": "b"}]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_every_format_gives_the_same_rows(tmp_path):
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, tmp_path / "x.parquet")
    for name, new in {"stream.arrow": pa.ipc.new_stream, "file.arrow": pa.ipc.new_file}.items():
        with new(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    write(tmp_path / "x.jsonl", lines)
    write(tmp_path / "lines.json", lines)
    write(tmp_path / "list.json", json.dumps(ROWS))
    write(tmp_path / "x.jsonl.gz", gzip.compress(lines.encode()))
    write(tmp_path / "x.csv", 'text,label\r\n"Über uns,\nzwei Zeilen",a\r\n"sagt ""ja""\u2028doch",b\r\n')
    write(tmp_path / "x.tsv", 'text\tlabel\n"Über uns,\nzwei Zeilen"\ta\n"sagt ""ja""\u2028doch"\tb\n')
    write(tmp_path / "notes.txt", "not data")
    files = data_files(tmp_path)
    assert len(files) == 9
    for path in files:
        assert read_table(path).rows == ROWS, path


def test_byte_order_mark_is_skipped(tmp_path):
    path = write(tmp_path / "x.csv", b"\xef\xbb\xbftext,label\nhello,a\n")
    assert read_table(path).columns == ["text", "label"]


def test_lines_are_numbered_as_an_editor_does(tmp_path):
    path = write(tmp_path / "x.csv", 'text,label\n\n"one\ntwo",a\nthree,b\n')
    table = read_table(path)
    assert [table.place(row) for row in (1, 0)] == [f"{path}, line 5", f"{path}, line 3"]
    path = write(tmp_path / "x.jsonl", '\n{"text": 1}\n\n{"text": 2}\n')
    assert [read_table(path).place(i) for i in (0, 1)] == [f"{path}, line 2", f"{path}, line 4"]


def test_headerless_tsv_keeps_its_quotes(tmp_path):
    path = write(tmp_path / "x.tsv", 'He said "no"\tx\n"open\ty\n')
    assert read_table(path, header=("text", "label")).rows[1] == {"text": '"open', "label": "y"}


def test_nan_of_pandas_is_a_missing_value(tmp_path):
    assert read_table(write(tmp_path / "x.jsonl", '{"text": "a", "label": NaN}')).rows[0]["label"] is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", '{"text": "a"}\n{"text": \n', "line 2: not valid JSON"),
        ("x.jsonl", '{"text": "a"}\n[1, 2]\n', "line 2: needs an object"),
        ("x.jsonl", b'{"text": "a"}\n{"text": "\xff"}', "line 2: byte 24 .0xff. is not UTF-8"),
        ("x.jsonl", b"\xef\xbb\xbf\xfe", "byte 3 .0xfe. is not UTF-8"),
        ("x.csv", "text,label\n".encode("utf-16"), "UTF-16"),
        ("x.csv", "text,label\na,b\nc\n", "line 3: 1 cell for 2 columns"),
        ("x.csv", 'text,label\n"a"b,c\n', "line 2: not valid CSV"),
        ("x.csv", 'text,label\na,b\n"never closed,c\n', "line 3: not valid CSV"),
        ("x.csv", "text,text\na,b\n", "2 columns are called `text`"),
        ("x.json", "[1, 2", "not valid JSON"),
        ("x.json", "[" * 100_000, "cannot be read|not valid JSON"),
        ("x.jsonl", '{"a": ' + "9" * 5000 + "}", "line 1: JSON that cannot be read"),
        ("x.parquet", b"PAR1 nonsense PAR1", "not a readable parquet file"),
        ("x.arrow", b"nonsense", "not a readable arrow file"),
        ("x.jsonl.gz", b"nonsense", "cannot be read"),
        ("x.xlsx", b"PK", "`.xlsx` is an unknown format"),
    ],
)
def test_defects_are_named_with_their_place(tmp_path, name, content, message):
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=message) as caught:
        _ = read_table(path).rows
    assert str(path) in str(caught.value)


def test_missing_file_suggests_its_neighbour(tmp_path):
    write(tmp_path / "reviews.csv", "text,label\n")
    with pytest.raises(DataError, match=r"no such file; did you mean `reviews.csv`"):
        read_table(tmp_path / "review.csv")
    with pytest.raises(DataError, match="there is no folder"):
        read_table(tmp_path / "nowhere" / "review.csv")
