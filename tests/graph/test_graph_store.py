"""The store: what it recognises as finished, what it finds damaged, and how it says no."""

import json
import os
import shutil
import subprocess

import pytest
from step_functions import contents, diamond, step

from outgrow.errors import DataError, StepFailed
from outgrow.graph.done import Damaged
from outgrow.graph.runner import Event, run_steps
from outgrow.graph.step import Step, identify
from outgrow.graph.store import Store


def make(store, one, **files):
    """Finish `one` with these files."""
    store.prepare()
    out = store.fresh_folder(one)
    for name, text in files.items():
        (out / name).write_text(text)
    return store.commit(one, 1.5)


def test_a_record_says_what_was_done(tmp_path):
    store = Store(tmp_path)
    first = Step("first", "m:f", {"a": [1, (2, 3)], "b": {"ü": None}}, version=3)
    second = Step("second", "m:f", {}, {"source": first})
    make(store, first, x="hello")
    make(store, second)
    done = store.finished(first)
    assert (done.name, done.version, done.seconds) == ("first", 3, 1.5)
    assert done.identity == first.identity
    assert done.files["x"].size == 5
    assert done.files["x"].sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert done.params == {"a": [1, [2, 3]], "b": {"ü": None}}
    assert store.finished(second).inputs["source"].folder == first.folder


def test_a_step_may_not_write_the_record_itself(tmp_path):
    with pytest.raises(StepFailed, match=r"done\.json"):
        make(Store(tmp_path), step("one", text=""), **{"done.json": "{}"})


def test_nothing_is_finished_in_a_store_that_is_not_there(tmp_path):
    store = Store(tmp_path / "none")
    assert store.finished(step("one", text="")) is None
    assert not store.root.exists()


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def edit(path):
    done = json.loads(path.read_text())
    path.write_text(json.dumps({**done, "params": {"text": "another"}}))


def rename(path):
    done = json.loads(path.read_text())
    path.write_text(json.dumps({**done, "identity": done["identity"][:8] + "0" * 56}))


def become_a_file(path):
    shutil.rmtree(path.parent)
    path.parent.write_text("")


def become_a_link(path):
    shutil.rmtree(path.parent)
    path.parent.symlink_to("nowhere")


def say(**changes):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def change_secretly(path):
    """One byte, and time and size are what they were."""
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


DAMAGES = [
    ("text.txt", change_secretly, "SHA-256 differs"),
    ("done.json", become_a_file, "not a folder"),
    ("done.json", become_a_link, "not a folder"),
    ("done.json", lambda path: (path.unlink(), path.symlink_to(path.name)), "done.json is not readable"),
    ("done.json", say(seconds="soon"), "done.json is not readable"),
    ("done.json", say(seconds=float("inf")), "done.json is not readable"),
    ("done.json", say(outgrow=3), "done.json is not readable"),
    ("done.json", say(python="\ud800"), "done.json is not readable"),
    ("done.json", say(files={"a\0": {"size": 1, "sha256": ""}}), "done.json is not readable"),
    ("done.json", lambda path: path.write_text("[" * 100_000), "done.json is not readable"),
    ("done.json", lambda path: (path.unlink(), path.mkdir()), "done.json is not readable"),
    ("text.txt", cut, "text.txt has"),
    ("text.txt", flip, "SHA-256 differs"),
    ("text.txt", lambda path: path.unlink(), "cannot be read"),
    ("deep/size.json", lambda path: shutil.rmtree(path.parent), "cannot be read"),
    ("done.json", cut, "done.json is not readable"),
    ("done.json", lambda path: path.write_text(""), "done.json is not readable"),
    ("done.json", lambda path: path.write_bytes(b"\xff\xfe"), "done.json is not readable"),
    ("done.json", lambda path: path.write_text("[]"), "done.json is not readable"),
    ("done.json", lambda path: path.write_text("{}"), "done.json is not readable"),
    ("done.json", lambda path: path.unlink(), "done.json is missing"),
    ("done.json", edit, "done.json was changed"),
    ("done.json", rename, "done.json was changed"),
]


@pytest.mark.parametrize(("name", "damage", "words"), DAMAGES)
def test_a_damaged_result_is_noticed_set_aside_and_made_again(tmp_path, name, damage, words):
    store = Store(tmp_path)
    steps = diamond()
    run_steps(list(steps.values()), store)
    expected = contents(store)
    damage(store.path(steps["left"]) / name)
    events: list[Event] = []
    outcomes = run_steps(list(steps.values()), store, on_event=events.append)
    told = [event.message for event in events if event.kind == "damaged"]
    assert len(told) == 1
    assert words in told[0]
    assert str(store.path(steps["left"])) in told[0]
    assert "\n" not in told[0]
    assert outcomes[steps["left"].identity].state == "done"
    assert outcomes[steps["bottom"].identity].state == "cached"
    assert contents(store) == expected
    assert [path.name for path in (tmp_path / ".damaged").iterdir()] == [f"{steps['left'].folder}.1"]


def test_any_flipped_bit_of_any_file_is_noticed_or_harmless(tmp_path):
    """Times and versions may be misread, the result and its identity may not."""
    store = Store(tmp_path)
    one = step("one", text="x")
    make(store, one, data="some bytes")
    for name in ("data", "done.json"):
        path = store.path(one) / name
        whole = path.read_bytes()
        for place in range(len(whole)):
            raw = bytearray(whole)
            raw[place] ^= 2
            path.write_bytes(raw)
            try:
                done = store.inspect(one)
            except Damaged:
                continue
            assert name == "done.json"
            assert (done.identity, list(done.files), done.params) == (one.identity, ["data"], {"text": "x"})
        path.write_bytes(whole)
    assert store.inspect(one)


