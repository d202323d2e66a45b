"""Exports of labelling platforms: one file and one row here for each.

A table is an export if it has the platform's shape. `layout=NAME` reads it as that of a platform; `layout=long` and
`layout=wide` read it as a plain table.
"""

from dataclasses import replace

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError, suggest
from outgrow.readers.platforms.annotator_pivot import ANNOTATOR_PIVOT
from outgrow.readers.platforms.appen import APPEN
from outgrow.readers.platforms.argilla import ARGILLA, ARGILLA_1
from outgrow.readers.platforms.doccano import DOCCANO, DOCCANO_ALL
from outgrow.readers.platforms.export import Export, Platform
from outgrow.readers.platforms.label_studio import LABEL_STUDIO, LABEL_STUDIO_ROWS
from outgrow.readers.platforms.labelbox import LABELBOX
from outgrow.readers.platforms.marks import ONE_COLUMN_PER_CLASS
from outgrow.readers.platforms.model_logs import INSPECT, LM_EVAL, PROMPTFOO
from outgrow.readers.platforms.mturk import MTURK
from outgrow.readers.platforms.nested_votes import NESTED_VOTES
from outgrow.readers.platforms.potato import POTATO, POTATO_JSON
from outgrow.readers.platforms.prodigy import PRODIGY
from outgrow.readers.platforms.respondents import QUALTRICS, RESPONDENTS
from outgrow.readers.platforms.toloka import TOLOKA
from outgrow.readers.platforms.vote_counts import VOTE_COUNTS
from outgrow.readers.source_table import SourceTable

PLATFORMS = {
    platform.name: platform
    for platform in (
        DOCCANO_ALL,
        LABEL_STUDIO,
        LABEL_STUDIO_ROWS,
        ARGILLA,
        ARGILLA_1,
        MTURK,
        TOLOKA,
        APPEN,
        PRODIGY,
        DOCCANO,
        POTATO,
        POTATO_JSON,
        LABELBOX,
        QUALTRICS,
        ANNOTATOR_PIVOT,
        PROMPTFOO,
        INSPECT,
        LM_EVAL,
        VOTE_COUNTS,
        NESTED_VOTES,
        RESPONDENTS,
        ONE_COLUMN_PER_CLASS,
    )
}
"""All platforms; the first that fits counts. The last two are layouts that only `layout` names."""
PLAIN = ("auto", "long", "wide", "matrix")
"""Layouts of plain tables."""


def export_of(table: SourceTable, columns: VoteColumns) -> Export | None:
    """The table as an export of a platform; None for a plain table. Raises `ConfigError` for an unknown `layout`."""
    platform = _platform(table, columns.layout)
    if platform is None:
        return None
    plain = columns if columns.layout == "auto" else columns.model_copy(update={"layout": "auto"})
    return replace(platform.read(table, plain), user=columns, title=platform.title)


def is_export(table: SourceTable) -> bool:
    """Whether a table has the shape of a platform's export."""
    return _platform(table, "auto") is not None


def _platform(table: SourceTable, layout: str) -> Platform | None:
    if layout in PLATFORMS:
        platform = PLATFORMS[layout]
        if not platform.by_name and not platform.fits(table):
            raise ConfigError(f"{table.origin}: `layout={layout}` is for {platform.title}, and this is none")
        return platform
    if layout not in PLAIN:
        raise ConfigError(f"`layout`: there is no layout `{layout}`; {suggest(layout, (*PLAIN, *PLATFORMS))}")
    if layout != "auto":
        return None
    return next((platform for platform in PLATFORMS.values() if platform.fits(table)), None)
