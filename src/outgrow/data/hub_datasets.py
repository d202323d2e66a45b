"""Data sets from the Hugging Face hub, by the `datasets` library. No code of a data set is ever run."""

from collections.abc import Iterable, Iterator

from outgrow.data.published_task import HubSource
from outgrow.errors import DataError
from outgrow.readers.source_table import SourceTable, table_of_rows


def read_hub(hub: HubSource, splits: Iterable[str], revision: str | None = None) -> Iterator[tuple[str, SourceTable]]:
    """The tables of those of `splits` that the data set has. `revision` overrides the description's own.

    Raises `DataError` where the hub cannot be reached or has no such set.
    """
    import datasets  # heavy, and not needed for bundled data and files

    try:
        found = datasets.load_dataset(hub.id, hub.config, revision=revision or hub.revision)
    # Whatever goes wrong between here and the hub (network, proxy, login, cache, format) has types of many libraries.
    except Exception as error:
        raise DataError(
            f"hub data set `{hub_name(hub, revision)}` cannot be loaded ({type(error).__name__}: {str(error)[:200]});"
            " check the connection, or set task.source to `bundled` where `outgrow data ls` shows it, or task.path to"
            " the published files"
        ) from error
    wanted = [split for split in splits if split in found]
    if not wanted:
        raise DataError(f"hub data set `{hub_name(hub, revision)}` has only the splits {', '.join(found)}")
    for split in wanted:
        part = found[split].select_columns(list(hub.columns)) if hub.columns else found[split]
        yield split, table_of_rows(f"{hub.id} ({split})", part.to_list(), columns=part.column_names)


def hub_name(hub: HubSource, revision: str | None = None) -> str:
    """`org/name/config@revision`."""
    config = f"/{hub.config}" if hub.config else ""
    return f"{hub.id}{config}@{revision or hub.revision or 'main'}"
