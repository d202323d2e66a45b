"""SCAN (Lake and Baroni 2018), the simple split: commands such as `jump twice and turn left` into actions.

Only the simple split of the published folder is read: the other splits ask for generalisations that this task does not
mean. Actions are those of the published files (`I_TURN_LEFT`).
"""

from outgrow.data.published_task import PARQUET_BRANCH, HubSource, PublishedTask, RowShape, TaskExample
from outgrow.data.task import Part

_PARTS: dict[str, Part] = {"train": "train", "test": "test"}

SCAN = PublishedTask(
    name="scan",
    title="SCAN: commands into sequences of actions",
    kind="generate",
    classes=(),
    licence="BSD",
    hub=HubSource("scan-tasks/scan-tasks", "simple", PARQUET_BRANCH),
    parts=_PARTS,
    line_pattern="IN: (?P<commands>.+) OUT: (?P<actions>.+)",
    shapes=(RowShape("commands actions", lambda row: TaskExample(row["commands"], row["actions"])),),
    ignore=("add_prim_split", "filler_split", "few_shot_split", "length_split", "template_split", "size_variations"),
    metric="exact_match",
    template="Command: {text}\nActions:",
)
