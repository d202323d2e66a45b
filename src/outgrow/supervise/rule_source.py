"""A regular expression or a function of the user as a source; the step is in `rules_step.py`.

A step depends on the content of the function's file and not on its path.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from outgrow.config.home_paths import at_home
from outgrow.config.rules import FunctionRule, RegexRule
from outgrow.config.task import TaskSection
from outgrow.data.task import Kind
from outgrow.data.task_kind import native_kind
from outgrow.data.tasks import TASKS
from outgrow.errors import OutgrowError, suggest
from outgrow.graph.step import Json, Step
from outgrow.readers.raw_file import read_bytes
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump
from outgrow.supervise.source_record import Problems, SourceRecord


def regex_step(plan: SeedPlan, name: str, section: RegexRule) -> Step:
    """The class of a pattern for every item in which it is found."""
    return _step(plan, name, {"rule": dump(section, without=["type"]), "content": None}, {})


def function_step(plan: SeedPlan, name: str, section: FunctionRule) -> Step:
    """What a function returns for every item. Raises `DataError` if there is no such file."""
    file, function = file_and_function(section.function)
    rule = {**dump(section, without=["type"]), "function": function}
    return _step(plan, name, {"rule": rule, "content": file_hash(file)}, {"file": str(file.absolute())})


def _step(plan: SeedPlan, name: str, params: dict[str, Json], paths: dict[str, Json]) -> Step:
    function, label = "outgrow.supervise.rules_step:apply_rule", f"{name}, seed {plan.seed}"
    return Step("supervisor", function, {**params, "source": name}, plan.data, hints=paths, label=label)


def file_and_function(named: str, folder: Path = Path()) -> tuple[Path, str]:
    """The file and the function's name of `FILE.py:FUNCTION`."""
    file, _, function = named.rpartition(":")
    return folder / at_home(file), function


def file_hash(file: Path) -> str:
    """Of a file of functions, for the identity of a step. Raises `DataError` if there is none."""
    return f"sha256:{hashlib.sha256(read_bytes(file)).hexdigest()}"


def misfits(where: str, section: RegexRule | FunctionRule, task: TaskSection, kind: Kind) -> Problems:
    """A rule votes for classes."""
    if kind != "classify":
        yield f"{where}: a rule votes for one of a task's classes, and here are none; give it a `model`"


def regex_misfits(where: str, section: RegexRule, task: TaskSection, kind: Kind) -> Problems:
    """The same, and a class that is not the task's."""
    yield from misfits(where, section, task, kind)
    builtin_task = TASKS.get(task.name)
    classes = task.classes or (
        builtin_task.classes if builtin_task is not None and native_kind(task) == "classify" else ()
    )
    if kind == "classify" and classes and section.says not in classes:
        yield f"{where}.says: no class `{section.says}`; {suggest(section.says, classes)}"


def missing_function(where: str, section: FunctionRule, kind: Kind | None) -> Problems:
    """A file that is missing or is not Python, or a function that it does not define. The file is parsed, not run."""
    file, name = file_and_function(section.function)
    try:
        tree = ast.parse(read_bytes(file), str(file))
    except OutgrowError as error:
        yield f"{where}.function: {error}"
        return
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        yield f"{where}.function: {file}{line}: is no Python ({getattr(error, 'msg', error)})"
        return
    names = list(_bound_names(tree))
    if name not in names and "*" not in names and "__getattr__" not in names:
        yield f"{where}.function: there is no function `{name}` in {file}; {suggest(name, names)}"


def _bound_names(tree: ast.Module) -> Iterator[str]:
    """All names that are bound anywhere in a file: at least those that can be called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


CLASSES: frozenset[Kind] = frozenset({"classify"})
REGEX = SourceRecord(RegexRule, kinds=CLASSES, key="regex", votes=regex_step, misfits=regex_misfits)
FUNCTION = SourceRecord(
    FunctionRule,
    kinds=CLASSES,
    key="function",
    votes=function_step,
    misfits=misfits,
    check=missing_function,
    code=lambda section: [section.function],
)
