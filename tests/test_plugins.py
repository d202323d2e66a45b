"""Plug-ins: files and installed packages that add extensions, and the steps that use them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from pydantic import ValidationError

import outgrow
from outgrow import plugins
from outgrow.config.load import file_settings, read_experiment
from outgrow.config.suite import read_studies
from outgrow.errors import ConfigError, StepFailed
from outgrow.extensions import KINDS
from outgrow.graph.runner import run_steps
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from small_study import FILE, STUDY
from small_study import outgrow as command
from weightings import KIND, WEIGHTINGS, Table

TIMES = """
    from typing import Literal

    from weightings import KIND, WeightingRecord

    from outgrow.config.section import Section
    from outgrow.extensions import KINDS

    KINDS["weighting"] = KIND


    class Times(Section):
        '''A multiple.'''

        type: Literal["times"]
        factor: float = 2.0
        '''What to multiply by.'''


    EXTENSIONS = [WeightingRecord(section=Times, weigh=lambda number: FACTOR * number)]
    FACTOR = 2
"""


def write(path: Path, text: str = TIMES) -> Path:
    path.write_text(dedent(text))
    return path


@pytest.fixture(autouse=True)
def _only_here() -> Iterator[None]:
    """The kind of the tests' extensions is known during a test, and its plug-ins are."""
    KINDS["weighting"] = KIND
    yield
    for plugin in plugins.loaded():
        plugins.forget(plugin)
    del KINDS["weighting"]


def weighted(number: int, name: str) -> Step:
    return Step("weigh", "weightings:weigh", {"weighting": {"type": name}, "number": number})


def test_a_file_adds_its_extensions(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        Table.model_validate({"rows": [{"weighting": {"type": "times"}}]})
    (plugin,) = plugins.load([write(tmp_path / "times.py")])
    table = Table.model_validate({"rows": [{"weighting": {"type": "times", "factor": 3}}]})
    assert dict(table.rows[0].weighting) == {"type": "times", "factor": 3.0}
    assert WEIGHTINGS["times"].summary == "A multiple."
    assert WEIGHTINGS["times"].section.model_fields["factor"].description == "What to multiply by."
    assert plugins.plugin_of(WEIGHTINGS["times"]) is plugin
    assert plugins.plugin_of(WEIGHTINGS["plain"]) is None


def test_the_same_content_is_loaded_once_and_a_changed_file_anew(tmp_path: Path) -> None:
    file = write(tmp_path / "times.py")
    first = plugins.load([file])
    assert plugins.load([file]) == first == plugins.load([write(tmp_path / "copy.py")])
    write(file, TIMES.replace("factor: float = 2.0", "factor: float = 5.0"))
    assert plugins.load([file]) != first
    assert len(plugins.loaded()) == 1
    table = Table.model_validate({"rows": [{"weighting": {"type": "times"}}]})
    assert dict(table.rows[0].weighting)["factor"] == 5.0


def test_a_file_of_another_study_gives_up_its_names(tmp_path: Path) -> None:
    plugins.load([write(tmp_path / "first.py")])
    second = write(tmp_path / "second.py", TIMES.replace("2.0", "7.0"))
    plugins.load([second])
    assert [Path(plugin.reference.place).name for plugin in plugins.loaded()] == ["second.py"]
    with pytest.raises(ConfigError, match=r"(first|second)\.py: .*`times`"):
        plugins.load([tmp_path / "first.py", second])
    assert "plain" in WEIGHTINGS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"wrong\.py: .*`EXTENSIONS`"),
        ("EXTENSIONS = 3", r"wrong\.py: .*`EXTENSIONS`"),
        ("EXTENSIONS = [3]", r"wrong\.py: `EXTENSIONS` holds 3"),
        ("x = 1\nx = unknown\n", r"wrong\.py, line 2: .*NameError: .*unknown"),
        ("def f():\n    return 1 +\n", r"wrong\.py, line 2: .*SyntaxError"),
        ("import sys\nsys.exit(3)", r"wrong\.py, line 2: .*SystemExit"),
        (
            "from outgrow.extensions import Record\nfrom weightings import Plain\nEXTENSIONS = [Record(Plain)]",
            r"wrong\.py: .*Record\(.*`WeightingRecord`",
        ),
        (TIMES.replace('"times"', '"plain"'), r"wrong\.py: .*`plain`"),
        (TIMES.replace('type: Literal["times"]', "kind: int = 3"), r"wrong\.py: .*`Times`.*`type"),
    ],
)
def test_mistakes_name_the_file(tmp_path: Path, text: str, message: str) -> None:
    before = dict(WEIGHTINGS)
    with pytest.raises(ConfigError, match=message):
        plugins.load([write(tmp_path / "wrong.py", text)])
    assert dict(WEIGHTINGS) == before
    assert plugins.loaded() == ()


