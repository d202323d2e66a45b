"""What the strong model is asked, word for word: which examples, which are hidden, in which order."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.data.template import fill
from outgrow.errors import ConfigError
from outgrow.generation.chat import Message, flat
from outgrow.refine import REFINERS, refiners
from outgrow.refine.prompts import read_prompts
from outgrow.refine.refiner_record import WeakExample
from outgrow.refine.refiners import in_batches, leave_one_out, with_fixed

EXAMPLES = [WeakExample(f"i{n}", f"q{n}?", f"a{n}!") for n in range(1, 6)]


def test_icl_hides_the_own_answer_and_shows_the_others_in_order() -> None:
    asks = refiners.icl(EXAMPLES, read_prompts("icl"), 3, None)
    assert [(ask.item, ask.batch) for ask in asks] == [("i1", 0), ("i2", 0), ("i3", 0), ("i4", 1), ("i5", 1)]
    assert asks[1].conversation == (
        Message("system", "Question: q1?\nAnswer:\na1!\n\nQuestion: q3?\nAnswer:\na3!"),
        Message("user", "Question: q2?\nAnswer:"),
    )
    assert asks[4].conversation[0].content == "Question: q4?\nAnswer:\na4!"
    for ask, example in zip(asks, EXAMPLES, strict=True):
        assert example.answer not in flat(ask.conversation)


def test_fixed_demonstrations_are_shown_to_all_and_not_asked() -> None:
    asks = refiners.icl(EXAMPLES, read_prompts("icl"), 5, 2)
    assert [ask.item for ask in asks] == ["i3", "i4", "i5"]
    assert {ask.conversation[0].content for ask in asks} == {
        "Question: q1?\nAnswer:\na1!\n\nQuestion: q2?\nAnswer:\na2!"
    }


def test_a_style_is_named_from_the_whole_batch_and_the_answer_given_under_it() -> None:
    prompts = read_prompts("infer_and_respond")
    first, second = refiners.naming(EXAMPLES, prompts, 3)
    assert (first.item, second.item) == ("i1", "i4")
    assert first.conversation[1].content == (
        "Question: q1?\nAnswer:\na1!\n\nQuestion: q2?\nAnswer:\na2!\n\nQuestion: q3?\nAnswer:\na3!"
    )
    asks = refiners.responding(EXAMPLES, prompts, 3, {0: "The used style is: loud."})
    assert [ask.item for ask in asks] == ["i1", "i2", "i3"], "a batch without a style is not asked"
    assert asks[0].conversation[0].content.endswith("The used style is: loud.")
    assert asks[0].conversation[1].content == "Question: q1?\nAnswer:"
    assert "a1!" not in flat(asks[0].conversation)


def test_improving_shows_question_and_weak_answer() -> None:
    ask = refiners.ask_to_improve(EXAMPLES, read_prompts("ask_to_improve"))[2]
    assert ask.item == "i3"
    assert ask.conversation[-1].content == "Question: q3?\nAnswer:\na3!\n\nBetter answer:"


def test_bootstrapping_shows_nothing_weak() -> None:
    (ask,) = refiners.self_bootstrap([WeakExample("i1", "q1?", "")], read_prompts("self_bootstrap"), "Be brief.")
    assert ask.conversation == (Message("system", "Be brief."), Message("user", "Question: q1?\nAnswer:"))


@given(st.integers(0, 40), st.integers(2, 9))
def test_batches_hold_everything_once_and_nobody_alone(n: int, size: int) -> None:
    examples = [WeakExample(str(number), "q", "a") for number in range(n)]
    batches = in_batches(examples, size)
    assert [one for batch in batches for one in batch] == examples
    assert all(2 <= len(batch) <= size + 1 for batch in batches) or n < 2
    for shown in leave_one_out(examples, size):
        assert shown.example not in shown.others
        assert {*shown.others, shown.example} == set(batches[shown.batch])


@given(st.lists(st.sampled_from(["maths", "time", "facts"]), max_size=40), st.integers(2, 9), st.integers(1, 5))
def test_only_questions_of_one_capability_are_shown_together(whose: list[str], size: int, fixed: int) -> None:
    examples = [WeakExample(str(number), "q", "a", name) for number, name in enumerate(whose)]
    batches = in_batches(examples, size)
    assert sorted(batches) == sorted(
        batch
        for name in set(whose)
        for batch in in_batches([one._replace(capability="") for one in examples if one.capability == name], size)
        for batch in [[one._replace(capability=name) for one in batch]]
    )
    for shown in leave_one_out(examples, size):
        assert {one.capability for one in shown.others} <= {shown.example.capability}
        assert {*shown.others, shown.example} == set(batches[shown.batch])
    asked = with_fixed(examples, fixed)
    for shown in asked:
        alike = [one for one in examples if one.capability == shown.example.capability]
        assert list(shown.others) == alike[:fixed]
    assert len(asked) == sum(max(0, whose.count(name) - fixed) for name in set(whose))
    assert {shown.example.capability for shown in asked} == {name for name in set(whose) if whose.count(name) > fixed}
    assert len({(shown.batch, shown.example.capability) for shown in asked}) == len({shown.batch for shown in asked})


def test_with_fixed_of_more_than_there_are_asks_nobody() -> None:
    assert with_fixed(EXAMPLES, 5) == []


@given(st.text(), st.text())
def test_what_is_filled_in_is_not_looked_at(question: str, answer: str) -> None:
    assert fill("{question}|{{x}}|{answer}", question=question, answer=answer) == f"{question}|{{x}}|{answer}"


# ---- prompts of one's own -------------------------------------------------------------------------------


@pytest.mark.parametrize("refiner", REFINERS)
def test_our_prompts_have_their_fields(refiner: str) -> None:
    assert set(read_prompts(refiner)) == set(REFINERS[refiner].prompts)


def test_a_file_of_ones_own_replaces_ours(tmp_path: Path) -> None:
    (tmp_path / "icl.user.txt").write_text("Q {question}")
    prompts = read_prompts("icl", tmp_path)
    assert prompts["icl.user"] == "Q {question}"
    assert prompts["icl.system"] == read_prompts("icl")["icl.system"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("icl.usr", "{question}", "did you mean `icl.user`"),
        ("icl.user", "{answer}", "`{answer}` cannot be filled; its fields are `{question}`"),
        ("icl.user", "no field", "`{question}`"),
        ("icl.user", "{question", "is no template"),
    ],
)
def test_a_wrong_prompt_is_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / f"{name}.txt").write_text(text)
    with pytest.raises(ConfigError) as told:
        read_prompts("icl", tmp_path)
    assert words in str(told.value)
    assert name in str(told.value)


def test_a_folder_without_prompts_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        read_prompts("icl", tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="has none of"):
        read_prompts("icl", tmp_path)
