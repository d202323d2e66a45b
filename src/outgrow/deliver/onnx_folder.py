"""A student's ONNX graph in a folder of its own, with its tokenizer, configuration and a README."""

import json
import tempfile
from pathlib import Path
from typing import Any

from outgrow.deliver.predict import read_card
from outgrow.errors import DataError
from outgrow.graph.done import DONE
from outgrow.graph.output import replace_folder
from outgrow.graph.writable import refuse_odd_name, refuse_unwritable_folder

GRAPH = "model.onnx"
README = """# {title} as an ONNX graph

`{graph}` takes `input_ids` and `attention_mask` (int64, [text, token], padded on the right) and returns `logits` and
`probabilities` ([text, class]). Classes: {classes}.

```python
import onnxruntime
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({name}, truncation_side="left", padding_side="right")
session = onnxruntime.InferenceSession({path})
batch = tokenizer(["…"], padding=True, truncation=True, max_length={max_length}, return_tensors="np")
names = ["input_ids", "attention_mask"]
logits, probabilities = session.run(None, {{name: batch[name].astype("int64") for name in names}})
```
"""


def export_onnx(student: Path, out: Path) -> Path:
    """Write the folder `out`; an earlier graph there is replaced. Returns the graph's path.

    Raises `DataError` for a folder that is no classifier of `outgrow train` and for a place that cannot be written,
    `ConfigError` without the packages, `StepFailed` if the graph's outputs are not those of the student.
    """
    card = read_card(student)
    refuse_odd_name("--onnx", out)
    refuse_unwritable_folder("--onnx", out.parent)
    if out.exists() and not (out / GRAPH).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"--onnx: {out} exists and is no folder of an ONNX graph; choose another one")
    from outgrow.training.onnx_export import write_onnx  # torch takes seconds to import

    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "graph"  # a folder that others may read, unlike the temporary one
        made.mkdir()
        write_onnx(student, card["student"]["objective"], len(card["classes"]), made / GRAPH)
        (made / "README.md").write_text(_readme(card, out), encoding="utf-8")
        replace_folder("--onnx", made, out, without=DONE)
    return out / GRAPH


def _readme(card: Any, out: Path) -> str:
    classes = ", ".join(f"{number} = `{name}`" for number, name in enumerate(card["classes"]))
    return README.format(
        title=out.name,
        name=json.dumps(out.name, ensure_ascii=False),
        path=json.dumps(f"{out.name}/{GRAPH}", ensure_ascii=False),
        graph=GRAPH,
        classes=classes,
        max_length=card["student"]["max_length"],
    )
