"""Arguments and options that several commands on votes have, and checks of files to be written."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from outgrow.errors import ConfigError

Votes = Annotated[
    Path, typer.Argument(help="Votes: CSV, TSV, JSONL, JSON, Parquet, Arrow, .npy, or a platform's export.")
]
Columns = Annotated[
    list[str] | None,
    typer.Argument(
        help="Further files of votes, and settings: item=task_id source=worker layout=wide drop=ann …"
        " `outgrow docs show your-labels` lists them.",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Argument(
        help="Settings: key.sub=value, such as votes.item=task_id keep.confidence=0.8 …", show_default=False
    ),
]
Classes = Annotated[str | None, typer.Option(help="All classes in order, separated by commas.", show_default=False)]
Gold = Annotated[
    Path | None,
    typer.Option(
        help="A table with the true classes, or the right texts, of some items.", show_default=False, metavar="FILE"
    ),
]
Renormalise = Annotated[bool, typer.Option("--renormalise", help="Scale probabilities that do not sum to 1.")]
MethodOfKind = Annotated[str | None, typer.Option("--method", help="The combiner.", show_default=False)]
KindOfVotes = Annotated[
    str | None,
    typer.Option(
        "--kind", help="What the votes are; by default as the table shows.", show_default=False, metavar="KIND"
    ),
]


class WithMethods(TyperCommand):
    """A command whose help lists every combiner and every kind of votes. Only the help imports them."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from outgrow.vote_kinds import VOTE_KINDS, methods_of

        first, *others = VOTE_KINDS.values()
        with_kind = any(option.name == "kind" for option in self.params)
        kinds = others if with_kind else [kind for kind in others if kind.is_taught]
        names = [f"{', '.join(sorted(methods_of(first)))}, single:SOURCE"]
        names += [f"of {kind.name.replace('_', ' ')} {', '.join(methods_of(kind))}" for kind in kinds]
        for option in self.params:
            if option.name == "method":
                option.help = f"The combiner: {'; '.join(names)}."  # type: ignore[attr-defined]
            if option.name == "kind":
                option.help = f"What the votes are: {', '.join(VOTE_KINDS)}; by default as the table shows."  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def check_outputs(read: list[Path | None], written: dict[str, tuple[Path | None, tuple[str, ...]]]) -> None:
    """Check before any work that outputs (by option, with their formats) can be written and are not inputs.

    Raises `ConfigError` and `DataError`.
    """
    from outgrow.graph.writable import refuse_unwritable

    for option, (path, formats) in written.items():
        if path is None:
            continue
        refuse_unwritable(option, path, formats)
        if os.path.exists(path) and any(
            source and os.path.exists(source) and path.samefile(source) for source in read
        ):
            raise ConfigError(f"{option}: {path} is an input file; write to another file")


def class_list(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]
