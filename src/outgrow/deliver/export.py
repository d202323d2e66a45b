"""Upload of a student, of combined labels or of results to the Hugging Face hub, the only upload of outgrow."""

import shutil
import tempfile
from pathlib import Path

from outgrow.deliver.combined import about_file
from outgrow.deliver.train import CARD
from outgrow.errors import ConfigError, DataError
from outgrow.text_format import many, short

STUDENT_FILES = ("config.json", "README.md", CARD)
LABELS_CARD = """---
tags: [outgrow, weak-supervision]
---

# Combined labels

Labels of {items}, combined from {n} of {sources} by `{method}` with outgrow. `labels.parquet` has
{columns}.

{notes}
"""
OF_CLASSES = (
    "a row per item: `label`, its `confidence`, its `probabilities` by class, the number of `votes`, their `agreement`"
)
OF_TEXTS = "a row per text: `item`, the text in `label`, the `share` of the votes for it, the number of `votes`"


def export(path: Path, hub: str, *, private: bool = True) -> str:
    """Upload a student's folder as a model, or a file of combined labels as a data set; returns its address.

    Needs `hf auth login` or `HF_TOKEN`. Raises `DataError` for another path and for a failed upload, `ConfigError` for
    a name that the hub does not allow.
    """
    if path.is_dir():
        missing = [name for name in STUDENT_FILES if not (path / name).is_file()]
        if missing:
            raise DataError(f"{path}: is not a student of `outgrow train` ({missing[0]} is missing)")
        return upload(path, hub, "model", private, without="predictions*")
    if not path.is_file():
        raise DataError(f"{path}: there is no such student or file of labels")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "README.md").write_text(labels_card(path), encoding="utf-8")
        shutil.copyfile(path, folder / "labels.parquet")
        return upload(folder, hub, "dataset", private)


def labels_card(path: Path) -> str:
    """The data set's card. Raises `DataError` unless the file is a Parquet file of combined labels."""
    if path.suffix != ".parquet":
        raise DataError(f"{path}: only labels in Parquet can be exported; `outgrow combine … -o labels.parquet`")
    about = about_file(path)
    votes, combine = about["votes"], about["combine"]
    notes = "\n".join(f"* {sentence}" for sentence in combine["notes"])
    return LABELS_CARD.format(
        items=many(votes["n_items"], "item"),
        n=many(votes["n"], "vote" if votes["classes"] else "answer"),
        sources=many(len(votes["sources"]), "source"),
        method=short(combine["method"]),
        columns=OF_CLASSES if votes["classes"] else OF_TEXTS,
        notes=notes,
    )


def upload(folder: Path, hub: str, kind: str, private: bool, without: str | None = None) -> str:
    """Create the repository if it does not exist, and upload the folder, `without` files of that pattern."""
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    try:
        repository = api.create_repo(hub, repo_type=kind, private=private, exist_ok=True)
        api.upload_folder(folder_path=folder, repo_id=repository.repo_id, repo_type=kind, ignore_patterns=without)
    except HFValidationError as error:
        raise ConfigError(f"--hub: `{hub}` is not a valid name of the hub; write it as name/student") from error
    except HfHubHTTPError as error:
        refused = error.response is not None and error.response.status_code in (401, 403)
        fix = "log in with `hf auth login` to an account with write access" if refused else str(error)[:200]
        raise DataError(f"`{hub}` could not be written: {fix}") from error
    except (httpx2.HTTPError, OSError) as error:
        raise DataError(f"`{hub}` could not be written: the hub cannot be reached ({error})") from error
    return str(repository)
