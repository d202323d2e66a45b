"""The papers of an experiment, as BibTeX.

`references.bib` has every paper once; its field `cited` is how the records of extensions name it (`Dawid & Skene
1979`), and is left out of the output. So the paper of a new extension is found if its record names it like that. What
a record names and the file lacks, such as the paper of a plug-in, is quoted in a comment.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.section import Section
from outgrow.extensions import Record, registries
from outgrow.render.html_page import resource
from outgrow.study.method_rows import parts_of

ALWAYS = ("cui2025bayesian", "burns2023weak")
REFINED, CAPABILITIES = "somerstep2025transfer", "zhou2025capabilities"
OWN = re.compile(r"ours|majority rule|log-linear pooling|majority vote")
"""Beginnings of a record's `paper` that is none."""


class Reference(NamedTuple):
    """A paper."""

    key: str
    cited: str
    """How records name it."""
    bibtex: str


@cache
def references() -> dict[str, Reference]:
    """All papers by key, in the order of the file."""
    found = {}
    for entry in re.split(r"\n(?=@)", resource("reporting/references.bib").strip()):
        key, cited = re.match(r"@\w+\{([^,]+),", entry), re.search(r"\n\s*cited\s*= \{(.*?)\},(?=\n)", entry)
        assert key is not None, entry
        assert cited is not None, entry
        found[key[1]] = Reference(key[1], cited[1], entry.replace(cited[0], ""))
    return found


def papers_in(text: str) -> list[Reference]:
    """The papers that a record's `paper` names."""
    return [reference for reference in references().values() if reference.cited in text]


def records_used(experiment: Experiment) -> list[Record]:
    """The records of all extensions that the experiment's sections name, in the order of the file."""
    known = [registry for registry in registries().values() if issubclass(registry.record_class, Record)]
    found = [registry.find(section) for section in _sections(experiment) for registry in known]
    return list({id(record): record for record in found if record is not None}.values())


def _sections(value: object) -> Iterator[Section]:
    """A section and all sections within it."""
    if isinstance(value, Section):
        yield value
        for name in type(value).model_fields:
            yield from _sections(getattr(value, name))
    elif isinstance(value, dict):
        for part in value.values():
            yield from _sections(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _sections(part)


def cited(experiment: Experiment) -> list[Reference]:
    """The papers of the experiment's rows, supervisors and judges; those of the whole setting first."""
    keys = [*ALWAYS]
    if experiment.judges or any(method.refine is not None for method in experiment.methods):
        keys.append(REFINED)
    if experiment.task.capabilities or any(_selects(method) for method in experiment.methods):
        keys.append(CAPABILITIES)
    named = (reference.key for record in records_used(experiment) for reference in papers_in(record.paper))
    return [references()[key] for key in dict.fromkeys([*keys, *named])]


def bibtex(experiment: Experiment) -> str:
    """BibTeX of the papers; a comment names those of records that have none here."""
    entries = [reference.bibtex for reference in cited(experiment)]
    papers = [record.paper for record in records_used(experiment)]
    return "\n\n".join([*entries, *(f"% also used: {paper}" for paper in _unknown(papers))])


def _unknown(papers: Iterable[str]) -> list[str]:
    named = dict.fromkeys(" ".join(paper.split()) for paper in papers)
    return [paper for paper in named if paper and not papers_in(paper) and not OWN.match(paper)]


def _selects(method: Method) -> bool:
    """Whether a student trains on some of the labels only, or in stages."""
    parts = parts_of(method)
    return len(parts) > 1 or any(part.select is not None for part in parts)
