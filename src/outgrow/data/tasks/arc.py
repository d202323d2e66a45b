"""ARC (Clark et al. 2018): grade-school science questions; the challenge set is what word statistics get wrong."""

from outgrow.data.published_task import HubSource, PublishedTask, letters, requests
from outgrow.data.tasks.lettered import lettered

ARC_EASY = PublishedTask(
    name="arc_easy",
    title="ARC-Easy: grade-school science questions",
    kind="choose",
    classes=letters(4),
    licence="CC BY-SA 4.0",
    hub=HubSource("allenai/ai2_arc", "ARC-Easy"),
    bundled=requests("arc_easy", "train", "val", "test"),
    shapes=lettered("question"),
)

ARC_CHALLENGE = PublishedTask(
    name="arc_challenge",
    title="ARC-Challenge: the harder grade-school science questions",
    kind="choose",
    classes=letters(4),
    licence="CC BY-SA 4.0",
    hub=HubSource("allenai/ai2_arc", "ARC-Challenge"),
    bundled=requests("arc_challenge", "train", "val", "test"),
    shapes=lettered("question"),
)
