"""What a paper takes from a finished report: figures for one column, a paragraph on the methods, and its references.

    methods.tex       the paragraph, with \\cite
    references.bib    the papers that it cites
    NAME.pdf, .svg    every plot of the report, drawn for a column of 3.4 inches

The numbers are those of the report's `results.json`: nothing is measured again. The tables are in the report's folder
as LaTeX.
"""

from collections.abc import Sequence
from pathlib import Path

from outgrow import __version__
from outgrow.config.experiment import Experiment
from outgrow.errors import DataError, StepFailed
from outgrow.graph.durable import full_disk
from outgrow.graph.output import whole_file
from outgrow.render import canvas
from outgrow.render.escapes import latex_text
from outgrow.reporting.collect import read_results
from outgrow.reporting.methods_text import methods_paragraph
from outgrow.reporting.references import bibtex
from outgrow.reporting.results import Results
from outgrow.reporting.topics import topic_contents

CITE = "\x02"
"""Stands before and after the keys of a citation while the rest is escaped."""


def write_paper(experiment: Experiment, report: Path, folder: Path) -> list[Path]:
    """Write the files into `folder`; returns their paths. Raises `DataError` without a report, `StepFailed`."""
    try:
        results = read_results(report)
    except (OSError, ValueError) as error:
        raise DataError(f"{report}: has no readable report ({error}); `outgrow run` writes it") from error
    contents = paper_files(results, experiment)
    try:
        for name, content in contents.items():
            with whole_file(folder / name) as unfinished:
                unfinished.write_bytes(content)
    except OSError as error:
        full = full_disk(error, folder)
        raise StepFailed(full) if full else DataError(f"{folder}: cannot be written ({error})") from error
    return [folder / name for name in contents]


def paper_files(results: Results, experiment: Experiment) -> dict[str, bytes]:
    """The content of every file by its name."""
    paragraph = methods_paragraph(results.about, experiment, __version__, _marked)
    contents = {
        "methods.tex": (latex_with_citations(paragraph) + "\n").encode(),
        "references.bib": (bibtex(experiment) + "\n").encode(),
    }
    with canvas.for_paper():
        for topic in topic_contents(results, draw=True):
            for drawing in topic.drawings:
                contents[f"{drawing.name}.pdf"] = drawing.pdf
                contents[f"{drawing.name}.svg"] = (drawing.svg + "\n").encode()
    return contents


def _marked(keys: Sequence[str]) -> str:
    return f"{CITE}{','.join(keys)}{CITE}" if keys else ""


def latex_with_citations(text: str) -> str:
    """Text for LaTeX; keys between two marks become `~\\cite{…}`."""
    parts = text.split(CITE)
    return "".join(
        latex_text_part(part) if index % 2 == 0 else f"~\\cite{{{part}}}" for index, part in enumerate(parts)
    )


def latex_text_part(text: str) -> str:
    """Escaped text that keeps a blank at either end."""
    left, right = (" " if text[:1] == " " else ""), (" " if text[-1:] == " " and text.strip() else "")
    return f"{left}{latex_text(text)}{right}"
