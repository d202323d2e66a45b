"""The folders that an engine reads: a model with whole weights, and its tokenizer.

A folder with whole weights is served as it is: that of a full training, or that of a pretrained model. Adapters are
merged, and cut models (`NAME@8`) are written with the configuration of the layers that are left, as for the model in
this process (`causal_lm.load_trained`).
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from outgrow.generation.causal_lm import ADAPTER, load_trained
from outgrow.generation.coder import spelling_tokenizer
from outgrow.generation.text_generator import Section
from outgrow.models.load_model import load_config, model_folder
from outgrow.models.model_names import parse_name
from outgrow.models.silence_transformers import silence_transformers


def served_folders(section: Section, trained: Path | None, scratch: Path) -> tuple[Path, Path]:
    """The folder of the model and that of its tokenizer; what is written lies in `scratch`, once."""
    tokenizer = _once(scratch / "tokenizer", lambda folder: _save_tokenizer(section, folder))
    if trained is not None and not (trained / ADAPTER).is_file():
        return trained, tokenizer
    if trained is None and parse_name(section["model"]).layers is None:
        return model_folder(section["model"], section["revision"]), tokenizer
    model = _once(scratch / "served", lambda folder: load_trained(section, trained, "cpu").save_pretrained(folder))
    return model, tokenizer


def _save_tokenizer(section: Section, folder: Path) -> None:
    """With the model's configuration, by which vLLM chooses the class of a tokenizer."""
    spelling_tokenizer(section).save_pretrained(folder)
    name, revision = section["model"], section["revision"]
    load_config(name, revision, trust_remote_code=section["trust_remote_code"]).save_pretrained(folder)


def _once(folder: Path, save: Callable[[Path], object]) -> Path:
    """The folder, written if it is not there whole."""
    if not folder.is_dir():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        with silence_transformers():
            save(draft)
        draft.rename(folder)
    return folder
