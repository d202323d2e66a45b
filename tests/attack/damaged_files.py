"""Damaged files of votes, texts and items: each is read, or refused in one sentence; no traceback, crash or hang.

Every input is drawn from the seed and its number. Inputs are read in a process of their own, as some damage ends a
process; it starts anew after each failure.
"""

import gzip
import io
import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from failure import Failure

SHARED = Path(__file__).parents[2].parent / "shared" / "cases"
SECONDS = 60.0
"""For one input; reading takes some hundredths."""
LONGEST_SENTENCE = 2000


def run(count: int, seed: int = 0) -> tuple[int, list[Failure]]:
    """Read `count` damaged files; how many, and what was wrong."""
    whole, failures, at = good_files(), [], 0
    while at < count:
        for number, what in _readings(at, count, seed):
            at = number + 1
            if what:
                kind, raw = damaged_file(whole, seed, number)
                failures.append(Failure(f"damaged {kind}", seed, number, what, raw, kind))
    return count, failures


def damaged_file(whole: Mapping[str, bytes], seed: int, number: int) -> tuple[str, bytes]:
    """The kind of an input, which is its name as well, and what is in it; `whole` are the `good_files`."""
    draw = np.random.default_rng([seed, number])
    kind, raw = list(whole.items())[number % len(whole)]
    packed = kind.endswith(".gz")
    raw = gzip.decompress(raw) if packed and draw.random() < 0.8 else raw
    for _ in range(int(draw.integers(1, 4))):
        raw = DAMAGE[int(draw.integers(len(DAMAGE)))](raw, draw)
    return kind, gzip.compress(raw, mtime=0) if packed and not raw.startswith(b"\x1f\x8b") else raw


def _readings(first: int, end: int, seed: int) -> Iterator[tuple[int, str]]:
    """Numbers of inputs with what went wrong (empty = nothing), until the process that reads them ends."""
    command = [sys.executable, "-W", "error", __file__, str(first), str(end), str(seed)]
    with tempfile.TemporaryFile() as told, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told) as process:
        assert process.stdout is not None
        for number in range(first, end):
            limit = SECONDS + (60 if number == first else 0)  # the imports
            ready = select.select([process.stdout], [], [], limit)[0]
            line = process.stdout.readline().decode() if ready else ""
            if line:
                yield number, json.loads(line)
                continue
            process.kill()
            process.wait()
            told.seek(0)
            ended = f"the process ended with {process.returncode}: {told.read()[-400:].decode(errors='replace')}"
            yield number, ended if ready else f"took longer than {limit:g} s"
            return


def read_all(first: int, end: int, seed: int) -> None:
    """What the process of its own does: a line for every input."""
    whole, out = good_files(), os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, end):
            kind, raw = damaged_file(whole, seed, number)
            path = Path(folder) / f"{number}.{kind.replace('/', '_')}"
            path.write_bytes(raw)
            out.write(json.dumps(complaint_about(path, np.random.default_rng([seed, number, 1]))) + "\n")
            out.flush()
            path.unlink()


def complaint_about(path: Path, draw: np.random.Generator) -> str:
    """What is wrong with how a file is read, in every way in which it may be; empty where nothing is."""
    from outgrow.config.votes import VoteColumns
    from outgrow.errors import OutgrowError
    from outgrow.readers.open_table import read_columns, read_table
    from outgrow.readers.read_texts import read_texts
    from outgrow.readers.read_votes import read_votes, sources_of
    from outgrow.text_format import harmless

    matrix = VoteColumns(layout="matrix") if "matrix" in path.name else VoteColumns()
    ways: list[Callable[[], object]] = [
        lambda: read_votes(path, columns=matrix, renormalise=bool(draw.integers(2))),
        lambda: sources_of(path, matrix, "ada"),
        lambda: read_texts(path),
        lambda: read_table(path),
        lambda: read_columns(path),
    ]
    for way in ways[: 1 if draw.random() < 0.5 else None]:
        try:
            found = way()
        except OutgrowError as error:
            text = str(error)
            if len(text) > LONGEST_SENTENCE or harmless(text) != text:
                return f"a sentence of {len(text)} letters, or with odd ones: {text[:300]!r}"
        except BaseException as error:  # whatever it is, it is no sentence
            return f"{type(error).__name__}: {str(error)[:300]}"
        else:
            wrong = unsound(found)
            if wrong:
                return wrong
    return ""


