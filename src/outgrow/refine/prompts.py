"""The prompts of refiners: text files, each of which a file in a user's folder can replace.

Every prompt must have exactly the fields in the refiner's record.
"""

from pathlib import Path

from outgrow.data.template import require_fields
from outgrow.errors import ConfigError, suggest
from outgrow.readers.raw_file import decode, read_bytes
from outgrow.refine import REFINERS


def read_prompts(refiner: str, folder: Path | None = None) -> dict[str, str]:
    """The texts of a refiner's prompts, by name.

    Raises `ConfigError` for a missing folder, a folder without a known prompt, and a prompt with other fields than
    those in the record.
    """
    record = REFINERS[refiner]
    user_prompts = _user_prompts(folder) if folder is not None else {}
    texts = {
        name: user_prompts[name] if name in user_prompts else (record.prompt_folder / f"{name}.txt").read_text("utf-8")
        for name in record.prompts
    }
    for name, text in texts.items():
        origin = f"{folder / name}.txt" if folder is not None and name in user_prompts else name
        require_fields(text, origin, record.prompts[name], record.prompts[name])
    return texts


def _user_prompts(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise ConfigError(f"refine.prompts: {folder} is not a folder")
    known_names = sorted({name for record in REFINERS.values() for name in record.prompts})
    texts = {path.stem: decode(read_bytes(path), str(path)) for path in sorted(folder.glob("*.txt"))}
    for name in texts:
        if name not in known_names:
            raise ConfigError(f"{folder / name}.txt: there is no such prompt; {suggest(name, known_names)}")
    if not texts:
        raise ConfigError(f"refine.prompts: {folder} has none of {', '.join(f'{name}.txt' for name in known_names)}")
    return texts
