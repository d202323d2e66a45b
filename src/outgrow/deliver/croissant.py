"""Croissant metadata (version 1.0) of a folder of Parquet files: what each file, table and column is.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html. mlcroissant validates it in a test.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification prescribes."""


def croissant(
    name: str,
    about: str,
    tables: Mapping[str, pa.Table],
    meanings: Mapping[str, str],
    digests: Mapping[str, str],
    licence: str | None,
) -> dict[str, Any]:
    """The metadata as plain data.

    `meanings` says what the tables are, and what their columns are under `table.column` or `column`. `digests` has the
    SHA-256 of every file. Without a `licence` the field is left out: nobody stated one.
    """
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": about,
        **({"license": licence} if licence else {}),
        "distribution": [_file(table, digests[table]) for table in tables],
        "recordSet": [_record_set(table, columns, meanings) for table, columns in tables.items()],
    }


def file_name(table: str) -> str:
    """The file of a table."""
    return f"{table}.parquet"


def _file(table: str, digest: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file_name(table),
        "name": file_name(table),
        "contentUrl": file_name(table),
        "encodingFormat": "application/x-parquet",
        "sha256": digest,
    }


def _record_set(table: str, columns: pa.Table, meanings: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": meanings[table],
        "field": [_field(table, column, meanings) for column in columns.schema],
    }


def _field(table: str, column: pa.Field, meanings: Mapping[str, str]) -> dict[str, Any]:
    is_list = pa.types.is_list(column.type)
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        "description": meanings[column.name],
        "dataType": _data_type(column.type.value_type if is_list else column.type),
        **({"repeated": True} if is_list else {}),
        "source": {"fileObject": {"@id": file_name(table)}, "extract": {"column": column.name}},
    }


def _data_type(kind: pa.DataType) -> str:
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
