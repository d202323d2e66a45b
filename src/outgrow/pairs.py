"""`Pairs`: texts of one model that the supervisors prefer to others of its texts (paper 1, equation 8)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from outgrow.errors import DataError
from outgrow.labels import pack_names, unpack_names

TEXTS, NUMBERS = ("item", "chosen", "rejected"), ("flip", "reference_chosen", "reference_rejected")


@dataclass(frozen=True)
class Pairs:
    """One row per item: the better and the worse of two texts."""

    item: list[str]
    chosen: list[str]
    rejected: list[str]
    flip: Float[np.ndarray, "pair"]
    """The chance that the preference is the wrong way round, 0 … 1/2."""
    reference_chosen: Float[np.ndarray, "pair"]
    """The writing model's own log-probability of the chosen text, summed or per token."""
    reference_rejected: Float[np.ndarray, "pair"]
    origin: tuple[str, ...] = ()
    """How the pairs were made, one sentence each."""

    def __len__(self) -> int:
        return len(self.item)

    def save(self, path: Path) -> None:
        """Write a column for each field, and the origin."""
        columns = {name: vars(self)[name] for name in (*TEXTS, *NUMBERS)}
        pq.write_table(pa.table(columns, metadata={"origin": pack_names(self.origin)}), path)

    @staticmethod
    def load(path: Path) -> "Pairs":
        """Read what `save` wrote."""
        try:
            table = pq.read_table(path)
            texts = {name: table[name].to_pylist() for name in TEXTS}
            numbers = {name: table[name].to_numpy().astype(np.float64) for name in NUMBERS}
            return Pairs(**texts, **numbers, origin=tuple(unpack_names(table.schema.metadata[b"origin"])))
        except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
            raise DataError(f"{path}: not a readable table of pairs ({error})") from error
