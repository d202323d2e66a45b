"""Files of preferences as TRL's trainers and HH have them, and pairs made from a multiple choice."""

import json
from pathlib import Path

import numpy as np
import pytest

from outgrow.config.task import Sizes, TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.pool import cut
from outgrow.data.split import draw_split
from outgrow.errors import ConfigError, DataError

HUMAN = "\n\nHuman: Name a colour.\n\nAssistant:"


def pairs(tmp_path: Path, *rows: dict, **section):
    """The task of a JSONL file with these rows."""
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_task(TaskSection(name="own", path=path, kind="choose", **section))


def read(task) -> list[tuple[str, str, str]]:
    """(prompt, chosen, rejected) of every item."""
    items = task.items
    return [
        (prompt, options[gold], options[1 - gold])
        for prompt, options, gold in zip(items.prompts, items.options, items.gold.tolist(), strict=True)
    ]


def message(role: str, content: str) -> dict:
    return {"role": role, "content": content}


ASKED = [message("user", "Name a colour.")]
DIALOGUE = "Human: Name a colour.\n\nAssistant:"


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"prompt": "Name a colour.", "chosen": "Red, of course.", "rejected": "Rex."}, "Name a colour."),
        ({"prompt": "Name one:", "chosen": "Name one: Red, of course.", "rejected": "Name one: Rex."}, "Name one:"),
        ({"chosen": f"{HUMAN} Red, of course.", "rejected": f"{HUMAN} Rex."}, HUMAN.strip()),
        ({"chosen": "My colour is Red, of course.", "rejected": "My colour is Rex."}, "My colour is"),
        (
            {
                "chosen": [*ASKED, message("assistant", "Red, of course.")],
                "rejected": [*ASKED, message("assistant", "Rex.")],
            },
            DIALOGUE,
        ),
        (
            {
                "prompt": ASKED,
                "chosen": [message("assistant", "Red, of course.")],
                "rejected": [message("assistant", "Rex.")],
            },
            DIALOGUE,
        ),
        (
            {
                "prompt": ASKED,
                "chosen": [*ASKED, message("assistant", "Red, of course.")],
                "rejected": [*ASKED, message("assistant", "Rex.")],
            },
            DIALOGUE,
        ),
        (
            {"prompt": [message("system", "Be short."), *ASKED], "chosen": "Red, of course.", "rejected": "Rex."},
            f"System: Be short.\n\n{DIALOGUE}",
        ),
    ],
)
def test_prompt_and_answers_of_every_form(row: dict, prompt: str, tmp_path: Path) -> None:
    task = pairs(tmp_path, row)
    assert (task.kind, task.classes) == ("choose", ("A", "B"))
    assert read(task) == [(prompt, "Red, of course.", "Rex.")]


def test_a_dialogue_of_several_turns_keeps_all_but_the_last_in_the_prompt(tmp_path: Path) -> None:
    before = f"{HUMAN} Red.\n\nHuman: Another.\n\nAssistant:"
    row = {"chosen": f"{before} Green.", "rejected": f"{before} Green, green."}
    assert read(pairs(tmp_path, row)) == [(before.strip(), "Green.", "Green, green.")]


def test_the_place_of_an_option_does_not_tell_which_was_chosen(tmp_path: Path) -> None:
    rows = [{"prompt": f"Number {n}?", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(400)]
    task = pairs(tmp_path, *rows)
    assert abs(task.items.gold.mean() - 0.5) < 0.1
    assert read(task) == [tuple(row.values()) for row in rows]
    turned = pairs(tmp_path, *reversed(rows))
    assert dict(zip(turned.items.prompts, turned.items.options, strict=True)) == dict(
        zip(task.items.prompts, task.items.options, strict=True)
    )


def test_pairs_that_say_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    good = {"prompt": "a", "chosen": "b", "rejected": "c"}
    task = pairs(tmp_path, good, {**good, "rejected": "b"}, {**good, "chosen": ""}, {**good, "rejected": "  "})
    assert read(task) == [("a", "b", "c")]
    assert any(note.endswith("an answer is empty or both are equal: 3.") for note in task.notes)


def test_pairs_of_one_prompt_are_in_the_same_part(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"Number {n}?", "chosen": f"good {n} {m}", "rejected": f"bad {n} {m}"}
        for n in range(60)
        for m in range(3)
    ]
    sizes = Sizes(half_a=45, half_b=60, test=60)
    pool = cut(pairs(tmp_path, *rows), sizes, 1)
    split = draw_split(pool.items, sizes, 5)
    seen = [{pool.items.prompts[row] for row in getattr(split, name)} for name in ("half_a", "half_b", "test")]
    assert sum(map(len, seen)) == len(set.union(*seen))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"chosen": "Red", "rejected": "Rex"}, "there is no prompt"),
        ({"prompt": "a", "chosen": 3.5, "rejected": ["Rex"]}, "`rejected` must be a text or messages"),
        ({"prompt": "a", "chosen": {"x": 1}, "rejected": "c"}, "`chosen` must be a text"),
        ({"prompt": "a", "chosen": [{"role": "user"}], "rejected": "c"}, "messages with `role` and `content`"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "in no row"),
    ],
)
def test_bad_rows_are_named(row: dict, told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told) as caught:
        pairs(tmp_path, row)
    assert str(tmp_path / "pairs.jsonl") in str(caught.value)


def test_a_column_of_prompts_may_be_named_or_composed(tmp_path: Path) -> None:
    row = {"topic": "Colours", "question": "Which?", "chosen": "Red", "rejected": "Rex"}
    task = pairs(tmp_path, row, columns={"text": "{topic}: {question}"})
    assert read(task) == [("Colours: Which?", "Red", "Rex")]
    assert read(pairs(tmp_path, row, columns={"text": "question"})) == [("Which?", "Red", "Rex")]


@pytest.mark.parametrize("name", ["arc_easy", "sciq"])
def test_the_form_pairs_has_the_right_option_and_the_wrong_one_of_the_binary_form(name: str) -> None:
    native, made, binary = (load_task(TaskSection(name=name, form=form)) for form in ("native", "pairs", "binary"))
    assert (made.kind, made.classes) == ("choose", ("A", "B"))
    answers = {
        name: options[gold]
        for name, options, gold in zip(native.items.ids, native.items.options, native.items.gold.tolist(), strict=True)
    }
    assert [answers[item] for item in made.items.ids] == [chosen for _, chosen, _ in read(made)]
    candidates = {tuple(sorted(text)) for text in zip(*[iter(binary.items.prompts)] * 2, strict=True)}
    assert candidates == {tuple(sorted((f"{p} {one}", f"{p} {other}"))) for p, one, other in read(made)}
    assert abs(np.mean(made.items.gold) - 0.5) < 0.05


def test_texts_have_no_pairs() -> None:
    with pytest.raises(ConfigError, match="`pairs` needs a multiple-choice task"):
        load_task(TaskSection(name="errands", form="pairs"))
