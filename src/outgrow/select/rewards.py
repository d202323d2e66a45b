"""`Rewards`: a reward model's score of each target, the table between its training and the selection."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int

from outgrow.errors import DataError
from outgrow.labels import pack_names, unpack_names
from outgrow.texts import TextTargets

NAME = "rewards.parquet"


@dataclass(frozen=True)
class Rewards:
    """A row for every row of the targets, in their order."""

    items: list[str]
    texts: list[str]
    reward: Float[np.ndarray, "row"]
    """Log-odds that the text is a good one; NaN where the model cannot read it."""
    probability: Float[np.ndarray, "row"]
    """The same as a probability; NaN too where the reward is something else instead."""
    fold: Int[np.ndarray, "row"]
    """Which of the models scored the row; each was trained on the other folds, or there is only one."""
    origin: tuple[str, ...] = ()
    """Deviations from what was asked for, one sentence each."""

    def save(self, folder: Path) -> None:
        """Write `rewards.parquet`: `item`, `text`, `reward`, `probability`, `fold`; a missing number is null."""
        columns = {
            "item": pa.array(self.items, pa.string()),
            "text": pa.array(self.texts, pa.string()),
            "reward": pa.array(self.reward, pa.float64(), from_pandas=True),
            "probability": pa.array(self.probability, pa.float64(), from_pandas=True),
            "fold": pa.array(self.fold, pa.int32()),
        }
        pq.write_table(pa.table(columns, metadata={"origin": pack_names(self.origin)}), folder / NAME)

    @staticmethod
    def load(folder: Path) -> "Rewards":
        """Read what `save` wrote."""
        try:
            table = pq.read_table(folder / NAME)
            origin = unpack_names(table.schema.metadata[b"origin"])
        except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
            raise DataError(f"{folder / NAME}: not a readable table of rewards ({error})") from error
        return Rewards(
            items=table["item"].to_pylist(),
            texts=table["text"].to_pylist(),
            reward=table["reward"].to_numpy().astype(np.float64),
            probability=table["probability"].to_numpy().astype(np.float64),
            fold=table["fold"].to_numpy().astype(np.int64),
            origin=tuple(origin),
        )

    def require(self, targets: TextTargets) -> None:
        """`DataError` unless these are the rewards of those targets."""
        if self.items != targets.items or self.texts != targets.texts:
            raise DataError(
                f"{NAME}: does not have the rows of targets.parquet; run the reward model on the same targets"
            )
