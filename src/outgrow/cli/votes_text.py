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


def _of_texts(found: CombinedTexts) -> str:
    """The same for texts."""
    votes = found.about["votes"]
    head = f"{_heard(votes, 'answer')} to {many(votes['n_items'], 'item')}, by {short(found.method)}"
    sure = f"{many(len(found.targets), 'text')}; mean share {found.share.mean():.3f}"
    most = [
        one._replace(name=short(one.name)) for one in sorted(found.writers, key=lambda one: -one.votes)[:MOST_SOURCES]
    ]
    width = max(len("source"), *(len(one.name) for one in most))
    rows = [f"{'source'.ljust(width)}  answers  agreement with the combined texts ({votes['metric']})"]
    rows += [f"{one.name.ljust(width)}  {one.votes:7d}  {_share(one.agreement)}" for one in most]
    more = len(found.writers) - len(most)
    return "\n".join([head, sure, "", *rows, *([f"… and {more} more"] if more else []), "", *found.notes])


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
        known = f"{agrees}its accuracy is unknown; give test items (--test)"
    else:
        title, value = ("accuracy", test["accuracy"]) if "accuracy" in test else (test["metric"], test["score"])
        n_left = data["test_left_out"]
        left = f" (left out, since the student learned their texts: {n_left})" if n_left else ""
        known = f"{title} {value:.3f} [{test['low']:.3f}, {test['high']:.3f}] on {many(test['n'], 'test item')}{left}"
    return "\n".join([learned, known, *card["combine"]["notes"], "", f"student: {student.folder}"])


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
        f"{one['name'].ljust(width)}  {one['votes']:6d}  {one['accuracy']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"
        for one in most
    ]
    more = len(sources) - len(most)
    return [head, *rows, *([f"… and {more} more"] if more else [])]
