"""The verbs of the store: ls, du, gc, pack, unpack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow.cli.output import AsJson, Words, complain, say, say_json
from outgrow.text_format import listed, many

if TYPE_CHECKING:
    from outgrow.store_tools.garbage import Garbage
    from outgrow.store_tools.usage import StoredStep, StudySteps

Studies = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[STUDY]...",
        help="Files of studies or suites, or folders of reports. Default: the reports beside the store.",
        show_default=False,
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--store", help="The store's folder; default: that of the studies, or runs/steps.", show_default=False
    ),
]
UNUSED = "(no study)"


def ls(
    studies: Studies = None,
    store: Root = None,
    unused: Annotated[bool, typer.Option("--unused", help="Only steps that none of the studies uses.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the finished steps of a store: bytes, seconds, and the studies that use them."""
    from outgrow.store_tools.usage import stored_steps

    root, known = _place(studies or [], store)
    steps = [step for step in stored_steps(root, known) if not (unused and step.users)]
    if as_json:
        return say_json([step.__dict__ for step in steps])
    say(_aligned([("step", "size", "computed in", "finished", "used by"), *map(_step_row, steps)]))
    return say(f"\n{root}: {many(len(steps), 'step')}, {_size(sum(step.size for step in steps))}")


def du(studies: Studies = None, store: Root = None, as_json: AsJson = False) -> None:
    """Show the disk space of each study, of what no study uses, and of the rest of a store."""
    import shutil

    from outgrow.store_tools.usage import other_sizes, stored_steps

    root, known = _place(studies or [], store)
    steps = list(stored_steps(root, known))
    rows = [_use_of(study, [step for step in steps if study in step.users]) for study in _names(known)]
    rows += [{**_use_of(UNUSED, [step for step in steps if not step.users]), "only_this": None}]
    rest, free = other_sizes(root), shutil.disk_usage(root).free
    total = sum(step.size for step in steps) + sum(rest.values())
    if as_json:
        return say_json({"store": str(root), "studies": rows, "other": rest, "total": total, "free": free})
    lines = [(row["study"], str(row["steps"]), _size(row["bytes"]), _size(row["only_this"])) for row in rows]
    lines += [(title, "", _size(size), "") for title, size in rest.items() if size]
    say(_aligned([("study", "steps", "size", "only this study"), *lines]))
    return say(f"\n{root}: {_size(total)} in all; {_size(free)} free on its disk")


