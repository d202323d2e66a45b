"""All types of sources. A new one is a file with its record, and a row here."""

from outgrow.config.section import Section
from outgrow.extensions import Registry
from outgrow.supervise import coherence_source, endpoint_source, model_source, ngram_source, rule_source, votes_source
from outgrow.supervise.source_record import SourceRecord

SOURCES: Registry[SourceRecord] = Registry(
    "supervisor type",
    [
        model_source.RECORD,
        ngram_source.RECORD,
        endpoint_source.RECORD,
        rule_source.REGEX,
        rule_source.FUNCTION,
        votes_source.RECORD,
        coherence_source.RECORD,
    ],
)


def with_type(section: object) -> object:
    """A section with the `type` that its keys imply; by default it is a model's."""
    if not isinstance(section, dict):
        return section
    implied = (record.name for record in SOURCES.values() if record.key in section)
    return {"type": next(implied, model_source.RECORD.name), **section}


def source_record(section: Section) -> SourceRecord | None:
    """The record of any section of a file; `None` if it is no source's."""
    name = dict(section).get("type")
    record = SOURCES.get(name) if isinstance(name, str) else None
    return record if record is not None and isinstance(section, record.section) else None


def user_code_of(section: Section) -> list[str]:
    """The user's code that a section runs, by name."""
    record = source_record(section)
    return [] if record is None else record.code(section)
