"""Damaged files: a `VoteTable` or a sentence, nothing else."""

import json

import numpy as np
import pandas as pd
import pytest

from drawn_seeds import SEEDS
from outgrow.config.votes import VoteColumns
from outgrow.errors import OutgrowError
from outgrow.readers.read_votes import read_votes
from outgrow.vote_table import VoteTable

ROUNDS = 60


def long_rows(draw):
    return [
        {
            "item": int(item),
            "worker": f"wörker, {source}",
            "label": ["ham", "spam"][int(draw.integers(2))],
            "confidence": round(float(draw.uniform(0.5, 1)), 2),
            "comment": 'said "so"\nat once',
        }
        for item in range(12)
        for source in range(3)
    ]


def soft_rows(draw):
    probs = draw.dirichlet([1, 1], size=36)
    return [
        {"item": at // 3, "worker": at % 3, "probs": {"a": p[0], "b": p[1]}} for at, p in enumerate(probs.tolist())
    ]


def tasks(draw):
    def annotation(who):
        value = {"choices": ["good" if draw.random() < 0.5 else "bad"]}
        return {"completed_by": who, "result": [{"from_name": "q", "type": "choices", "value": value}]}

    return [{"id": at, "data": {}, "annotations": [annotation(1), annotation(2)]} for at in range(10)]


def records(draw):
    def answer(who):
        return {"value": ["a", "b"][int(draw.integers(2))], "user_id": who, "status": "submitted"}

    return [{"id": at, "fields": {"text": "t"}, "responses": {"q": [answer("u"), answer("v")]}} for at in range(10)]


def good_file(kind, draw, folder):
    path = folder / kind
    name = kind.split(".")[0]
    if name == "matrix":
        matrix = draw.integers(-1, 3, size=(20, 4))
        if kind.endswith(".npy"):
            np.save(path, matrix)
        else:
            np.savetxt(path, matrix, fmt="%d", delimiter=",")
        return path
    rows = {"long": long_rows, "soft": soft_rows, "tasks": tasks, "records": records}[name](draw)
    if kind.endswith(".csv"):
        frame = pd.DataFrame(rows)
        (frame.assign(probs=frame["probs"].map(json.dumps)) if name == "soft" else frame).to_csv(path, index=False)
    elif kind.endswith(".parquet"):
        pd.DataFrame(rows).to_parquet(path)
    elif kind.endswith(".arrow"):
        pd.DataFrame(rows).to_feather(path, compression="uncompressed")
    else:
        path.write_text(json.dumps(rows) if kind.endswith(".json") else "\n".join(json.dumps(row) for row in rows))
    return path


def cut(raw, draw):
    return raw[: int(draw.integers(len(raw)))]


def flip(raw, draw):
    out = bytearray(raw)
    for at in draw.integers(len(raw), size=draw.integers(1, 4)).tolist():
        out[at] ^= 1 << int(draw.integers(8))
    return bytes(out)


def drop_marks(raw, draw):
    marks = [at for at, byte in enumerate(raw) if byte in b',"{}[]:\n']
    at = marks[int(draw.integers(len(marks)))] if marks else 0
    return raw[:at] + raw[at + 1 :]


def double_lines(raw, draw):
    lines = raw.split(b"\n")
    at = int(draw.integers(len(lines)))
    return b"\n".join([*lines[: at + 1], *lines[at:]])


def insert(raw, draw):
    at = int(draw.integers(len(raw) + 1))
    piece = [b"\0", b"\xff", b'"', b",", b"\r", b"nan", b"\xef\xbb\xbf", b"-1", b"null", b"\n\n"]
    return raw[:at] + piece[int(draw.integers(len(piece)))] + raw[at:]


def swap_pieces(raw, draw):
    one, two = sorted(draw.integers(len(raw) + 1, size=2).tolist())
    return raw[:one] + raw[two:] + raw[one:two]


DAMAGE = [cut, flip, drop_marks, double_lines, insert, swap_pieces]
KINDS = ["long.csv", "long.jsonl", "long.json", "long.parquet", "long.arrow", "soft.csv", "soft.jsonl", "soft.parquet"]
KINDS += ["matrix.npy", "matrix.csv", "tasks.json", "tasks.jsonl", "records.json", "records.parquet"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", SEEDS[:1])
def test_a_damaged_file_is_read_or_refused(tmp_path, kind, seed):
    draw = np.random.default_rng([seed, KINDS.index(kind)])
    columns = VoteColumns(layout="matrix") if kind == "matrix.csv" else VoteColumns()
    path = good_file(kind, draw, tmp_path)
    whole = path.read_bytes()
    assert isinstance(read_votes(path, columns=columns), VoteTable)
    found = []
    for number in range(ROUNDS):
        path.write_bytes(DAMAGE[number % len(DAMAGE)](whole, draw))
        found.append(read_or_refused(path, columns, renormalise=number % 2 == 0))
    complaints = [one for one in found if isinstance(one, str)]
    assert len(complaints) >= ROUNDS // 10
    assert all(str(path) in one and len(one) < 1000 for one in complaints)
    assert all(sound(one) for one in found if isinstance(one, VoteTable))


def read_or_refused(path, columns, renormalise):
    try:
        return read_votes(path, columns=columns, renormalise=renormalise)
    except OutgrowError as error:
        return str(error)


def sound(table):
    """Whether a table keeps its promises, whatever the file was."""
    pairs = set(zip(table.item.tolist(), table.source.tolist(), strict=True))
    assert len(pairs) == table.n_votes > 0
    assert len(set(table.items)) == len(table.items)
    assert len(set(table.classes)) == table.n_classes >= 2
    assert ((table.label >= 0) & (table.label < table.n_classes)).all()
    if table.probs is not None:
        assert np.allclose(table.probs.sum(axis=1), 1)
        assert (table.probs >= 0).all()
    return True
