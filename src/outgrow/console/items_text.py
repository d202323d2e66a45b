"""Items as text: what is asked, what may be answered, what is right, and the tokens a model will see."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from outgrow.config.model import ModelSection
from outgrow.config.read import read_experiment
from outgrow.config.task import TaskSection
from outgrow.data.load import load_task
from outgrow.data.show import show_items
from outgrow.errors import ConfigError
from outgrow.models.names import parse_name

Seen = dict[str, Any]


def look_at_items(name: str, words: Sequence[str], n: int, model: str | None) -> Seen:
    """Load a task by its name or from an experiment file and take `n` of its items.

    Their tokens are those of `model`, by default the experiment's student. Raises `ConfigError` and `DataError`.
    """
    reader = None if model is None else ModelSection(model=model)
    if Path(name).suffix in (".yaml", ".yml"):
        experiment = read_experiment(name, words)
        section, reader = experiment.task, reader or experiment.student
    elif words:
        raise ConfigError(f"`{words[0]}`: overrides belong to an experiment file, and `{name}` is the name of a task")
    else:
        section = TaskSection(name=name)
    task = load_task(section)
    items = show_items(task, n, seed=section.split_seed)
    if reader is not None:
        tokens_of = _spelling(reader)
        for item in items:
            texts = [item["prompt"], *(f" {option}" for option in item["options"] or [])]
            item["tokens"] = [tokens_of(text) for text in texts]
    about = {"task": task.name, "kind": task.kind, "classes": list(task.classes), "items": len(task.items)}
    return {**about, "model": reader and reader.model, "notes": list(task.notes), "shown": items}


def _spelling(section: ModelSection) -> Callable[[str], list[str]]:
    """From a text to the tokens that the model makes of it."""
    if parse_name(section.model).static:
        from outgrow.models.static import load_static

        static = load_static(section.model).tokenizer
        return lambda text: list(static.encode(text, add_special_tokens=False).tokens)
    from outgrow.models.load import load_tokenizer

    tokenizer = load_tokenizer(section.model, section.revision, trust_remote_code=section.trust_remote_code)
    return lambda text: list(tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]))


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
