"""CREAK (Onoe et al. 2021): true and false claims about well-known entities."""

from outgrow.data.known import HIDDEN_TEST, Example, Hub, KnownTask, Shape

CREAK = KnownTask(
    name="creak",
    title="CREAK: true or false claims about entities",
    kind="classify",
    classes=("false", "true"),
    licence="MIT",
    hub=Hub("amydeng2000/CREAK"),
    parts=HIDDEN_TEST,
    shapes=(Shape("sentence label", lambda row: Example("Claim: " + row["sentence"], str(row["label"]).lower())),),
    ignore=("contrast",),
    text_template="Is this claim true or false?\n{text}\nAnswer:",
)
