"""Output of a command: text or JSON on stdout, messages on stderr, an exit code."""

import html
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow.cli import INTERRUPTED
from outgrow.text_format import STEERING, harmless

if TYPE_CHECKING:
    from outgrow.api_results import Result
    from outgrow.suite import SuiteResult

FAILED = 1
ESCAPED = re.compile(r"\\([\\`*\[\]|~#$_])")
"""What `reporting.tables.table` escapes in Markdown."""

Words = Annotated[list[str] | None, typer.Argument(help="Overrides: key.sub=value …", show_default=False)]
Plugins = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="A Python file with extensions of your own.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def say_result(result: "Result", as_json: bool) -> None:
    if as_json:
        say_json(result.to_json())
    else:
        from outgrow.cli.result_text import result_text

        say(f"{result_text(result.results)}\n\nreport: {result.report}")
    end([result])


def say_suite(found: "SuiteResult", as_json: bool) -> None:
    if as_json:
        say_json(found.to_json())
    else:
        from outgrow.cli.result_text import compact

        say("\n\n".join(f"{table.title}\n{compact(table)}" for table in found.tables if table.name != "sweep"))
        say(f"\nreport: {found.report}")
    end(list(found.results.values()))


def end(results: "list[Result]") -> None:
    for note in (note for result in results for note in result.notes):
        complain(note)
    for complaint in dict.fromkeys(complaint for result in results for complaint in result.complaints):
        complain(complaint)
    if any(result.interrupted for result in results):
        raise typer.Exit(INTERRUPTED)
    if any(result.failed for result in results):
        raise typer.Exit(FAILED)


def say(text: str) -> None:
    text, encoding = harmless(text), sys.stdout.encoding
    if encoding.lower() != "utf-8":
        # A terminal may lack a character; the minus sign must stay visible.
        text = text.replace("\N{MINUS SIGN}", "-").encode(encoding, "replace").decode(encoding)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # `| head` has closed the pipe; Python must not flush again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_markdown(text: str) -> None:
    """A Markdown table for a terminal: without the escapes."""
    say(html.unescape(ESCAPED.sub(r"\1", text)))


def say_json(value: Any) -> None:
    say(STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False, indent=1)))


def say_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        return say_json(rows)
    texts = [{key: key for key in rows[0]}, *({key: _cell(row[key]) for key in row} for row in rows)]
    widths = {key: max(len(row[key]) for row in texts) for key in texts[0]}
    for row in texts:
        say("  ".join(row[key].ljust(width) for key, width in widths.items()).rstrip())
    return None


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def complain(message: str) -> None:
    sys.stderr.write(f"outgrow: {harmless(message)}\n")
