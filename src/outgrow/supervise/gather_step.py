"""Bring the supervisors' answers together: one table for half B, one of anchors.

`half_b.parquet` holds every source's answers to half B, in the order that the study names them.

`anchors.parquet` holds the *anchors*: answers to items of half A by models that had not seen those items, from which a
source's accuracy and temperature are estimated. A probe answers all of half A that way (by folds), a fully trained
supervisor only the share it kept aside. So the table lists every item that any source answered, and a source that
did not answer an item abstains there: each source is judged on all that is known of it. When even one source has no
such answers, it could only be weighed by guessing, and no table is written.
"""

from collections.abc import Sequence

import numpy as np

from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels, join
from outgrow.texts import WeakTexts, join_texts

STRONG, WEAK = "half_b.parquet", "anchors.parquet"


def gather_labels(job: Job, *, sources: list[str]) -> None:
    """The step `labels`: inputs `source.NAME`; writes `half_b.parquet` and, if it can, `anchors.parquet`."""
    folders = [job.inputs[f"source.{name}"] for name in sources]
    tables = [
        _one_source(WeakLabels.load(folder / STRONG), name) for folder, name in zip(folders, sources, strict=True)
    ]
    join(tables).save(job.out / STRONG)
    if all((folder / WEAK).is_file() for folder in folders):
        tables = [
            _one_source(WeakLabels.load(folder / WEAK), name) for folder, name in zip(folders, sources, strict=True)
        ]
        join(on_all_items(tables)).save(job.out / WEAK)


def gather_texts(job: Job, *, sources: list[str]) -> None:
    """The step `labels` of a study of texts: inputs `source.NAME`; writes `half_b.parquet`."""
    tables = [WeakTexts.load(job.inputs[f"source.{name}"] / STRONG) for name in sources]
    for name, table in zip(sources, tables, strict=True):
        if table.sources != (name,):
            raise DataError(f"source `{name}`: expected its texts alone, found those of {', '.join(table.sources)}")
    join_texts(tables).save(job.out / STRONG)


def on_all_items(tables: Sequence[WeakLabels]) -> list[WeakLabels]:
    """The same tables, each over the union of their items (sorted by name); abstentions where it had no answer."""
    union = sorted({item for table in tables for item in table.items})
    place = {item: row for row, item in enumerate(union)}
    widened = []
    for table in tables:
        probs = np.zeros((len(union), len(table.sources), table.n_classes))
        probs[[place[item] for item in table.items]] = table.probs
        widened.append(WeakLabels(union, table.sources, probs))
    return widened


def _one_source(table: WeakLabels, name: str) -> WeakLabels:
    """The table under the name by which the study knows its source."""
    if len(table.sources) != 1:
        raise DataError(f"source `{name}`: expected the answers of one source, found {', '.join(table.sources)}")
    return WeakLabels(table.items, (name,), table.probs)
