"""CREAK (Onoe et al. 2021): true and false claims about well-known entities."""

from outgrow.data.published_task import HIDDEN_TEST, HubSource, PublishedTask, RowShape, TaskExample

CREAK = PublishedTask(
    name="creak",
    title="CREAK: true or false claims about entities",
    kind="classify",
    classes=("false", "true"),
    licence="MIT",
    hub=HubSource("amydeng2000/CREAK"),
    parts=HIDDEN_TEST,
    shapes=(
        RowShape("sentence label", lambda row: TaskExample("Claim: " + row["sentence"], str(row["label"]).lower())),
    ),
    ignore=("contrast",),
    text_template="Is this claim true or false?\n{text}\nAnswer:",
)
