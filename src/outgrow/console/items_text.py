"""Items as text: what is asked, what may be answered, what is right, and the tokens a model will see."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from outgrow.config.read import read_experiment
from outgrow.config.task import TaskSection
from outgrow.data.load import load_task
from outgrow.data.show import show_items

Seen = dict[str, Any]


def look_at_items(name: str, words: Sequence[str], n: int, model: str | None) -> Seen:
    """Load a task by its name or from an experiment file and take `n` of its items."""
    if Path(name).suffix in (".yaml", ".yml"):
        experiment = read_experiment(name, words)
        section, model = experiment.task, model or experiment.student.model
    else:
        section = TaskSection(name=name)
    task = load_task(section)
    items = show_items(task, n, seed=section.split_seed)
    if model is not None:
        from outgrow.models.load import load_tokenizer

        tokenizer = load_tokenizer(model, None)
        for item in items:
            texts = [item["prompt"], *(f" {option}" for option in item["options"] or [])]
            item["tokens"] = [tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]) for text in texts]
    about = {"task": task.name, "kind": task.kind, "classes": list(task.classes), "items": len(task.items)}
    return {**about, "model": model, "notes": list(task.notes), "shown": items}


def items_text(seen: Seen) -> str:
    """The same, for reading."""
    head = [f"{seen['task']}: {seen['kind']}, {seen['items']} items, {len(seen['classes'])} classes", *seen["notes"]]
    return "\n\n".join(["\n".join(head), *map(_item_text, seen["shown"])])


def _item_text(item: Seen) -> str:
    lines = [f"── {item['id']}", item["prompt"]]
    lines += [f"   ({number}) {option}" for number, option in enumerate(item["options"] or [])]
    lines.append(f"gold: {item['gold']}")
    for tokens in item.get("tokens", []):
        lines.append(f"tokens ({len(tokens)}): {' · '.join(tokens)}")
    return "\n".join(lines)
