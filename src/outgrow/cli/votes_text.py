"""How votes were read, and a student trained on combined labels, as text for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from outgrow.deliver.train import TrainedStudent
from outgrow.readers.column_uses import ColumnUse
from outgrow.text_format import many, short
from outgrow.vote_kinds.class_votes import named


def uses_text(origin: str, uses: Sequence[ColumnUse]) -> str:
    """How each column of a file was read: a line each, with the reason and the option that changes it."""
    if not uses:
        return f"{origin}: has no named columns"
    width, role_width = (max(len(short(getattr(use, part))) for use in uses) for part in ("column", "role"))
    lines = [
        f"  {short(use.column).ljust(width)}  {use.role.ljust(role_width)}  {use.reason}"
        + (f"; to change it: {use.option}" if use.option else "")
        for use in uses
    ]
    return "\n".join([origin, *lines])


def student_text(student: TrainedStudent) -> str:
    """The student's accuracy, if known, and its folder."""
    card = student.card
    test, data = card["answers"]["test"], card["training_data"]
    learned = f"learned {data['kept']} of {many(data['n_items'], 'item')}, combined by {named(card['combine'])}"
    agreement = card["answers"]["agreement"]
    if test is None:
        agrees = "" if agreement is None else f"agrees with {agreement:.1%} of the labels that it learned; "
        result = f"{agrees}its accuracy is unknown; give test items (--test)"
    else:
        title, value = ("accuracy", test["accuracy"]) if "accuracy" in test else (test["metric"], test["score"])
        n_left = data["test_left_out"]
        left = f" (left out, since the student learned their texts: {n_left})" if n_left else ""
        result = f"{title} {value:.3f} [{test['low']:.3f}, {test['high']:.3f}] on {many(test['n'], 'test item')}{left}"
    return "\n".join([learned, result, *_cascade(card), *card["combine"]["notes"], "", f"student: {student.folder}"])


def _cascade(card: Mapping[str, Any]) -> list[str]:
    """What it may answer alone, if that was asked."""
    cascade = card["cascade"]
    if cascade is None:
        return []
    right = (
        f"{cascade['accuracy']:g} of its answers right, by {cascade['against']} of {cascade['n_held']} held-out items"
    )
    if cascade["threshold"] is None:
        return [f"may answer nothing alone: no confidence makes {right}, certain enough"]
    least = f"with a confidence of at least {cascade['threshold']:.4f}"
    return [f"may answer {cascade['share']:.1%} of new items alone ({least}): at least {right}"]