def test_a_kind_takes_its_first_extension_and_one_with_a_class_of_its_own(tmp_path: Path) -> None:
    plain = WEIGHTINGS["plain"]
    WEIGHTINGS.remove("plain")
    try:
        own = "\n\n    class Own(WeightingRecord):\n        pass\n\n\n    EXTENSIONS = [Own("
        plugins.load([write(tmp_path / "times.py", TIMES.replace("\n    EXTENSIONS = [WeightingRecord(", own))])
        assert list(WEIGHTINGS) == ["times"]
    finally:
        WEIGHTINGS.add(plain)


def test_a_file_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({**STUDY, "plugins": ["none.py"]}))
    with pytest.raises(ConfigError, match=rf"{study}:\d+: plugins: {tmp_path / 'none.py'}"):
        read_experiment(study)


def test_files_of_settings_name_plugins_from_their_folder(tmp_path: Path) -> None:
    write(tmp_path / "times.py")
    write(tmp_path / "thrice.py", TIMES.replace("times", "thrice"))
    study, suite = tmp_path / "study.yaml", tmp_path / "suite.yaml"
    study.write_text(yaml.safe_dump({**STUDY, "plugins": "times.py, thrice.py"}))
    suite.write_text(
        yaml.safe_dump({"suite": "two", "base": {**STUDY, "plugins": ["times.py"]}, "studies": {"a": {}}})
    )
    files = [tmp_path / "times.py", tmp_path / "thrice.py"]
    experiment = read_experiment(study)
    assert experiment.plugins == files
    assert file_settings(experiment)["plugins"] == ["../../times.py", "../../thrice.py"], "from the report's folder"
    assert {"times", "thrice"} <= set(WEIGHTINGS)
    assert read_experiment(study, [f"plugins={files[1]}"]).plugins == files[1:]
    assert read_studies(suite)[0].plugins == files[:1]


def test_no_code_refuses_before_anything_runs(tmp_path: Path) -> None:
    study, mark = tmp_path / "study.yaml", tmp_path / "ran"
    write(tmp_path / "times.py", f"open({str(mark)!r}, 'w')")
    study.write_text(yaml.safe_dump({**STUDY, "plugins": ["times.py"]}))
    for call in (outgrow.plan, outgrow.run):
        with pytest.raises(ConfigError, match=r"times\.py.*--no-code"):
            call(study, code=False)
    assert not mark.exists()


def test_a_plan_names_the_code(tmp_path: Path) -> None:
    write(tmp_path / "times.py")
    (tmp_path / FILE).write_text(yaml.safe_dump({**STUDY, "plugins": ["times.py"]}))
    assert outgrow.plan(tmp_path / FILE).code == (str(tmp_path / "times.py"),)


