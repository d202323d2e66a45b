"""The bytes of a file, and its name in messages.

Only regular files are read. An unreadable file raises `DataError` with its name and the reason.
"""

import gzip
import stat
import zlib
from pathlib import Path

from outgrow.errors import DataError, suggest
from outgrow.text_format import harmless


def read_bytes(path: Path, gzipped: bool = False) -> bytes:
    """The content of a file, unpacked if `gzipped`. Raises `DataError` if it cannot be read."""
    require_regular(path)
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if gzipped else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{shown(path)}: cannot be read ({error})") from error
    except MemoryError as error:
        raise DataError(f"{shown(path)}: is too large for this machine's memory") from error


def require_regular(path: Path) -> None:
    """Raise `DataError` unless the path is a regular file: reading a pipe or a device may not end."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(_missing(path)) from error
    except (OSError, ValueError) as error:  # a name that is too long, or with NUL or half a character
        reason = error.strerror if isinstance(error, OSError) else "no file can have this name"
        raise DataError(f"{shown(path)}: cannot be read ({reason})") from error
    if not stat.S_ISREG(mode):
        kind_name = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise DataError(f"{shown(path)}: is {kind_name}, not a file; save its content to a file")


def shown(path: Path) -> str:
    """A path in messages and notes; file names may contain bytes that are not UTF-8."""
    return harmless(str(path))


def _missing(path: Path) -> str:
    if not path.parent.is_dir():
        return f"{shown(path)}: there is no folder {shown(path.parent)}"
    names = sorted(shown(Path(sibling.name)) for sibling in path.parent.iterdir())
    hint = f"; {suggest(path.name, names)}" if 0 < len(names) <= 30 else ""
    return f"{shown(path)}: there is no such file{hint}"


def decode(raw: bytes, origin: str) -> str:
    """UTF-8 text, without its byte order mark."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{origin}: this is UTF-16 text; save it as UTF-8")
    start = 3 if raw.startswith(b"\xef\xbb\xbf") else 0
    try:
        return raw[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = start + error.start
        line = raw.count(b"\n", 0, offset) + 1
        raise DataError(
            f"{origin}, line {line}: byte {offset} (0x{raw[offset]:02x}) is not UTF-8; save the file as UTF-8"
        ) from error


def checked_text(raw: bytes, origin: str) -> bytes:
    """The bytes of a text file without byte order mark. Raises `DataError` unless it is UTF-8 without NUL."""
    decode(raw, origin)
    if (position := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, position) + 1
        raise DataError(
            f"{origin}, line {line}: a NUL byte, which text does not contain; is the file damaged, or UTF-16?"
        )
    return raw.removeprefix(b"\xef\xbb\xbf")
