"""All types of sources. A new one is a file with its record, and a row here."""

from outgrow.config.section import Section
from outgrow.extensions import Registry
from outgrow.supervise import (
    boosted_source,
    coherence_source,
    endpoint_source,
    model_source,
    ngram_source,
    rule_source,
    votes_source,
)
from outgrow.supervise.source_record import SourceRecord

SOURCES: Registry[SourceRecord] = Registry(
    "supervisor type",
    SourceRecord,
    [
        model_source.RECORD,
        ngram_source.RECORD,
        endpoint_source.RECORD,
        rule_source.REGEX,
        rule_source.FUNCTION,
        votes_source.RECORD,
        coherence_source.RECORD,
        boosted_source.RECORD,
    ],
)


def with_type(section: object) -> object:
    """A section with the `type` that its keys imply; by default it is a model's."""
    if not isinstance(section, dict):
        return section
    implied = (record.name for record in SOURCES.values() if record.key in section)
    return {"type": next(implied, model_source.RECORD.name), **section}


def user_code_of(section: Section) -> list[str]:
    """The user's code that a section runs, by name."""
    record = SOURCES.find(section)
    return [] if record is None else record.code(section)