def test_the_content_is_part_of_the_steps_that_use_it_and_of_no_others(tmp_path: Path) -> None:
    file = tmp_path / "times.py"
    plain, missing = weighted(3, "plain").identity, weighted(3, "times").identity
    plugins.load([write(file)])
    before = weighted(3, "times")
    assert weighted(3, "plain").identity == plain
    assert before.identity != missing
    assert before.identity_without_code == weighted(3, "times").identity_without_code
    assert Step("other", "weightings:weigh", {"other": {"type": "times"}}).plugins == ()
    plugins.load([write(file, TIMES.replace("FACTOR = 2", "FACTOR = 3"))])
    assert weighted(3, "plain").identity == plain
    assert weighted(3, "times").identity != before.identity


def test_workers_load_the_plugins_of_their_steps(tmp_path: Path) -> None:
    plugins.load([write(tmp_path / "times.py")])
    steps, store = [weighted(3, "times"), weighted(-4, "plain")], Store(tmp_path / "store")
    outcomes = run_steps(steps, store, jobs=2)
    assert {outcome.state for outcome in outcomes.values()} == {"done"}, outcomes
    assert [(store.path(step) / "weighted.txt").read_text() for step in steps] == ["6", "4"]


def test_an_exception_in_a_step_names_file_and_line(tmp_path: Path) -> None:
    text = TIMES.replace("lambda number: FACTOR * number", "lambda number: number / 0")
    plugins.load([write(tmp_path / "times.py", text)])
    (outcome,) = run_steps([weighted(3, "times")], Store(tmp_path / "store")).values()
    line = dedent(text).partition("/ 0")[0].count("\n") + 1
    assert f"times.py, line {line}: ZeroDivisionError" in outcome.error


def test_a_plugin_that_changes_between_plan_and_work_is_noticed(tmp_path: Path) -> None:
    plugins.load([write(tmp_path / "times.py")])
    step = weighted(3, "times")
    assert step.identity
    write(tmp_path / "times.py", TIMES.replace("FACTOR = 2", "FACTOR = 3"))
    (outcome,) = run_steps([step], Store(tmp_path / "store")).values()
    assert outcome.state == "failed"
    assert "times.py" in outcome.error
    with pytest.raises(StepFailed, match=r"times\.py"):
        plugins.require_loaded(step.plugins)


def test_installed_packages_are_found(tmp_path: Path) -> None:
    """A distribution as an installer leaves it: a module, and its metadata beside it."""
    write(tmp_path / "weighting_pack.py")
    info = tmp_path / "weighting_pack-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weighting-pack\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[outgrow.plugins]\nanything = weighting_pack\n")
    code = """
        from outgrow import plugins
        from outgrow.graph.runner import run_steps
        from outgrow.graph.step import Step
        from outgrow.graph.store import Store
        import weightings
        from outgrow.extensions import KINDS
        KINDS["weighting"] = weightings.KIND
        plugins.load_installed()
        step = Step("weigh", "weightings:weigh", {"weighting": {"type": "times"}, "number": 3})
        outcomes = run_steps([step], Store(Path("store")))
        print(step.plugins[0].place, [outcome.state for outcome in outcomes.values()])
        print((Store(Path("store")).path(step) / "weighted.txt").read_text(), step.plugins[0].content)
    """
    paths = [str(tmp_path), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]

    def run() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", "from pathlib import Path\n" + dedent(code)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    place, result = run()
    assert place == "weighting-pack (weighting_pack) ['done']"
    assert result.split()[0] == "6"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weighting-pack\nVersion: 1.3\n")
    assert run()[1].split()[1] != result.split()[1], "the version counts"


def test_the_command_refuses_and_names_plugins(tmp_path: Path) -> None:
    write(tmp_path / "broken.py", "x = unknown")
    (tmp_path / FILE).write_text(yaml.safe_dump({**STUDY, "plugins": ["broken.py"]}))
    done = command(tmp_path, "plan", FILE)
    assert done.returncode == 2
    assert "broken.py, line 1" in done.stderr
    done = command(tmp_path, "plan", FILE, "--no-code")
    assert done.returncode == 2
    assert "broken.py" in done.stderr
    assert "--no-code" in done.stderr
