"""A trained model as a folder that others load.

`model/` is a plain Hugging Face folder with its tokenizer, or a PEFT one that names its base model. The base of a
model that was cut after some layers is nowhere on disk, so there the adapter is merged into the weights.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from outgrow.models.load_model import model_folder
from outgrow.models.model_names import parse_name
from outgrow.models.silence_transformers import silence_transformers


def save_model(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    section: Mapping[str, Any],
    folder: Path,
    *,
    merge: bool = False,
    classes: Sequence[str] = (),
) -> None:
    """Write a folder that `from_pretrained` reads; `merge` an adapter whose base is not what `section` names.

    For an adapter with a classification head for `classes`, a README describes how to load it: neither its own files
    nor its base contain the number of classes.
    """
    name = parse_name(section["model"])
    if isinstance(model, PeftModel) and (merge or name.layers is not None):
        model = model.float().merge_and_unload()
    if isinstance(model, PeftModel):
        config = model.peft_config["default"]
        hub = name.place == "hub"
        config.base_model_name_or_path = name.base if hub else str(model_folder(section["model"]))
        config.revision = section["revision"] if hub else None
    with silence_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    if isinstance(model, PeftModel) and classes:
        pad = tokenizer.pad_token_id
        (folder / "README.md").write_text(adapter_text(folder.name, classes, pad), encoding="utf-8")


def adapter_text(folder: str, classes: Sequence[str], pad: int) -> str:
    """A README on how to load a classifier that is an adapter, with the names of its classes."""
    names = json.dumps(dict(enumerate(classes)), ensure_ascii=False)
    return f"""# A classifier: a low-rank adapter and a head

The adapter's base has no head for these classes, so transformers says of the base that `score` or `classifier` is
MISSING; the head that was trained comes with the adapter. Without the arguments below it would not fit.

```python
import json
from peft import AutoPeftModelForSequenceClassification

classes = {{int(number): name for number, name in json.loads({names!r}).items()}}
numbers = {{name: number for number, name in classes.items()}}
model = AutoPeftModelForSequenceClassification.from_pretrained(
    {folder!r}, num_labels=len(classes), id2label=classes, label2id=numbers, pad_token_id={pad}
)
```
"""
