"""An Arrow file with damaged offsets: a sentence, and no exception of the library."""

from pathlib import Path

import pyarrow as pa
import pytest

from outgrow.errors import DataError
from outgrow.readers.open_table import read_table
from outgrow.readers.read_votes import read_votes


@pytest.mark.parametrize("read", [read_table, read_votes])
def test_offsets_that_go_back_are_refused(read, tmp_path: Path) -> None:
    path, texts = tmp_path / "votes.arrow", ["aaaa", "bbbb", "cccc"]
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 4, 8, 12)))
    labels = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer("".join(texts).encode())])
    table = pa.table({"item": ["1", "2", "3"], "source": ["s"] * 3, "label": labels})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    sound = path.read_bytes()
    assert sound.count(bytes(offsets)) == 1
    read(path)
    damaged = b"".join(n.to_bytes(4, "little") for n in (0, 9, 8, 12))
    path.write_bytes(sound.replace(bytes(offsets), damaged))
    with pytest.raises(DataError, match=r"votes\.arrow: not a readable arrow file"):
        read(path)
