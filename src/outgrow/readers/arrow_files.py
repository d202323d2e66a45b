"""Parquet, Arrow and NumPy files."""

import io
import warnings
from collections.abc import Sequence
from tokenize import TokenError

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.errors import DataError
from outgrow.readers.source_table import SourceTable, refuse_duplicates, table_of_arrow

UNREADABLE = (OSError, ValueError, OverflowError, MemoryError, EOFError, pa.ArrowException)
"""Errors of damaged files."""


def parquet_table(origin: str, raw: bytes) -> SourceTable:
    """A Parquet file; columns are read on demand."""
    try:
        schema = pq.read_schema(pa.BufferReader(raw))
        names = list(schema.names)
    except UNREADABLE as error:
        raise _unreadable(origin, "parquet", error) from error
    refuse_duplicates(names, origin)
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]

    def read(columns: Sequence[str]) -> pa.Table:
        try:
            file = pq.ParquetFile(pa.BufferReader(raw), read_dictionary=[name for name in columns if name in texts])
            # `columns=` reads a dot in a column's name as a path.
            dotted = any("." in name for name in columns)
            table = file.read(columns=None if dotted else list(columns)).select(list(columns))
            table.validate(full=True)
        except (*UNREADABLE, KeyError) as error:
            raise _unreadable(origin, "parquet", error) from error
        return table

    return SourceTable(origin, names, read, lambda row: f"{origin}, row {row + 1}")


def arrow_table(origin: str, raw: bytes) -> SourceTable:
    """An Arrow file or stream."""
    is_file = raw.startswith(b"ARROW1")
    try:
        with (pa.ipc.open_file if is_file else pa.ipc.open_stream)(pa.py_buffer(raw)) as reader:
            table = reader.read_all()
        table.validate(full=True)
    except UNREADABLE as error:
        raise _unreadable(origin, "arrow", error) from error
    return table_of_arrow(table, origin)


def npy_array(origin: str, raw: bytes) -> np.ndarray:
    """The array of a `.npy` file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the warning about old files, which damaged files cause, too
            return np.asarray(np.load(io.BytesIO(raw), allow_pickle=False))
    # NumPy parses the header of the file as Python.
    except (*UNREADABLE, SyntaxError, TypeError, TokenError) as error:
        raise _unreadable(origin, "npy", error) from error


def _unreadable(origin: str, kind: str, error: BaseException) -> DataError:
    return DataError(f"{origin}: not a readable {kind} file ({str(error)[:200]})")
