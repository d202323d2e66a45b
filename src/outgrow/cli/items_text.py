"""Items as text: prompt, options, gold, and the tokens that a model reads.

For texts also the loss mask: a model reads the prompt's tokens, and learns the answer's tokens and the end token.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from outgrow.config.load import read_experiment
from outgrow.config.model import ModelSection, local_model
from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.pool import with_gold
from outgrow.data.preview import count_classes, describe_capabilities, show_items
from outgrow.errors import ConfigError
from outgrow.models.model_names import parse_name
from outgrow.text_format import short

Seen = dict[str, Any]


def look_at_items(name: str, words: Sequence[str], n: int, model: str | None) -> Seen:
    """Load a task by its name or from an experiment file and take `n` of its items.

    Their tokens are those of `model`, by default the experiment's student: a list per text of an item; for *generate*
    one list, and `learned`, a list of true and false. Raises `ConfigError` and `DataError`.
    """
    reader = None if model is None else ModelSection(model=model)
    of_study = Path(name).suffix in (".yaml", ".yml")
    if of_study:
        experiment = read_experiment(name, words)
        section = experiment.task
        reader = reader or local_model(experiment.student)
    elif words:
        raise ConfigError(f"`{words[0]}`: overrides are for an experiment file, but `{name}` is the name of a task")
    else:
        section = TaskSection(name=name)
    task = load_task(section)
    # A study leaves out items without gold; here they are shown too.
    notes = with_gold(task).notes if of_study else task.notes
    items = show_items(task, n, seed=section.split_seed)
    if reader is not None:
        look = _learning(reader) if task.kind == "generate" else _reading(reader)
        for item in items:
            item.update(look(item))
    about = {"task": task.name, "kind": task.kind, "classes": list(task.classes), "items": len(task.items)}
    return {
        **about,
        "metric": task.metric,
        "counts": count_classes(task),
        "capabilities": describe_capabilities(task),
        "model": reader and reader.model,
        "notes": list(notes),
        "shown": items,
    }


def _reading(section: ModelSection) -> Callable[[Seen], Seen]:
    """From an item to the tokens of its texts."""
    tokens_of = _spelling(section)
    return lambda item: {
        "tokens": [tokens_of(text) for text in (item["prompt"], *(f" {option}" for option in item["options"] or []))]
    }


def _learning(section: ModelSection) -> Callable[[Seen], Seen]:
    """From an item to the tokens of its prompt and its answer, and which of them are learned."""
    if parse_name(section.model).static:
        raise ConfigError(f"`{section.model}` has static embeddings and cannot write; name a language model")
    from outgrow.align.spans import encode
    from outgrow.align.spelling import spelling_of
    from outgrow.generation.prompting import prompter_of
    from outgrow.models.load_model import load_tokenizer

    tokenizer = load_tokenizer(section.model, section.revision, trust_remote_code=section.trust_remote_code)
    prompter, spelling = prompter_of(tokenizer, section.chat), spelling_of(tokenizer.backend_tokenizer)

    def look(item: Seen) -> Seen:
        read, answer = prompter.ids(item["prompt"]), []
        if item["gold"] is not None:
            answer = [*encode(spelling, item["gold"], item=item["id"]).ids.tolist(), prompter.end_id]
        tokens = list(tokenizer.convert_ids_to_tokens([*read, *answer]))
        return {"tokens": tokens, "learned": [False] * len(read) + [True] * len(answer)}

    return look


def _spelling(section: ModelSection) -> Callable[[str], list[str]]:
    """From a text to the model's tokens."""
    if parse_name(section.model).static:
        from outgrow.models.static_embeddings import load_static

        static = load_static(section.model).tokenizer
        return lambda text: list(static.encode(text, add_special_tokens=False).tokens)
    from outgrow.models.load_model import load_tokenizer

    tokenizer = load_tokenizer(section.model, section.revision, trust_remote_code=section.trust_remote_code)
    return lambda text: list(tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"]))


def items_text(seen: Seen) -> str:
    """The same as text."""
    what = f"measured by {seen['metric']}" if seen["kind"] == "generate" else f"{len(seen['classes'])} classes"
    head = [f"{seen['task']}: {seen['kind']}, {seen['items']} items, {what}"]
    head += [
        f"{row['name']}: {row['train']} train and {row['test']} test items, measured by {row['metric']}"
        for row in seen["capabilities"]
    ]
    if seen["counts"]:
        head.append(", ".join(f"{short(name)} {count}" for name, count in seen["counts"].items()))
    head += seen["notes"]
    return "\n\n".join(["\n".join(head), *map(_item_text, seen["shown"])])


def _item_text(item: Seen) -> str:
    lines = [f"── {item['id']}", item["prompt"]]
    lines += [f"   ({number}) {option}" for number, option in enumerate(item["options"] or [])]
    lines.append(f"gold: {item['gold']}")
    return "\n".join([*lines, *_token_lines(item)])


def _token_lines(item: Seen) -> list[str]:
    tokens = item.get("tokens", [])
    if "learned" not in item:
        return [_token_line("tokens", sequence) for sequence in tokens]
    border = item["learned"].count(False)
    return [_token_line("read", tokens[:border]), _token_line("learned", tokens[border:])]


def _token_line(name: str, tokens: Sequence[str]) -> str:
    return f"{name} ({len(tokens)}): {' · '.join(tokens)}"
