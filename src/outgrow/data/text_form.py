"""`form: text`: a question with options, or with classes, whose answer is written instead of chosen.

The prompt lists what may be answered and the gold text is the right option or the class's name, so that the item is
one of kind *generate*:

    Options:
    - salt
    - soil
    Question: What do roots grow in?
    Answer:

The options stand in their order, classes on one line. A template says where (`{options}` may be left out, where the
instruction itself names the classes); in it `{text}` is the item's text without a last `Answer:`. Nothing here reads
what a model wrote: metrics compare it with the gold text, and `metrics.readable` counts answers that are no option.
"""

from collections.abc import Mapping

from outgrow.data.task import Items, Kind, Task

TEMPLATES: Mapping[Kind, str] = {
    "choose": "Options:\n{options}\n{text}\nAnswer:",
    "classify": "Options: {options}\n{text}\nAnswer:",
}
"""By what the task was before."""
_ENDING = "Answer:"


def list_options(task: Task) -> list[str] | None:
    """Item by item what `{options}` stands for; `None` where the answer is a text anyway."""
    if task.kind == "choose":
        return ["\n".join(map(_listed, choice)) for choice in task.items.options or []]
    return None if task.kind == "generate" else [", ".join(task.classes)] * len(task.items)


def _listed(option: str) -> str:
    """An option in a list; the further lines of one that has several are indented, so that its end is seen."""
    return "- " + "\n  ".join(option.splitlines())


def as_text(task: Task) -> Task:
    """The same items as *generate*, still without a template; a task of texts as it is."""
    if task.kind == "generate":
        return task
    items = task.items
    allowed = items.options or [list(task.classes)] * len(items)
    answers = ["" if gold < 0 else allowed[row][gold] for row, gold in enumerate(items.gold.tolist())]
    texts = Items(
        ids=items.ids,
        prompts=[unanswered(text) for text in items.prompts],
        gold=items.gold.clip(max=0),
        answers=answers,
        parts=items.parts,
        groups=items.groups,
        allowed=allowed,
    )
    return Task(task.name, "generate", (), texts, task.notes, task.metric, rows=task.rows)


def unanswered(prompt: str) -> str:
    """The prompt without a last `Answer:`, for frames that say it themselves.

    >>> unanswered("Question: Why?\\nAnswer:")
    'Question: Why?'
    """
    return prompt.removesuffix(_ENDING).rstrip()
