"""A finished study as a data set of the Hugging Face hub: Parquet files, a card, and Croissant metadata.

    outgrow.load("examples/runs/quickstart").to_dataset("quickstart-data", licence="cc-by-4.0")
    datasets.load_dataset("quickstart-data", "predictions")

Nothing is uploaded here. The licence is a statement of whoever publishes the data: without one the fields are left
out, and the card says so.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from outgrow import __version__
from outgrow.config.experiment import Experiment
from outgrow.data.tasks import TASKS
from outgrow.deliver.croissant import croissant, file_name
from outgrow.deliver.dataset_tables import dataset_tables
from outgrow.errors import ConfigError, DataError
from outgrow.graph.done import DONE
from outgrow.graph.output import replace_folder
from outgrow.graph.writable import refuse_odd_name, refuse_unwritable_folder
from outgrow.reporting.frame import Frame
from outgrow.reporting.results import Results
from outgrow.text_format import many

METADATA = "croissant.json"
CATEGORIES = {"classify": "text-classification", "choose": "multiple-choice", "generate": "text-generation"}
"""The hub's name for each kind of task."""
LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")
MEANINGS = {
    "predictions": "every row's answer to every item, by seed",
    "weak_labels": "what each supervisor gave for each item of half B, by seed",
    "targets": "what students learned, by seed; rows that learned the same targets share them",
    "items": "the items of half B and of the test part",
    "scores": "the score of each row on the test items, with its 95 % interval",
    "seed": "The seed: splits and all random draws follow from it.",
    "part": "`half_b` (items whose labels students learned) or `test`.",
    "row": "The row of the study: a method and its variant, a supervisor, the ceiling, the untouched student.",
    "item": "The item's id.",
    "answer": "The most probable class, the option or the text; empty where there was none.",
    "confidence": "The probability of the answer.",
    "gold": "The gold class, option or text; empty where it is unknown.",
    "source": "The supervisor.",
    "label": "The most probable class, or the text.",
    "probs": "The probability of every class, in the order of the card.",
    "weight": "The weight of the target in the loss.",
    "learned_by": "The rows whose students learned this target.",
    "text": "The prompt.",
    "options": "The options to choose from; classes name their positions.",
    "capability": "The capability that the item belongs to.",
    "role": "`method`, `floor` (a supervisor), `ceiling` (trained on gold) or `untouched`.",
    "score": "The score in the study's metric.",
    "score_low": "The lower end of its 95 % interval.",
    "score_high": "The upper end of its 95 % interval.",
    "pgr": "Performance gap recovered; empty where it is undefined.",
    "pgr_low": "The lower end of its 95 % interval.",
    "pgr_high": "The upper end of its 95 % interval.",
    "n": "Number of different items.",
    "seeds": "Number of seeds.",
}
"""What the tables and their columns are."""
CARD = """---
{front}---

# {title}

{about}

Student: {student}. Supervisors: {supervisors}. Metric: {metric}.{classes}

| configuration | rows | what |
|---|--:|---|
{tables}

```python
import datasets

predictions = datasets.load_dataset("path/or/repository", "predictions", split="train")
```

{columns}

## Scores

{scores}

## Licence

{licence}

{texts}
"""


def write_dataset(
    frame: Frame, results: Results, scores: str, out: Path, *, licence: str | None = None, texts: bool = True
) -> Path:
    """Write the folder `out`; an earlier data set of a study there is replaced. Returns `out`.

    `scores` is the main table in Markdown. Raises `ConfigError` for a licence that is no identifier, `DataError` for a
    study without answers and for a place that cannot be written.
    """
    if licence is not None and not LICENCE.fullmatch(licence):
        raise ConfigError(f"--licence: `{licence}` is no identifier of the hub, such as `cc-by-4.0`, `mit` or `other`")
    refuse_odd_name("--dataset", out)
    refuse_unwritable_folder("--dataset", out.parent)
    if out.exists() and not (out / METADATA).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"--dataset: {out} exists and is no data set of a study; choose another folder")
    tables = dataset_tables(frame, results, texts=texts)
    if "predictions" not in tables:
        raise DataError(f"--dataset: `{results.about.name}` has no answers yet; run it first")
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "data"  # a folder that others may read, unlike the temporary one
        made.mkdir()
        _write_files(made, frame.study.experiment, results, tables, scores, licence)
        replace_folder("--dataset", made, out, without=DONE)
    return out


