"""Combined labels, and a student trained on them, as text for a terminal."""

from collections.abc import Mapping
from typing import Any

from outgrow.deliver.combined import Combined
from outgrow.deliver.combined_texts import CombinedTexts
from outgrow.deliver.train import TrainedStudent
from outgrow.text_format import many, short

MOST_SOURCES = 12


def combined_text(found: Combined | CombinedTexts) -> str:
    """The combiner, why it was chosen, and the estimated accuracy of the sources."""
    if isinstance(found, CombinedTexts):
        return _of_texts(found)
    about = found.about
    votes = about["votes"]
    shares = [f"{short(name)} {share:.2f}" for name, share in zip(votes["classes"], found.fit.balance, strict=True)]
    head = f"{_heard(votes, 'vote')} on {many(votes['n_items'], 'item')}, by {_named(about)}"
    confidence = found.confidence[found.has_votes_or_gold].mean()
    sure = f"mean confidence {confidence:.3f}; classes: {', '.join(shares[:MOST_SOURCES])}"
    return "\n".join([head, sure, "", *_sources(votes["sources"]), "", *found.notes])


def _of_texts(combined: CombinedTexts) -> str:
    """The same for texts."""
    votes = combined.about["votes"]
    head = f"{_heard(votes, 'answer')} to {many(votes['n_items'], 'item')}, by {short(combined.method)}"
    sure = f"{many(len(combined.targets), 'text')}; mean share {combined.share.mean():.3f}"
    most = [
        writer._replace(name=short(writer.name))
        for writer in sorted(combined.writers, key=lambda writer: -writer.votes)[:MOST_SOURCES]
    ]
    width = max(len("source"), *(len(writer.name) for writer in most))
    rows = [f"{'source'.ljust(width)}  answers  agreement with the combined texts ({votes['metric']})"]
    rows += [f"{writer.name.ljust(width)}  {writer.votes:7d}  {_share(writer.agreement)}" for writer in most]
    more = len(combined.writers) - len(most)
    return "\n".join([head, sure, "", *rows, *([f"… and {more} more"] if more else []), "", *combined.notes])


def _heard(votes: Mapping[str, Any], what: str) -> str:
    """The number of votes and of sources."""
    return f"{many(votes['n'], what)} of {many(len(votes['sources']), 'source')}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def student_text(student: TrainedStudent) -> str:
    """The student's accuracy, if known, and its folder."""
    card = student.card
    test, data = card["answers"]["test"], card["training_data"]
    learned = f"learned {data['kept']} of {many(data['n_items'], 'item')}, combined by {_named(card)}"
    agreement = card["answers"]["agreement"]
    if test is None:
        agrees = "" if agreement is None else f"agrees with {agreement:.1%} of the labels that it learned; "
        result = f"{agrees}its accuracy is unknown; give test items (--test)"
    else:
        title, value = ("accuracy", test["accuracy"]) if "accuracy" in test else (test["metric"], test["score"])
        n_left = data["test_left_out"]
        left = f" (left out, since the student learned their texts: {n_left})" if n_left else ""
        result = f"{title} {value:.3f} [{test['low']:.3f}, {test['high']:.3f}] on {many(test['n'], 'test item')}{left}"
    return "\n".join([learned, result, *card["combine"]["notes"], "", f"student: {student.folder}"])


def _named(about: Mapping[str, Any]) -> str:
    combine = about["combine"]
    tempered = combine["temperature"]
    return f"{short(combine['method'])}{'' if tempered is None else f' (temperature {tempered:.2f})'}"


def _sources(sources: list[dict[str, Any]]) -> list[str]:
    """The sources with most votes, as aligned rows."""
    most = sorted(sources, key=lambda source: -source["votes"])[:MOST_SOURCES]
    most = [{**source, "name": short(source["name"])} for source in most]
    width = max([len("source"), *(len(source["name"]) for source in most)])
    head = f"{'source'.ljust(width)}   votes  accuracy given a vote"
    rows = [
        f"{row['name'].ljust(width)}  {row['votes']:6d}  {row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        for row in most
    ]
    more = len(sources) - len(most)
    return [head, *rows, *([f"… and {more} more"] if more else [])]
