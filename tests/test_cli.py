"""The command as a person meets it: help at once, JSON everywhere, one sentence and an exit code for every mistake."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from outgrow import combine, train
from outgrow.errors import ConfigError
from small_study import FILE, copy, outgrow, write

ROOT = Path(__file__).parents[1]


def own_data(folder: Path, table: bytes, **columns: object) -> Path:
    """An experiment on a file of one's own, in `folder`."""
    (folder / "own.csv").write_bytes(table)
    experiment = {
        "name": "own",
        "task": {"name": "own", "path": "own.csv", "columns": columns, "sizes": {"half_a": 2, "half_b": 2, "test": 2}},
        "supervisors": {"words": {"type": "ngram"}},
        "student": {"model": "bundled:wordllama"},
        "methods": ["naive"],
    }
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(experiment))
    return path


QUICKSTART = str(ROOT / "examples" / "quickstart.yaml")
HEAVY = [
    *("torch", "transformers", "pandas", "matplotlib", "scipy", "openai", "datasets", "sklearn", "sympy"),
    *("httpx", "httpx2", "huggingface_hub", "pyarrow.compute", "pyarrow.dataset"),
]


@pytest.mark.parametrize(("words", "heavy"), [(["--help"], [*HEAVY, "numpy"]), (["plan", QUICKSTART], HEAVY)])
def test_help_and_a_plan_import_nothing_heavy(words: list[str], heavy: list[str]) -> None:
    code = f"""
import sys
sys.argv = {["outgrow", *words]}
from outgrow.cli import main
try:
    main()
except SystemExit:
    print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize("module", ["outgrow", "outgrow.api"])
def test_the_package_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip() == "[]"


def test_help_takes_under_a_third_of_a_second_of_processor_time() -> None:
    def seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-m", "outgrow", "--help"], capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize(
    "words",
    [
        ["data", "ls"],
        ["data", "show", "mmlu_topic", "--n", "1"],
        ["examples", "ls"],
        ["doctor"],
        ["plan", str(ROOT / "examples" / "paper1_sciq.yaml")],
    ],
    ids=lambda words: " ".join(words[:2])[:20],
)
def test_every_verb_speaks_json(words: list[str], tmp_path: Path) -> None:
    done = outgrow(tmp_path, *words, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)


GOOD = b"text,label\n" + b"".join(b"good day %d,yes\nbad day %d,no\n" % (n, n) for n in range(6))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"txt,label\na,yes\nb,no\n", "did you mean"),
        (b"text,label\n" + b"".join(b"day %d,yes\n" % n for n in range(9)), "class"),
        (GOOD.replace(b"good", b"g\xff\xfe"), "UTF-8"),
        (b"", "own.csv"),
    ],
    ids=["missing column", "one class", "not UTF-8", "empty"],
)
def test_a_bad_file_gets_one_sentence_and_exit_code_2(table: bytes, said: str, tmp_path: Path) -> None:
    done = outgrow(tmp_path, "run", str(own_data(tmp_path, table)))
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("student.model=org/nothing-of-the-kind", "nothing-of-the-kind"),
        ("student.model=bundled:minilm-l7", "did you mean"),
        ("student.modle=x", "override `student.modle=x`: student.modle: unknown key; did you mean `model`?"),
        ("task.name=mmlu_topics", "did you mean"),
        ("task.sizes.test=999999", "task.sizes.test"),
    ],
)
def test_a_bad_value_gets_one_sentence_and_exit_code_2(word: str, said: str, tmp_path: Path) -> None:
    write(tmp_path)
    done = outgrow(tmp_path, "run", FILE, word)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_recipe_is_copied_with_the_data_it_names(tmp_path: Path) -> None:
    done = outgrow(tmp_path, "examples", "cp", "own_data", "mine.yaml")
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["mine.yaml", "data/tickets.csv", "Next: outgrow run mine.yaml"]
    assert (tmp_path / "data" / "tickets.csv").read_bytes() == (ROOT / "examples/data/tickets.csv").read_bytes()
    shown = outgrow(tmp_path, "data", "show", "mine.yaml", "--n", "1", "--json")
    assert json.loads(shown.stdout)["items"]


def test_a_copy_that_found_no_room_is_not_there_and_can_be_tried_again(tmp_path: Path) -> None:
    """A file may not grow beyond one block here, as on a full disk."""
    words = f"ulimit -f 1; exec {sys.executable} -m outgrow examples cp ticket_votes"
    done = subprocess.run(["bash", "-c", words], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be written (File too large)" in done.stderr
    assert not list(tmp_path.rglob("*votes*"))
    again = outgrow(tmp_path, "examples", "cp", "ticket_votes")
    assert again.returncode == 0
    assert (tmp_path / "data" / "ticket_votes.csv").stat().st_size


def test_a_table_of_other_settings_comes_with_a_warning(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    assert outgrow(folder, "show", FILE).stderr == ""
    other = outgrow(folder, "show", FILE, "seeds=0,1", "bootstrap=100", "task.sizes.test=120", "threads=2")
    assert "holds the report of other settings (seeds, bootstrap)" in other.stderr
    assert other.stdout == outgrow(folder, "show", FILE).stdout


def test_a_table_is_shown_without_a_warning_to_whoever_names_the_study_alone(tmp_path: Path) -> None:
    """Also where the run before had more to say than its name."""
    folder = copy(tmp_path)
    file = folder / FILE
    file.write_text(file.read_text().replace("bootstrap: 200", "bootstrap: 100"))
    assert outgrow(folder, "show", FILE, "name=small").stderr == ""
    assert "other settings (methods.0)" in outgrow(folder, "show", FILE, "methods.0=product").stderr


def test_a_recipe_that_is_not_here_is_told_how_to_come_here(tmp_path: Path) -> None:
    done = outgrow(tmp_path, "run", "persona_laptop")
    assert done.returncode == 2
    assert "`outgrow examples cp persona_laptop` copies that recipe to this folder" in done.stderr
    assert "Next: outgrow simulate theory" in outgrow(tmp_path, "examples", "cp", "theory_mixture").stdout
    for verb in ("run", "show", "plan"):
        assert "is a simulation; use `outgrow simulate`" in outgrow(tmp_path, verb, "theory_mixture.yaml").stderr


def test_a_plan_finds_a_column_that_is_not_there(tmp_path: Path) -> None:
    done = outgrow(tmp_path, "plan", str(own_data(tmp_path, GOOD, label="lable")))
    assert done.returncode == 2
    assert "there is no column `lable` (task.columns.label); did you mean `label`?" in done.stderr


@pytest.mark.parametrize(("end", "enough"), [("", False), ("more,yes\n", True)])
def test_a_plan_finds_that_a_file_is_too_short(end: str, enough: bool, tmp_path: Path) -> None:
    """Six items are asked for."""
    lines = GOOD.decode().splitlines(keepends=True)[:6]
    done = outgrow(tmp_path, "plan", str(own_data(tmp_path, "".join([*lines, end]).encode())))
    assert (done.returncode == 0) == enough
    told = "own.csv has 5 usable items at most, and half_a 2 + half_b 2 + test 2 = 6 are asked for; lower task.sizes."
    assert (told in done.stderr) != enough


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.3, 0.6, 1.0])
def test_ctrl_c_is_one_line_also_while_modules_are_imported(seconds: float, tmp_path: Path) -> None:
    code = f"""
