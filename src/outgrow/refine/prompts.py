"""The prompts by which labels are rewritten: text files, each of which a user's own folder may replace.

| refiner | its files (without `.txt`) | fields |
|---|---|---|
| all that show examples | `demonstration` | `{question}` `{answer}` |
| `icl` | `icl.system`, `icl.user` | `{demonstrations}`; `{question}` |
| `infer_and_respond` | `….naming.system`, `….naming.user` | –; `{demonstrations}` |
| | `….system`, `….user` | `{concept}`; `{question}` |
| `ask_to_improve` | `ask_to_improve.system`, `ask_to_improve.user` | –; `{question}` `{answer}` |
| `self_bootstrap` | `self_bootstrap.user` | `{question}` |

`{{` and `}}` are braces. What is filled in is never looked at for fields: a question may contain braces.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from outgrow.data.template import require_fields
from outgrow.errors import ConfigError, suggest
from outgrow.readers.raw_file import decode, read_bytes

DEMONSTRATION = {"demonstration": ("question", "answer")}
FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "icl": {**DEMONSTRATION, "icl.system": ("demonstrations",), "icl.user": ("question",)},
    "infer_and_respond": {
        **DEMONSTRATION,
        "infer_and_respond.naming.system": (),
        "infer_and_respond.naming.user": ("demonstrations",),
        "infer_and_respond.system": ("concept",),
        "infer_and_respond.user": ("question",),
    },
    "ask_to_improve": {"ask_to_improve.system": (), "ask_to_improve.user": ("question", "answer")},
    "self_bootstrap": {"self_bootstrap.user": ("question",)},
}
"""By refiner, its prompts and the fields that each must have."""


def read_prompts(refiner: str, folder: Path | None = None) -> dict[str, str]:
    """The texts of a refiner's prompts, by name.

    Raises `ConfigError` for a folder that is not there, one without any prompt that is known, and a prompt whose
    fields are not those above.
    """
    own = _own_prompts(folder) if folder is not None else {}
    found = {name: own.get(name, _ours(name)) for name in FIELDS[refiner]}
    for name, text in found.items():
        where = f"{folder / name}.txt" if folder is not None and name in own else name
        require_fields(text, where, FIELDS[refiner][name], FIELDS[refiner][name])
    return found


def _own_prompts(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise ConfigError(f"refine.prompts: {folder} is no folder")
    known = sorted({name for prompts in FIELDS.values() for name in prompts})
    found = {path.stem: decode(read_bytes(path), str(path)) for path in sorted(folder.glob("*.txt"))}
    for name in found:
        if name not in known:
            raise ConfigError(f"{folder / name}.txt: there is no such prompt; {suggest(name, known)}")
    if not found:
        raise ConfigError(f"refine.prompts: {folder} has none of {', '.join(f'{name}.txt' for name in known)}")
    return found


def _ours(name: str) -> str:
    return (files("outgrow.refine") / "prompts" / f"{name}.txt").read_text(encoding="utf-8")
