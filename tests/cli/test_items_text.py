"""What `outgrow data show` says of texts: prompt, gold, tokens, and which of them are learned."""

import json

import pytest

from outgrow.cli.items_text import items_text, look_at_items
from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.errors import ConfigError
from outgrow.models.load_model import load_tokenizer

MODEL = "bundled:smollm2-135m@2"


@pytest.fixture
def experiment(tmp_path):
    rows = [{"prompt": f"count to {i}", "completion": " ".join(map(str, range(i)))} for i in range(8)]
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: shown\n"
        "task: {name: mine, path: mine.jsonl, kind: generate, metric: rouge_l, template: 'Please {text}',"
        " sizes: {half_a: 2, half_b: 2, test: 2}}\n"
        f"supervisors: {{a: {{model: '{MODEL}', adapt: lora}}}}\n"
        f"student: {{model: '{MODEL}', adapt: lora}}\n"
        "methods: [naive]\n"
    )
    return path


def test_the_answer_and_its_end_are_learned_and_nothing_else():
    tokenizer = load_tokenizer(MODEL)
    items = load_task(TaskSection(name="errands")).items
    gold = dict(zip(items.ids, items.answers, strict=True))
    for item in look_at_items("errands", [], 5, MODEL)["shown"]:
        ids = tokenizer.convert_tokens_to_ids(item["tokens"])
        learned = [token for token, mark in zip(ids, item["learned"], strict=True) if mark]
        read = [token for token, mark in zip(ids, item["learned"], strict=True) if not mark]
        assert item["gold"] == gold[item["id"]]
        assert tokenizer.decode(learned[:-1]) == item["gold"]
        assert learned[-1] == tokenizer.eos_token_id
        assert item["learned"] == sorted(item["learned"])
        message = [{"role": "user", "content": item["prompt"]}]
        assert tokenizer.decode(read) == tokenizer.apply_chat_template(
            message, add_generation_prompt=True, tokenize=False
        )


def test_chat_can_be_switched_off(experiment):
    seen = look_at_items(str(experiment), ["student.chat=false"], 1, None)
    (item,) = seen["shown"]
    read = [token for token, mark in zip(item["tokens"], item["learned"], strict=True) if not mark]
    assert "".join(read).replace("Ġ", " ").replace("Ċ", "\n") == f"{item['prompt']}\n"
    assert item["prompt"].startswith("Please count to")


def test_an_unknown_answer_is_not_learned(experiment):
    seen = look_at_items(str(experiment), [], 8, None)
    unknown = [item for item in seen["shown"] if item["gold"] is None]
    assert [item["prompt"] for item in unknown] == ["Please count to 0"]
    assert not any(unknown[0]["learned"])
    assert items_text(seen).count("learned (0): ") == 1


def test_as_text_and_as_json(experiment):
    seen = look_at_items(str(experiment), [], 3, None)
    assert json.loads(json.dumps(seen)) == seen
    assert (seen["metric"], seen["classes"], seen["model"]) == ("rouge_l", [], MODEL)
    text = items_text(seen)
    assert text.startswith("mine: generate, 8 items, measured by rouge_l\n")
    for item in seen["shown"]:
        learned = sum(item["learned"])
        assert f"read ({len(item['tokens']) - learned}): <|im_start|> · " in text
        assert f"learned ({learned}): " in text
        assert f"gold: {item['gold']}" in text
    assert "tokens" not in look_at_items("errands", [], 1, None)["shown"][0]


def test_a_mixture_is_told_capability_by_capability(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: shown\n"
        "task: {name: two, capabilities: {maths: {name: sums}, stories: {name: tales}}}\n"
        f"supervisors: {{a: {{model: '{MODEL}', adapt: lora}}}}\n"
        f"student: {{model: '{MODEL}', adapt: lora}}\n"
        "methods: [naive]\n"
    )
    seen = look_at_items(str(path), [], 4, None)
    assert json.loads(json.dumps(seen)) == seen
    assert [item["id"].partition("/")[0] for item in seen["shown"]].count("maths") == 2
    text = items_text(seen)
    assert text.startswith(
        "two: generate, 6000 items, measured by macro\n"
        "maths: 2000 train and 1000 test items, measured by answer_match\n"
        "stories: 2000 train and 1000 test items, measured by exact_match\n"
    )
    assert look_at_items("errands", [], 1, None)["capabilities"] == []


def test_static_embeddings_cannot_write():
    with pytest.raises(ConfigError, match="has static embeddings and cannot write"):
        look_at_items("errands", [], 1, "bundled:wordllama")