import signal, sys
from outgrow.cli import main
signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
signal.setitimer(signal.ITIMER_REAL, {seconds})
sys.argv = ["outgrow", "plan", {str(ROOT / "examples" / "quickstart.yaml")!r}]
main()
"""
    # Python drops an interrupt that falls into the callback of a weak reference; its import system has such ones.
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        if "Exception ignored" not in done.stderr:
            break
    # Python ends by the signal itself where it was inside of `exec`, which a shell sees as 130 too.
    assert done.returncode in (130, -2)
    assert done.stderr.startswith("outgrow: interrupted")
    assert done.stderr.count("\n") == 1


def test_a_table_is_shown_without_what_markdown_escapes(tmp_path: Path) -> None:
    folder = copy(tmp_path)
    path = folder / "runs" / "small" / "tables" / "main.md"
    path.write_text(path.read_text().replace("naive", r"a\_b \| \`c\` &lt;d&gt; \\e", 1))
    assert "a_b | `c` <d> \\e" in outgrow(folder, "show", FILE).stdout
    assert "\\_" not in outgrow(folder, "show", FILE).stdout


def test_a_study_that_runs_code_of_its_own_says_so_and_can_be_refused(tmp_path: Path) -> None:
    path = own_data(tmp_path, GOOD)
    (tmp_path / "rules.py").write_text("open('ran', 'w')\ndef good(item):\n    return 'yes'\n")
    word = "supervisors.rule.function=rules.py:good"
    planned = outgrow(tmp_path, "plan", str(path), word)
    assert planned.stdout.splitlines()[-1] == ("This file runs its own code: rules.py:good (`--no-code` refuses it).")
    as_json = outgrow(tmp_path, "plan", str(path), word, "--json")
    assert json.loads(as_json.stdout)[0]["name"] == "pool"
    assert as_json.stderr == f"outgrow: {planned.stdout.splitlines()[-1]}\n"
    assert "its own code" not in outgrow(tmp_path, "plan", str(path)).stdout
    for verb in ("plan", "run"):
        done = outgrow(tmp_path, verb, str(path), word, "--no-code")
        assert done.returncode == 2
        assert "own: runs its own code (" in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "runs").exists()
    trusting = outgrow(tmp_path, "plan", str(path), "student.trust_remote_code=true", "--no-code")
    assert "(trust_remote_code of bundled:wordllama)" in trusting.stderr
    assert outgrow(tmp_path, "plan", str(path), "--no-code").returncode == 0


def test_rules_and_models_that_bring_code_of_their_own_can_be_refused(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,text\n1,good\n2,bad\n")
    (tmp_path / "mine.py").write_text("open('ran', 'w')\ndef good(item):\n    return 'yes'\n")
    (tmp_path / "rules.yaml").write_text("classes: [good, bad]\nrules:\n  mine: {function: 'mine.py:good'}\n")
    done = outgrow(tmp_path, "rules", "rules.yaml", "items.csv", "-o", "votes.csv", "--no-code")
    assert done.returncode == 2
    assert done.stderr.startswith("outgrow: rules.yaml: runs its own code (mine.py:good), which `--no-code`")
    assert done.stderr.count("\n") == 1
    trusting = ["student.trust_remote_code=true", "--model", "bundled:smollm2-135m", "--no-code"]
    done = outgrow(tmp_path, "train", "--items", "items.csv", "--labels", "votes.csv", *trusting)
    assert done.returncode == 2
    assert "train: runs its own code (trust_remote_code of bundled:smollm2-135m)" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items.csv", "mine.py", "rules.yaml"]
    (tmp_path / "rules.yaml").write_text("classes: [good, bad]\nrules:\n  mine: {regex: good, says: good}\n")
    done = outgrow(tmp_path, "rules", "rules.yaml", "items.csv", "-o", "votes.csv", "--no-code")
    assert done.returncode == 0, done.stderr


def test_combine_and_train_refuse_functions_of_metrics_without_running_them(tmp_path: Path) -> None:
    (tmp_path / "answers.csv").write_text("item,source,answer\n1,a,x\n1,b,X\n")
    (tmp_path / "mine.py").write_text("open('ran', 'w')\ndef same(a, b):\n    return True\n")
    metric = ["--kind", "texts", "--metric", "mine.py:same"]
    for plug_in in ([], ["--plugin", "mine.py"]):
        done = outgrow(tmp_path, "combine", "answers.csv", *(plug_in or metric), "--no-code")
        assert done.returncode == 2
        assert done.stderr.startswith(f"outgrow: combine: runs its own code (mine.py{'' if plug_in else ':same'})")
        assert done.stderr.count("\n") == 1
    with pytest.raises(ConfigError, match=r"mine\.py:same"):
        combine(tmp_path / "answers.csv", {"type": "answer_vote", "metric": "mine.py:same"}, kind="texts", code=False)
    assert not (tmp_path / "ran").exists()
    assert outgrow(tmp_path, "combine", "answers.csv", *metric).returncode == 0


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        ("scores", "item,rater,rating"),
        ("spans", "item,annotator,start,end,label"),
        ("pairs", "question_id,model_a,model_b,winner,judge"),
    ],
    ids=["scores", "spans", "pairs"],
)
def test_train_asks_about_votes_that_no_student_learns(tmp_path: Path, kind: str, header: str) -> None:
    rows = {
        "scores": [f"{item},{rater},{(item + rater) % 5}" for item in range(9) for rater in range(3)],
        "spans": ["1,a,0,4,X", "1,b,0,5,X", "2,a,3,4,Y"],
        "pairs": ["1,m,n,model_a,j", "2,n,m,model_b,j"],
    }[kind]
    votes = tmp_path / "votes.csv"
    votes.write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(ConfigError, match=rf"votes\.csv.*`{kind}`.*--kind {kind}.*kind=classify"):
        train(None, votes, model="bundled:smollm2-135m", output=tmp_path / "student", store=tmp_path / "steps")
    assert not (tmp_path / "steps").exists()


@pytest.mark.parametrize("pipe", ["rules.yaml", "mine.py", "items.csv"])
def test_rules_that_are_to_be_read_from_a_pipe_are_refused_at_once(tmp_path: Path, pipe: str) -> None:
    (tmp_path / "items.csv").write_text("id,text\n1,good\n2,bad\n")
    (tmp_path / "mine.py").write_text("def good(item):\n    return 'yes'\n")
    (tmp_path / "rules.yaml").write_text("classes: [good, bad]\nrules:\n  mine: {function: 'mine.py:good'}\n")
    (tmp_path / pipe).unlink()
    os.mkfifo(tmp_path / pipe)
    done = outgrow(tmp_path, "rules", "rules.yaml", "items.csv", "-o", "votes.csv")
    assert done.returncode == 2
    assert re.fullmatch(f"outgrow: {pipe}: is (not a regular file|a pipe or a device).*\n", done.stderr)
