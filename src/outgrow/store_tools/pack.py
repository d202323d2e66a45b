"""Writing a bundle."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from outgrow import __version__
from outgrow.errors import ConfigError, DataError, StepFailed
from outgrow.graph.done import DONE, Done
from outgrow.graph.durable import full_disk
from outgrow.graph.output import whole_file
from outgrow.graph.step import Step
from outgrow.graph.store import Store
from outgrow.graph.writable import refuse_unwritable
from outgrow.store_tools.bundle_format import CONTENTS, FORMAT, SUFFIX, Contents
from outgrow.store_tools.usage import StudySteps, require_store


def pack(studies: Sequence[StudySteps], root: Path, bundle: Path) -> Contents:
    """Write the finished steps of `studies` into the file `bundle`, which is written whole or not at all.

    Every file is read and compared with its step's record first. A damaged step is left out and counts as missing.
    Raises `ConfigError` for the file's name, `DataError` if there is nothing to pack, `StepFailed` for a full disk.
    """
    if not bundle.name.endswith(SUFFIX):
        raise ConfigError(f"-o: {bundle} has an unknown format; name a file that ends in {SUFFIX}")
    refuse_unwritable("-o", bundle)
    require_store(root)
    store = Store(root)
    steps = {step.folder: step for study in studies for step in study.steps}
    with store.in_use(make=False):
        whole = store.whole(list(steps.values()))
        finished = {folder: whole[step.identity] for folder, step in sorted(steps.items()) if step.identity in whole}
        if not finished:
            raise DataError(f"{root}: holds no whole step of `{studies[0].name}`; run it first")
        sizes = {folder: _size(store, steps[folder], done) for folder, done in finished.items()}
        name = ", ".join(dict.fromkeys(study.name for study in studies))
        contents = Contents(FORMAT, __version__, name, sizes, len(steps) - len(finished))
        try:
            with whole_file(bundle) as unfinished:
                _write(contents, finished, store, unfinished)
        except OSError as error:
            full = full_disk(error, bundle.parent)
            raise StepFailed(full) if full else DataError(f"{bundle}: cannot be written ({error})") from error
    return contents


def _size(store: Store, step: Step, done: Done) -> int:
    """Bytes of a step with its record."""
    return sum(file.size for file in done.files.values()) + (store.path(step) / DONE).stat().st_size


def _write(contents: Contents, finished: dict[str, Done], store: Store, to: Path) -> None:
    with (
        pa.OSFile(str(to), "wb") as file,
        pa.CompressedOutputStream(file, "zstd") as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        data = contents.to_bytes()
        archive.addfile(_member(CONTENTS, len(data)), io.BytesIO(data))
        for folder, done in finished.items():
            for name in (*sorted(done.files), DONE):
                path = store.root / folder / name
                with path.open("rb") as source:
                    archive.addfile(_member(f"{folder}/{name}", path.stat().st_size), source)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """A file's entry, without time, owner or permissions of this machine."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member