def _write_files(
    folder: Path,
    experiment: Experiment,
    results: Results,
    tables: Mapping[str, pa.Table],
    scores: str,
    licence: str | None,
) -> None:
    for name, table in tables.items():
        pq.write_table(table, folder / file_name(name), compression="zstd")
    digests = {name: hashlib.sha256((folder / file_name(name)).read_bytes()).hexdigest() for name in tables}
    metadata = croissant(results.about.name, about(results), tables, MEANINGS, digests, licence)
    (folder / METADATA).write_text(json.dumps(metadata, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    readme = card(experiment, results, tables, digests, scores, licence)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def about(results: Results) -> str:
    """One paragraph on the study."""
    study = results.about
    sizes = ", ".join(f"{size} {part}" for part, size in study.sizes.items())
    return (
        f"Labels, targets and answers of the weak-to-strong study `{study.name}` on the task `{study.task}`, computed"
        f" with outgrow {__version__}: {many(len(study.seeds), 'seed')}, items per seed: {sizes}."
    )


def card(
    experiment: Experiment,
    results: Results,
    tables: Mapping[str, pa.Table],
    digests: Mapping[str, str],
    scores: str,
    licence: str | None,
) -> str:
    """The README of the data set, with the front matter that the hub and `datasets` read."""
    study = results.about
    configurations: list[dict[str, Any]] = [
        # The hash makes `datasets` notice another content: its cache knows a folder by its name and these settings.
        {
            "config_name": name,
            "data_files": file_name(name),
            "description": f"{MEANINGS[name]} (SHA-256 {digests[name][:16]})",
        }
        for name in tables
    ]
    configurations[0]["default"] = True
    front = {
        "pretty_name": study.name,
        **({"license": licence} if licence else {}),
        "task_categories": [CATEGORIES[study.kind]],
        "tags": ["outgrow", "weak-to-strong", "weak-supervision"],
        "configs": configurations,
    }
    names = dict.fromkeys(column for table in tables.values() for column in table.column_names)
    return CARD.format(
        front=yaml.safe_dump(front, sort_keys=False, allow_unicode=True),
        title=study.name,
        about=about(results),
        student=f"`{study.student}`",
        supervisors=", ".join(f"`{name}`" for name in study.supervisors),
        metric=study.metric_title,
        classes=f" Classes, in the order of `probs`: {', '.join(study.classes)}." if study.classes else "",
        tables="\n".join(f"| `{name}` | {len(table)} | {MEANINGS[name]} |" for name, table in tables.items()),
        columns="\n".join(f"* `{name}`: {MEANINGS[name]}" for name in names),
        scores=scores,
        licence=f"`{licence}`, as stated by whoever exported this data set." if licence else NO_LICENCE,
        texts="\n".join(origins(experiment)),
    )


NO_LICENCE = (
    "No licence was stated when this data set was exported. Add one (`license:` in the front matter, `license` in"
    f" `{METADATA}`) before you publish it."
)


def origins(experiment: Experiment) -> list[str]:
    """Where items and gold come from, and the licence that their publishers state."""
    capabilities = experiment.task.capabilities.values()
    named = [section.name for section in capabilities] or [experiment.task.name]
    sentences = []
    for name in dict.fromkeys(named):
        published = TASKS.get(name)
        if published is None:
            sentences.append(f"* Items and gold of `{name}` are from a table of the study's author, under its terms.")
        else:
            sentences.append(f"* Items and gold of `{name}` are from *{published.title}* ({published.licence}).")
    return sentences
