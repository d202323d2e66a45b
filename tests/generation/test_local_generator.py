"""Writing and reading back: every log-probability is the model's own, whoever is next to it, killed or not."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from drawn_seeds import SEEDS
from outgrow.errors import DataError
from outgrow.generation.causal_lm import CausalLM, forced, load_writer
from outgrow.generation.chat import single_turn
from outgrow.generation.coder import canonical, stop_in
from outgrow.generation.local_generator import ended, write
from outgrow.generation.local_scorer import score
from outgrow.generation.prompting import prompter_of
from outgrow.graph.step import Job
from outgrow.models.load_model import load_tokenizer
from outgrow.models.resumable_inference import ragged_sweep
from outgrow.models.token_batches import Rows
from outgrow.texts import Candidate, ranked

SECTION: dict[str, Any] = {
    "model": "bundled:smollm2-135m@2",
    "revision": None,
    "dtype": "float32",
    "max_length": 96,
    "chat": False,
    "unfit": "skip",
    "system": None,
    "type": "model",
    "trust_remote_code": False,
}
SEARCH = {
    "beams": 3,
    "candidates": 3,
    "sample": False,
    "temperature": 1.0,
    "top_p": 1.0,
    "max_new_tokens": 6,
    "stop": [],
}
PROMPTS = ["say noon", "what is the time in Köln just now", "half past", "say noon twice, 😀 please"]
TEXTS = [["at noon", "", "zwölf Uhr 😀"], ["now"], ["half past ten", "half  past\tten"], ["noon noon"]]


@pytest.fixture(scope="module")
def writer() -> CausalLM:
    return load_writer(SECTION, None, "cpu")


def job(folder: Path, **hints: Any) -> Job:
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Job(folder / "out", {}, folder / "scratch", hints)


def written(folder: Path, writer: CausalLM, prompts: list[str], **changes: Any) -> list[list[Candidate]]:
    places = np.asarray([PROMPTS.index(prompt) for prompt in prompts])
    return write(job(folder), writer, prompts, {**SEARCH, **changes}, 7, places)


@cache
def precise() -> PreTrainedModel:
    return load_writer(SECTION, None, "cpu").lm.double()


def by_definition(writer: CausalLM, prompt: str, tokens: list[int]) -> np.ndarray:
    """One forward pass over one text, in double precision."""
    lm = precise()
    before = writer.prompter.ids(prompt)
    with torch.no_grad():
        logits = lm(input_ids=torch.tensor([before + tokens])).logits[0]
    logprobs = logits.log_softmax(-1)[len(before) - 1 : -1]
    return logprobs[torch.arange(len(tokens)), tokens].numpy()


def test_scores_are_those_of_one_text_at_a_time(writer: CausalLM, tmp_path: Path) -> None:
    found = score(job(tmp_path), writer, list("wxyz"), PROMPTS, TEXTS)
    for prompt, texts, candidates in zip(PROMPTS, TEXTS, found, strict=True):
        assert [one.text for one in candidates] == texts
        for one in candidates:
            end, tokens = canonical(writer, one.text)
            expected = by_definition(writer, prompt, tokens)
            np.testing.assert_allclose(one.pieces.logprob, expected, atol=2e-4)
            n_bytes = len(one.text.encode())
            assert one.pieces.end.tolist() == [*end.tolist(), n_bytes + 1]


def test_a_score_depends_on_nothing_but_prompt_and_text(writer: CausalLM, tmp_path: Path) -> None:
    together = score(job(tmp_path / "a"), writer, list("wxyz"), PROMPTS, TEXTS)
    alone = [
        score(job(tmp_path / str(n), batch_tokens=1), writer, ["x"], [PROMPTS[n]], [TEXTS[n][::-1]])[0][::-1]
        for n in range(4)
    ]
    for one, other in zip(together, alone, strict=True):
        for left, right in zip(one, other, strict=True):
            assert left.text == right.text
            np.testing.assert_allclose(left.pieces.logprob, right.pieces.logprob, atol=1e-4)


def test_what_is_written_carries_its_exact_log_probabilities(writer: CausalLM, tmp_path: Path) -> None:
    for name, changes in {"beams": {}, "samples": {"sample": True, "candidates": 2, "temperature": 1.5}}.items():
        found = written(tmp_path / name, writer, PROMPTS, **changes)
        drawn = json.loads((tmp_path / name / "scratch" / "drawn.jsonl").read_text().splitlines()[1])
        row, texts = drawn[0]
        scores = {one.text: one for one in found[row]}
        for tokens in texts:
            candidate = writer.candidate(tokens, by_definition(writer, PROMPTS[row], tokens).tolist())
            if scores[candidate.text].pieces.end.tolist() == candidate.pieces.end.tolist():
                assert scores[candidate.text].logprob == pytest.approx(candidate.logprob, abs=1e-3)


def test_a_search_is_as_good_as_greedy_and_ranked(writer: CausalLM, tmp_path: Path) -> None:
    greedy = written(tmp_path / "greedy", writer, PROMPTS, beams=1, candidates=1)
    wide = written(tmp_path / "wide", writer, PROMPTS)
    for one, several in zip(greedy, wide, strict=True):
        assert len(one) == 1
        means = [candidate.mean_logprob for candidate in several]
        assert means == sorted(means, reverse=True)
        assert len({candidate.text for candidate in several}) == len(several)
        assert 1 <= len(several) <= 3


def test_greedy_is_the_most_probable_token_each_time(writer: CausalLM, tmp_path: Path) -> None:
    written(tmp_path, writer, PROMPTS[:1], beams=1, candidates=1)
    [[_, [tokens]]] = json.loads((tmp_path / "scratch" / "drawn.jsonl").read_text().splitlines()[1])
    before = writer.prompter.ids(PROMPTS[0])
    for length, token in enumerate(tokens):
        with torch.no_grad():
            logits = writer.lm(input_ids=torch.tensor([before + tokens[:length]])).logits[0, -1]
        assert int(logits.argmax()) == token


@pytest.mark.parametrize("changes", [{}, {"sample": True, "candidates": 3, "top_p": 0.9}], ids=["beams", "samples"])
def test_neighbours_and_order_do_not_matter(writer: CausalLM, tmp_path: Path, changes: dict[str, Any]) -> None:
    first = written(tmp_path / "a", writer, PROMPTS, **changes)
    turned = written(tmp_path / "b", writer, PROMPTS[::-1], **changes)
    alone = written(tmp_path / "c", writer, PROMPTS[1:2], **changes)
    texts = [[one.text for one in found] for found in first]
    assert [[one.text for one in found] for found in turned[::-1]] == texts
    assert [one.text for one in alone[0]] == texts[1]


def test_a_prompt_that_leaves_no_room_gets_no_answer(writer: CausalLM, tmp_path: Path) -> None:
    prompts = ["say noon", "noon " * 95]
    found = write(job(tmp_path), writer, prompts, SEARCH, 0, np.arange(2))
    assert found[0]
    assert found[1] == []
    assert score(job(tmp_path / "s"), writer, ["x", "y"], prompts, [["noon"], ["noon"]])[1] == []


def test_spaces_around_a_text_are_nobodys_but_their_probability_stays(writer: CausalLM) -> None:
    tokens = writer.prompter.tokenizer("  noon \n", add_special_tokens=False)["input_ids"]
    candidate = writer.candidate([*tokens, writer.prompter.end_id], [-1.0] * (len(tokens) + 1))
    assert candidate.text == "noon"
    assert candidate.logprob == -(len(tokens) + 1.0)
    assert candidate.pieces.end[-2:].tolist() == [4, 5]
    blank = writer.candidate([*writer.prompter.tokenizer("  ")["input_ids"], writer.prompter.end_id], [-1.0] * 2)
    assert (blank.text, blank.logprob) == ("", -2.0)


def test_a_stop_ends_a_text_and_is_no_part_of_it(writer: CausalLM) -> None:
    tokens = writer.prompter.tokenizer("\n noon\nand more", add_special_tokens=False)["input_ids"]
    logprobs = [-float(number + 1) for number in range(len(tokens))]
    candidate = writer.candidate(tokens, logprobs, ["\n"])
    assert candidate.text == "noon", "white space before the text is no stop"
    assert candidate.has_end
    assert candidate.logprob == pytest.approx(sum(logprobs)), "what spelled the stop is what the end is worth"
    assert not writer.candidate(tokens, logprobs, ["never"]).has_end
    assert stop_in("  a. b. c", [". ", "b"]) == 3
    assert stop_in("\n\n", ["\n"]) is None


@pytest.mark.parametrize("sample", [False, True])
def test_a_text_with_a_stop_is_the_beginning_of_the_one_without(
    writer: CausalLM, tmp_path: Path, sample: bool
) -> None:
    changes: dict[str, Any] = {"beams": 1, "candidates": 1, "max_new_tokens": 12, "sample": sample}
    whole = written(tmp_path / "whole", writer, PROMPTS, **changes)
    letters = sorted({letter for row in whole for letter in row[0].text[1:]} - {" "})
    stops = [letters[len(letters) // 2]]
    short = written(tmp_path / "short", writer, PROMPTS, **changes, stop=stops)
    for long_row, short_row in zip(whole, short, strict=True):
        text = long_row[0].text
        expected = text.partition(stops[0])[0].strip()
        assert short_row[0].text == (expected if stops[0] in text else text)
        assert short_row[0].has_end or stops[0] not in text


def test_equal_texts_are_kept_once_at_their_best(writer: CausalLM) -> None:
    spell = writer.prompter.tokenizer.convert_tokens_to_ids
    two = [writer.candidate(spell(way), [-2.0 / len(way)] * len(way)) for way in (["no", "on"], ["n", "o", "on"])]
    assert [one.text for one in two] == ["noon", "noon"]
    assert [len(one.pieces.end) for one in ranked(two)] == [3]
    assert ended([5, 2, 7], 2) == [5, 2]
    assert ended([5, 7], 2) == [5, 7]


# ---- prompts --------------------------------------------------------------------------------------------


def test_a_chat_template_is_used_where_there_is_one() -> None:
    tokenizer = load_tokenizer(SECTION["model"])
    auto, plain = prompter_of(tokenizer), prompter_of(tokenizer, False)
    whole = tokenizer.decode(auto.ids("say noon"))
    assert "<|im_start|>user\nsay noon<|im_end|>" in whole
    assert whole.endswith("<|im_start|>assistant\n")
    assert tokenizer.decode(plain.ids("say noon")) == "say noon\n"
    assert auto.end_id == plain.end_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    encoder = load_tokenizer("bundled:minilm-l6")
    with pytest.raises(DataError, match="no end-of-sequence token"):
        prompter_of(encoder)
    tokenizer.chat_template = None
    with pytest.raises(DataError, match="no chat template"):
        prompter_of(tokenizer, True)
    assert not prompter_of(tokenizer, "auto").chat


def test_a_template_without_a_systems_turn_hears_it_at_the_head_of_the_question() -> None:
    tokenizer = load_tokenizer(SECTION["model"])
    said = single_turn("say noon", "Be brief.")
    assert "<|im_start|>system\nBe brief.<|im_end|>" in tokenizer.decode(prompter_of(tokenizer).ids(said))
    tokenizer.chat_template = (
        "{% for one in messages %}{% if one.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "[{{ one.role }}]{{ one.content }}{% endfor %}[answer]"
    )
    assert tokenizer.decode(prompter_of(tokenizer).ids(said)) == "[user]Be brief.\n\nsay noon[answer]"
    assert tokenizer.decode(prompter_of(tokenizer, False).ids(said)) == "Be brief.\n\nsay noon\n"


# ---- killed and resumed ---------------------------------------------------------------------------------


def swept(folder: Path, seed: int, until: int | None = None) -> tuple[dict[int, Any], list[int]]:
    """Ragged results of random batches; with `until`, the power fails after so many of them."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=rng.integers(0, 4)).tolist() for _ in range(20)]
    batches = np.array_split(rng.permutation(20), 6)
    asked: list[int] = []

    def run(rows: Rows) -> list[Any]:
        if len(asked) == until:
            raise KeyboardInterrupt
        asked.append(len(rows))
        return [values[row] for row in rows.tolist()]

    return ragged_sweep(job(folder), batches, run, "numbers"), asked


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("until", [0, 1, 5])
def test_an_interrupted_sweep_goes_on_to_the_same_results(seed: int, until: int, tmp_path: Path) -> None:
    expected, batches = swept(tmp_path / "whole", seed)
    with pytest.raises(KeyboardInterrupt):
        swept(tmp_path / "cut", seed, until)
    path = tmp_path / "cut" / "scratch" / "numbers.jsonl"
    path.write_text(path.read_text() + "[[3, [0.12")  # a line that was being written when the process died
    found, again = swept(tmp_path / "cut", seed)
    assert found == expected
    assert again == batches[until:], "finished batches are not run again"
    assert swept(tmp_path / "cut", seed)[1] == []
    assert swept(tmp_path / "cut", seed + 1)[1], "other batches start anew"


def test_writing_goes_on_where_it_was(writer: CausalLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = written(tmp_path / "whole", writer, PROMPTS)
    written(tmp_path / "cut", writer, PROMPTS)
    scratch = tmp_path / "cut" / "scratch"
    (scratch / "read back.jsonl").unlink()
    calls: list[int] = []
    original: Callable[..., Any] = writer.lm.generate
    monkeypatch.setattr(writer.lm, "generate", lambda **words: (calls.append(1), original(**words))[1])
    found = written(tmp_path / "cut", writer, PROMPTS)
    assert not calls, "drawn texts are not drawn again"
    assert [[one.text for one in row] for row in found] == [[one.text for one in row] for row in expected]
    choices, _ = forced(writer, [[1, 2]], [[[3], [4, 5]]])
    assert choices.tokens == 5