def test_a_result_under_a_wrong_name_is_damaged(tmp_path):
    store = Store(tmp_path)
    one, two = step("one", text="1"), step("one", text="2")
    make(store, one, x="1")
    store.path(one).rename(store.path(two))
    warnings = []
    assert store.finished(two, warnings.append) is None
    assert "result of another step" in warnings[0]


def test_equal_first_digits_of_two_steps_are_told_apart(tmp_path):
    store = Store(tmp_path)
    one, two = step("one", text="1"), step("one", text="2")
    make(store, one, x="1")
    # No two such steps are at hand: the second one is given an identity that it does not have.
    two.__dict__["identity"] = one.identity[:8] + two.identity[8:]
    assert one.folder == two.folder
    with pytest.raises(DataError, match="begins with the same 8 digits"):
        store.finished(two)
    assert store.finished(one)


def test_who_holds_the_lock_holds_it_alone(tmp_path):
    store = Store(tmp_path)
    one, two = step("one", text="1"), step("two", text="2")
    with store.lock(one):
        assert store.is_busy(one)
        assert not store.is_busy(two)
        if (child := os.fork()) == 0:
            signal_free = os.read(0, 0)  # keeps a copy of the lock's handle open
            os._exit(len(signal_free))
    os.waitpid(child, 0)
    assert not store.is_busy(one)


def test_a_damaged_result_that_is_being_remade_is_left_to_its_maker(tmp_path):
    store = Store(tmp_path)
    one = step("one", text="1")
    make(store, one, x="1")
    (store.path(one) / "x").write_text("")
    with store.lock(one):
        assert store.finished(one) is None
        assert store.path(one).exists()
    assert store.finished(one) is None
    assert not store.path(one).exists()


def test_leftovers_are_swept_unless_somebody_works_on_them(tmp_path):
    store = Store(tmp_path)
    gone, busy, made, unfinished = (step(name, text="") for name in ("gone", "busy", "made", "unfinished"))
    make(store, made)
    for one in (gone, busy):
        (store.fresh_folder(one) / "half").write_text("")
    for one in (made, unfinished):
        (store.scratch_folder(one) / "checkpoint").write_text("")
    with store.lock(busy):
        run_steps([made], store)
    assert [path.name for path in (tmp_path / ".tmp").iterdir()] == [busy.folder]
    assert [path.name for path in (tmp_path / ".scratch").iterdir()] == [unfinished.folder]


def test_large_files_are_read_to_the_end(tmp_path):
    """A hole of 300 MB takes no room on the disk; one byte behind it is another."""
    store, one = Store(tmp_path), step("one", text="")
    store.prepare()
    path = store.fresh_folder(one) / "large"
    with path.open("wb") as file:
        file.truncate(300 << 20)
    store.commit(one, 1.0)
    assert store.whole([one])
    with (store.path(one) / "large").open("r+b") as file:
        file.seek(299 << 20)
        file.write(b"x")
    with pytest.raises(Damaged, match="SHA-256 differs"):
        store.inspect(one)
    assert not store.whole([one])
    assert store.without([one]).root == store.root


def test_whatever_stands_where_a_step_works_makes_room(tmp_path):
    store, one = Store(tmp_path), step("one", text="x")
    store.prepare()
    for name in (".tmp", ".scratch"):
        (tmp_path / name / one.folder).write_text("in the way")
    assert run_steps([one], store)[one.identity].state == "done"


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_folder_can_have_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="choose another"):
        run_steps([step("one", text="")], Store(tmp_path / name))


@pytest.mark.parametrize("below", [".", "steps"])
def test_a_store_that_is_a_file_is_refused(tmp_path, below):
    (tmp_path / "runs").write_text("")
    with pytest.raises(DataError, match="is a file, not a folder; choose another"):
        run_steps([step("one", text="")], Store(tmp_path / "runs" / below))


def test_a_read_only_store_gives_what_it_has_and_refuses_the_rest(tmp_path):
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", mounted], capture_output=True).returncode != 0:
        pytest.skip("this test mounts a file system, which is not allowed here")
    try:
        store = Store(mounted / "steps")
        steps = diamond()
        run_steps(list(steps.values()), store)
        subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
        outcomes = run_steps(list(steps.values()), store)
        assert {outcome.state for outcome in outcomes.values()} == {"cached"}
        with pytest.raises(DataError, match=r"store .* (no write permission|Read-only file system)"):
            run_steps([*steps.values(), step("new", text="")], store)
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_an_identity_follows_from_what_changes_the_result(tmp_path):
    one = Step("s", "m:f", {"a": 1, "b": (2, {"c": 3})})
    same = Step("s", "m:g", {"b": [2, {"c": 3}], "a": 1}, hints={"device": "cuda"}, label="other")
    assert one.identity == same.identity == identify("s", 1, {"a": 1, "b": [2, {"c": 3}]}, {})
    others = [
        Step("t", "m:f", one.params),
        Step("s", "m:f", one.params, version=2),
        Step("s", "m:f", {**one.params, "a": 1.5}),
        Step("s", "m:f", one.params, {"x": one}),
        Step("s", "m:f", one.params, {"y": one}),
        Step("s", "m:f", one.params, {"x": Step("u", "m:f")}),
    ]
    assert len({one.identity, *(other.identity for other in others)}) == 7
