"""OpenBookQA (Mihaylov et al. 2018): elementary science that needs one more fact than the question gives."""

from outgrow.data.published_task import HubSource, PublishedTask, letters, requests
from outgrow.data.tasks.lettered import lettered

OPENBOOKQA = PublishedTask(
    name="openbookqa",
    title="OpenBookQA: elementary science questions",
    kind="choose",
    classes=letters(4),
    licence="Apache-2.0",
    hub=HubSource("allenai/openbookqa", "main"),
    bundled=requests("openbookqa", "train", "val", "test"),
    shapes=lettered("question_stem"),
)