def unsound(found: object) -> str:
    """What a table of votes does not keep of its promises."""
    from outgrow.vote_table import VoteTable

    if not isinstance(found, VoteTable):
        return ""
    pairs = set(zip(found.item.tolist(), found.source.tolist(), strict=True))
    promises = {
        "no vote": found.n_votes > 0,
        "a source votes twice on an item": len(pairs) == found.n_votes,
        "two items of one name": len(set(found.items)) == len(found.items),
        "classes": len(set(found.classes)) == found.n_classes >= 2,
        "an unknown class": bool(((found.label >= 0) & (found.label < found.n_classes)).all()),
        "no distributions": found.probs is None
        or bool(np.allclose(found.probs.sum(axis=1), 1) and (found.probs >= 0).all()),
    }
    return "; ".join(f"a table with {what}" for what, kept in promises.items() if not kept)


def good_files() -> dict[str, bytes]:
    """Whole files of every kind, by name; the shared cases too where they are."""
    draw = np.random.default_rng(7)
    long = [
        {
            "item": i,
            "worker": f"wörker {j}",
            "label": "ab"[int(draw.integers(2))],
            "confidence": 0.75,
            "comment": "x, y",
        }
        for i in range(12)
        for j in range(3)
    ]
    soft = [{"item": i, "worker": j, "probs": {"a": 0.25, "b": 0.75}} for i in range(12) for j in range(3)]
    wide = [{"id": i, "ann": "xy"[i % 2], "bo": "xy"[i % 3 == 0], "text": f"words {i}"} for i in range(12)]
    made = {
        "long.csv": _csv(long),
        "long.csv.gz": gzip.compress(_csv(long)),
        "wide.csv": _csv(wide),
        "wide.tsv": _csv(wide, "\t"),
        "soft.csv": _csv([{**row, "probs": json.dumps(row["probs"])} for row in soft]),
        "matrix.csv": b"".join(b"0,1,-1,%d\n" % (i % 2) for i in range(12)),
        "matrix.npy": _array(draw.integers(-1, 3, size=(12, 4))),
        "probs.npy": _array(draw.dirichlet(np.ones(3), size=12)),
        "long.jsonl": _lines(long),
        "soft.jsonl": _lines(soft),
        "wide.json": json.dumps(wide).encode(),
        "tasks.json": json.dumps([_task(i) for i in range(8)]).encode(),
        "tasks.jsonl": _lines([_task(i) for i in range(8)]),
        "records.json": json.dumps([_record(i) for i in range(8)]).encode(),
        "older.json": json.dumps([_older_record(i) for i in range(8)]).encode(),
        "rules.json": json.dumps({str(i): {"label": i % 2, "weak_labels": [i % 2, -1, 0]} for i in range(8)}).encode(),
        "long.parquet": _frame(long, "to_parquet"),
        "soft.parquet": _frame(soft, "to_parquet"),
        "long.arrow": _frame(long, "to_feather"),
    }
    cases = [path for path in sorted(SHARED.glob("*/*")) if path.suffix in (".csv", ".tsv", ".json", ".jsonl")]
    small = [path for path in cases if path.stat().st_size < 20_000]
    return made | {f"{path.parent.name}/{path.name}": path.read_bytes() for path in small}


def _csv(rows: list[dict[str, object]], comma: str = ",") -> bytes:
    return pd.DataFrame(rows).to_csv(index=False, sep=comma).encode()