def gc(
    studies: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[STUDY]...", help="More studies to keep.", show_default=False),
    ] = None,
    keep: Annotated[
        list[Path] | None,
        typer.Option("--keep", metavar="STUDY", help="A study, suite or report whose steps stay.", show_default=False),
    ] = None,
    store: Root = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them. Without it, they are only listed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove the steps that none of the kept studies uses, with damaged results, old checkpoints and logs.

    A study run with overrides is kept by the folder of its report. Without --yes nothing is removed. Steps of `ask`,
    `train` and `predict` belong to no study; the same command computes them again, and responses of servers stay.
    """
    from outgrow.errors import ConfigError
    from outgrow.store_tools.garbage import find_garbage, remove
    from outgrow.store_tools.usage import known_studies

    named = [*(keep or []), *(studies or [])]
    if not named:
        raise ConfigError("--keep: name the studies whose steps stay, as in `outgrow store gc --keep study.yaml`")
    root, kept = _place(named, store)
    garbage = find_garbage(root, kept, known_studies(root))
    removed = remove(garbage) if yes else 0
    if as_json:
        say_json(_garbage_data(garbage, removed))
    else:
        say(_garbage_text(garbage, removed, yes))


def pack(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A study, a suite, or the folder of a report.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle, a file that ends in .tar.zst.")],
    words: Words = None,
    store: Root = None,
    as_json: AsJson = False,
) -> None:
    """Write the finished steps of a study into one file, for another machine."""
    from outgrow.store_tools.pack import pack as write_bundle
    from outgrow.store_tools.usage import store_of, studies_in

    packed = studies_in(study, words or [])
    contents = write_bundle(packed, store or store_of(packed), output)
    size = output.stat().st_size
    if contents.missing:
        complain(f"{many(contents.missing, 'step')} of the study not finished, and not in the bundle")
    if as_json:
        return say_json({"bundle": str(output), "bytes": size, "steps": contents.steps, "missing": contents.missing})
    return say(f"{output}: {many(len(contents.steps), 'step')}, {_size(size)} ({_size(contents.size)} unpacked)")


def unpack(
    bundle: Annotated[Path, typer.Argument(help="A file that `outgrow store pack` wrote.")],
    store: Annotated[Path, typer.Option("--store", help="The folder of the store, which may be missing.")] = Path(
        "runs/steps"
    ),
    as_json: AsJson = False,
) -> None:
    """Add the steps of a bundle to a store. Every step is compared with its record.

    Unpack bundles of people whose results you would use: a record does not prove how a result was computed.
    """
    from outgrow.store_tools.unpack import unpack as read_bundle

    done = read_bundle(bundle, store)
    if done.busy:
        complain(f"{listed(done.busy)}: being computed by a run, which keeps its own result")
    if as_json:
        return say_json(
            {"store": str(store), "study": done.contents.study, "added": done.added, "present": done.present}
        )
    there = f"; {many(len(done.present), 'step')} had been there" if done.present else ""
    return say(f"{store}: {many(len(done.added), 'step')} of `{done.contents.study}` added{there}")


# ---- places and texts -------------------------------------------------------------------------------------


def _place(sources: list[Path], store: Path | None) -> tuple[Path, list[StudySteps]]:
    """The store, and the studies that are given or whose reports lie beside it."""
    from outgrow.config.paths import STORE
    from outgrow.store_tools.usage import known_studies, require_store, store_of, studies_in

    if sources:
        studies = [study for source in sources for study in studies_in(source)]
        root = store or store_of(studies)
        require_store(root)
        return root, studies
    root = store or STORE
    require_store(root)
    return root, known_studies(root)


def _names(studies: list[StudySteps]) -> list[str]:
    return list(dict.fromkeys(study.name for study in studies))


def _use_of(study: str, steps: list[StoredStep]) -> dict[str, Any]:
    only = sum(step.size for step in steps if len(step.users) == 1)
    return {"study": study, "steps": len(steps), "bytes": sum(step.size for step in steps), "only_this": only}


def _step_row(step: StoredStep) -> tuple[str, ...]:
    users = ", ".join(step.users) or UNUSED
    return step.folder, _size(step.size), f"{step.seconds:.1f} s", step.finished_at[:10], users


def _garbage_text(garbage: Garbage, removed: int, done: bool) -> str:
    rows = [_step_row(step) for step in garbage.steps]
    table = [_aligned([("step", "size", "computed in", "finished", "used by"), *rows]), ""] if rows else []
    rest = f" and {many(len(garbage.remains), 'log or checkpoint', 'logs and checkpoints')}" if garbage.remains else ""
    what = f"{many(removed if done else len(rows), 'step')}{rest}, {_size(garbage.size)}"
    end = f"removed {what}" if done else f"{what}: nothing was removed; `--yes` removes them"
    return "\n".join([*table, f"{garbage.root}: {end}"])


def _garbage_data(garbage: Garbage, removed: int) -> dict[str, Any]:
    steps = [step.__dict__ for step in garbage.steps]
    remains = [str(path) for path in garbage.remains]
    return {"steps": steps, "remains": remains, "bytes": garbage.size, "removed": removed}


def _size(size: int | None) -> str:
    from outgrow.cli.plan_text import amount

    return "" if size is None else amount(size, "B") or "0 B"


def _aligned(rows: list[tuple[str, ...]]) -> str:
    """Columns of equal width; the first and the last to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index in (0, last) else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
