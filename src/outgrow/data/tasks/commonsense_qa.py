"""CommonsenseQA (Talmor et al. 2019): everyday knowledge, five options drawn from one concept graph."""

from outgrow.data.published_task import HIDDEN_TEST, HubSource, PublishedTask, letters, requests
from outgrow.data.tasks.lettered import lettered

COMMONSENSE_QA = PublishedTask(
    name="commonsense_qa",
    title="CommonsenseQA: everyday knowledge, five options",
    kind="choose",
    classes=letters(5),
    licence="MIT",
    hub=HubSource("tau/commonsense_qa"),
    parts=HIDDEN_TEST,
    bundled=requests("csqa", "train", "val"),
    shapes=lettered("question"),
    text_note="Answers without explanations: this set stands in for `ecqa`, whose gold has them.",
)