def _lines(rows: list[dict[str, object]]) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def _array(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _frame(rows: list[dict[str, object]], way: str) -> bytes:
    file = io.BytesIO()
    getattr(pd.DataFrame(rows), way)(file)
    return file.getvalue()


def _task(number: int) -> dict[str, object]:
    result = [{"from_name": "q", "type": "choices", "value": {"choices": ["good" if number % 2 else "bad"]}}]
    annotations = [{"completed_by": who, "lead_time": 1.5, "result": result} for who in (1, 2)]
    return {"id": number, "data": {"text": "t"}, "annotations": annotations}


def _record(number: int) -> dict[str, object]:
    answers = [{"value": "ab"[number % 2], "user_id": who, "status": "submitted"} for who in "uv"]
    suggestion = {"value": "a", "score": 0.7, "agent": "m"}
    return {"id": f"r{number}", "fields": {}, "responses": {"q": answers}, "suggestions": {"q": suggestion}}


def _older_record(number: int) -> dict[str, object]:
    responses = [{"user_id": who, "status": "submitted", "values": {"q": {"value": "ab"[number % 2]}}} for who in "uv"]
    return {"id": number, "fields": {}, "responses": responses, "suggestions": []}


Draw = np.random.Generator


def _at(raw: bytes, draw: Draw) -> int:
    return int(draw.integers(len(raw) + 1))


def cut(raw: bytes, draw: Draw) -> bytes:
    return raw[: _at(raw, draw)]


def flip(raw: bytes, draw: Draw) -> bytes:
    out = bytearray(raw)
    for at in draw.integers(len(raw), size=int(draw.integers(1, 5))).tolist() if raw else []:
        out[at] ^= 1 << int(draw.integers(8))
    return bytes(out)


def drop_mark(raw: bytes, draw: Draw) -> bytes:
    marks = [at for at, byte in enumerate(raw) if byte in b',"{}[]:\n\t']
    at = marks[int(draw.integers(len(marks)))] if marks else 0
    return raw[:at] + raw[at + 1 :]


def double_line(raw: bytes, draw: Draw) -> bytes:
    lines = raw.split(b"\n")
    one, other = draw.integers(len(lines), size=2).tolist()
    return b"\n".join([*lines[:other], lines[one], *lines[other:]])


def swap(raw: bytes, draw: Draw) -> bytes:
    one, two = sorted((_at(raw, draw), _at(raw, draw)))
    return raw[:one] + raw[two:] + raw[one:two]


PIECES = (
    *(
        b"\0",
        b"\xff",
        b'"',
        b",",
        b"\r",
        b"\n\n",
        b"\t",
        b"\\",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xe2\x80\xa8",
        b"\x1b[2J",
    ),
    *(b"nan", b"-1", b"null", b"null\n", b"NaN", b"Infinity", b"1e999", b"-0.0", b"9" * 30, b"9" * 5000, b"1e-400"),
    *(
        b"[]",
        b"{}",
        b"[[]]",
        b'{"":null}',
        b'{"a":{"a":{}}}',
        b'"\\ud800"',
        b"\\ud800",
        b"true",
        b"'",
        b" ",
        b"x" * 9000,
    ),
    *(b"[" * depth + b"]" * depth for depth in (5, 99, 101, 900, 20_000)),
    *(b"[" * depth for depth in (101, 20_000)),
    *(b'{"a":' * depth + b"1" + b"}" * depth for depth in (5, 99, 101, 900, 20_000)),
    *(b"2024-03-04", b"\xf0\x9f\x98\x80", b"item,worker,label\n", b'{"item":1,"item":2}\n', b"\x85", b"\xc2\x85"),
)


def insert(raw: bytes, draw: Draw) -> bytes:
    at = 0 if draw.random() < 0.2 else _at(raw, draw)
    return raw[:at] + PIECES[int(draw.integers(len(PIECES)))] + raw[at:]


def replace_value(raw: bytes, draw: Draw) -> bytes:
    """Put a piece in the place of what stands between two marks."""
    marks = [at for at, byte in enumerate(raw) if byte in b",:[]{}\n\t"]
    if len(marks) < 2:
        return insert(raw, draw)
    number = int(draw.integers(len(marks) - 1))
    return raw[: marks[number] + 1] + PIECES[int(draw.integers(len(PIECES)))] + raw[marks[number + 1] :]


def recode(raw: bytes, draw: Draw) -> bytes:
    """The same text in another encoding."""
    kind = ("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig")[int(draw.integers(5))]
    return raw.decode("utf-8", "ignore").encode(kind, "replace")


DAMAGE = (cut, flip, drop_mark, double_line, swap, insert, insert, replace_value, replace_value, recode)


if __name__ == "__main__":
    read_all(*map(int, sys.argv[1:]))
