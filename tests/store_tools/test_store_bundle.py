"""Bundles: what is packed is unpacked whole, and nothing else gets into a store."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from drawn_seeds import SEEDS
from outgrow.errors import ConfigError, DataError
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.store_tools.pack import pack
from outgrow.store_tools.unpack import unpack
from outgrow.store_tools.usage import StudySteps


def finish(store: Store, step: Step, files: Mapping[str, bytes]) -> None:
    """Store a result of `step` as a run does."""
    store.prepare()
    with store.lock(step):
        folder = store.fresh_folder(step)
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        store.commit(step, 0.5)


def some_steps(root: Path, seed: int = 0) -> tuple[Step, ...]:
    """Two finished steps, one of which has the other as its input."""
    random = np.random.default_rng(seed)
    first = Step("pool", "x:y", {"seed": seed})
    second = Step("student", "x:y", {"seed": seed}, {"pool": first})
    finish(Store(root), first, {"a.bin": random.bytes(2000), "deep/b.bin": random.bytes(3)})
    finish(Store(root), second, {"empty": b"", "größe.txt": b"x" * 300_000})
    return first, second


def bytes_of(root: Path) -> dict[str, bytes]:
    steps = (
        path for path in root.rglob("*") if path.is_file() and not path.relative_to(root).parts[0].startswith(".")
    )
    return {str(path.relative_to(root)): path.read_bytes() for path in steps}


def repacked(bundle: Path, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]) -> None:
    """Change the members of a bundle one by one."""
    with pa.CompressedInputStream(pa.OSFile(str(bundle)), "zstd") as stream:
        content = stream.read()
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as old, tarfile.open(fileobj=made, mode="w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            for info, data in change(member, file.read()):
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))
    with pa.CompressedOutputStream(pa.OSFile(str(bundle), "wb"), "zstd") as stream:
        stream.write(made.getvalue())


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    steps = some_steps(tmp_path / "one")
    pack([StudySteps("x", tmp_path / "one", steps)], tmp_path / "one", tmp_path / "x.tar.zst")
    return tmp_path / "x.tar.zst"


def test_an_unpacked_store_is_the_packed_one(tmp_path: Path, bundle: Path) -> None:
    done = unpack(bundle, tmp_path / "two")
    assert len(done.added) == 2
    assert bytes_of(tmp_path / "two") == bytes_of(tmp_path / "one")
    again = unpack(bundle, tmp_path / "two")
    assert (again.added, len(again.present)) == ([], 2)
    assert not list((tmp_path / "two" / ".tmp").iterdir())


def test_the_same_steps_give_the_same_bytes(tmp_path: Path, bundle: Path) -> None:
    unpack(bundle, tmp_path / "two")
    steps = some_steps(tmp_path / "three")
    pack([StudySteps("x", tmp_path / "two", steps)], tmp_path / "two", tmp_path / "y.tar.zst")
    assert (tmp_path / "y.tar.zst").read_bytes() == bundle.read_bytes()


def test_a_damaged_or_unfinished_step_is_left_out(tmp_path: Path) -> None:
    first, second = some_steps(tmp_path / "one")
    third = Step("student", "x:y", {"seed": 1}, {"pool": first})
    (Store(tmp_path / "one").path(second) / "empty").write_text("no longer")
    contents = pack([StudySteps("x", tmp_path, (first, second, third))], tmp_path / "one", tmp_path / "x.tar.zst")
    assert (list(contents.steps), contents.missing) == ([first.folder], 2)


def test_nothing_to_pack_and_other_formats_are_refused(tmp_path: Path) -> None:
    step = Step("pool", "x:y")
    (tmp_path / "one").mkdir()
    with pytest.raises(DataError, match="run it first"):
        pack([StudySteps("x", tmp_path / "one", (step,))], tmp_path / "one", tmp_path / "x.tar.zst")
    with pytest.raises(ConfigError, match="-o"):
        pack([StudySteps("x", tmp_path / "one", (step,))], tmp_path / "one", tmp_path / "x.zip")
    with pytest.raises(DataError, match="--store"):
        pack([StudySteps("x", tmp_path / "two", (step,))], tmp_path / "two", tmp_path / "x.tar.zst")
    with pytest.raises(DataError, match="no such file"):
        unpack(tmp_path / "x.tar.zst", tmp_path / "two")


@pytest.mark.parametrize(
    "path", ["../x-00000000/a", "/etc/passwd", "student-00000000/../../a", "a", ".locks/a", "x//a"]
)
def test_no_file_gets_outside_a_step(tmp_path: Path, bundle: Path, path: str) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        return [(member, data), *([(tarfile.TarInfo(path), b"x")] if member.name == "bundle.json" else [])]

    repacked(bundle, change)
    before = {item.name for item in tmp_path.iterdir()}
    with pytest.raises(DataError, match="outside a step's folder"):
        unpack(bundle, tmp_path / "deep" / "two")
    assert {item.name for item in tmp_path.iterdir()} == before | {"deep"}
    assert bytes_of(tmp_path / "deep" / "two") == {}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_only_regular_files_are_taken(tmp_path: Path, bundle: Path, kind: bytes) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if not member.name.endswith("empty"):
            return [(member, data)]
        member.type, member.linkname = kind, "/etc/passwd"
        return [(member, b"")]

    repacked(bundle, change)
    with pytest.raises(DataError, match="link or a special file"):
        unpack(bundle, tmp_path / "two")


@pytest.mark.parametrize("what", ["extra", "missing", "changed", "renamed", "too large", "twice"])
def test_a_step_that_differs_from_its_record_is_refused(tmp_path: Path, bundle: Path, what: str) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if member.name == "bundle.json":
            grown = json.loads(data)
            grown["steps"] = {key: size + 10 * (what == "extra") for key, size in grown["steps"].items()}
            return [(member, json.dumps(grown).encode())]
        if not member.name.endswith("a.bin"):
            return [(member, data)]
        if what == "missing":
            return []
        if what == "changed":
            return [(member, bytes(len(data)))]
        if what == "too large":
            return [(member, data + bytes(10_000))]
        if what == "renamed":
            member.name = member.name.replace("a.bin", "c.bin")
            return [(member, data)]
        other = tarfile.TarInfo(member.name if what == "twice" else f"{member.name}.more")
        return [(member, data), (other, b"x")]

    repacked(bundle, change)
    with pytest.raises(DataError, match=r"x\.tar\.zst: is damaged"):
        unpack(bundle, tmp_path / "two")
    assert bytes_of(tmp_path / "two") == {}
    assert not list((tmp_path / "two" / ".tmp").iterdir())


@pytest.mark.parametrize(
    "contents",
    [
        *({"format": 2}, {"format": None}, [], {}, {"format": 1}),
        {"format": 1, "outgrow": "1", "study": "x", "steps": {"../a": 1}},
        {"format": 1, "outgrow": "1", "study": "x", "steps": {"pool-00000000": -1}},
        {"format": 1, "outgrow": "1", "study": "x", "steps": [1]},
        {"format": 1, "outgrow": "1", "study": 3, "steps": {}},
    ],
)
def test_contents_of_another_format_are_refused(tmp_path: Path, bundle: Path, contents: object) -> None:
    repacked(bundle, lambda member, data: [(member, json.dumps(contents).encode())])
    with pytest.raises(DataError, match=r"x\.tar\.zst: (its bundle\.json|has format)"):
        unpack(bundle, tmp_path / "two")


def refusal(bundle: Path, root: Path) -> str | None:
    """Why a bundle is not unpacked; `None` if it is."""
    try:
        unpack(bundle, root)
    except DataError as error:
        return str(error)
    return None


def test_whatever_is_damaged_gives_one_sentence_and_a_valid_store(tmp_path: Path, bundle: Path) -> None:
    raw, random = bundle.read_bytes(), np.random.default_rng(SEEDS[0])
    whole = bytes_of(tmp_path / "one")
    for attempt in range(60):
        damaged = bytearray(raw)
        if attempt % 3 == 0:
            del damaged[random.integers(len(raw)) :]
        else:
            for place in random.integers(len(raw), size=attempt % 4 + 1):
                damaged[place] ^= 1 << random.integers(8)
        bundle.write_bytes(damaged)
        sentence = refusal(bundle, tmp_path / "two")
        assert sentence is None or (str(bundle) in sentence and "\n" not in sentence)
        assert bytes_of(tmp_path / "two").items() <= whole.items()
    bundle.write_bytes(raw)
    unpack(bundle, tmp_path / "two")
    assert bytes_of(tmp_path / "two") == whole


def test_a_step_that_a_run_computes_is_left_to_it(tmp_path: Path, bundle: Path) -> None:
    step = Step("pool", "x:y", {"seed": 0})
    store = Store(tmp_path / "two")
    store.prepare()
    with store.lock(step):
        assert unpack(bundle, store.root).busy == [step.folder]
    assert unpack(bundle, store.root).added == [step.folder]
