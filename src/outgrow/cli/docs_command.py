"""`outgrow docs`: the documentation that came with this version, and the skill for coding agents."""

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.output import AsJson, say, say_json, say_rows

SKILL = "SKILL.md"


def docs_ls(as_json: AsJson = False) -> None:
    """List the pages of the documentation."""
    say_rows([{"name": name, "about": about} for name, about in pages().items()], as_json)


def docs_show(name: Annotated[str, typer.Argument(help="A page of `outgrow docs ls`.")]) -> None:
    """Print a page as Markdown."""
    from outgrow.config.recipes import docs_folder
    from outgrow.errors import ConfigError, suggest

    if name not in pages():
        raise ConfigError(f"no page named `{name}`; {suggest(name, list(pages()))}")
    say((docs_folder() / f"{name}.md").read_text(encoding="utf-8"))


def docs_skill(
    folder: Annotated[Path, typer.Argument(help="The folder of an agent's skills.")],
    as_json: AsJson = False,
) -> None:
    """Write the skill that teaches a coding agent the use of outgrow to FOLDER/outgrow/SKILL.md."""
    from outgrow.config.recipes import docs_folder

    target = folder / "outgrow" / SKILL
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(docs_folder() / "skill" / SKILL, target)
    if as_json:
        say_json({"written": str(target)})
    else:
        say(str(target))


def pages() -> dict[str, str]:
    """What each page is about, by name, from the table of contents `llms.txt`."""
    from outgrow.config.recipes import docs_folder

    contents = (docs_folder() / "llms.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^- \[.+?\]\((\S+)\.md\): (.+)$", contents, re.MULTILINE))
