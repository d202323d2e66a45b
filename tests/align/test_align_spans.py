"""Spans of real tokenizers: they tile every text, inside characters too, and say no where a text cannot be said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import PLAIN, TEXTS
from tokenizers import Tokenizer, models, pre_tokenizers

from outgrow.align.pieces import Pieces
from outgrow.align.spans import encode, spell
from outgrow.align.spelling import spelling_of
from outgrow.errors import DataError

EXACT = ("smollm2", "byte_bpe", "byte_bpe_prefixed", "unigram_bytes", "wordllama")
UNIVERSAL = ("byte_bpe", "byte_bpe_prefixed", "byte_bpe_nfc", "wordllama")
LIMITED = ("minilm", "word_piece", "unigram")
SETTINGS = settings(deadline=None, max_examples=150)


def require_tiles(pieces: Pieces, n_bytes: int) -> None:
    assert len(pieces.ids) == len(pieces.end)
    assert (np.diff(pieces.end, prepend=0) >= 0).all()
    assert (pieces.start[1:] == pieces.end[:-1]).all()
    assert not len(pieces.ids) or (pieces.start[0], pieces.end[-1]) == (0, n_bytes)
    assert len(pieces.ids) or n_bytes == 0


def slices(text: str, pieces: Pieces) -> list[bytes]:
    data = text.encode()
    return [data[start:end] for start, end in zip(pieces.start, pieces.end, strict=True)]


@pytest.mark.parametrize("name", UNIVERSAL)
@given(text=TEXTS)
@SETTINGS
def test_every_text_is_tiled(spellings, name, text):
    spelling = spellings[name]
    pieces = encode(spelling, text)
    require_tiles(pieces, len(text.encode()))
    assert pieces.ids.tolist() == spelling.tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", LIMITED)
@given(text=TEXTS)
@SETTINGS
def test_a_text_is_tiled_or_refused(spellings, name, text):
    tokenizer = spellings[name].tokenizer
    unknown = {tokenizer.token_to_id(word) for word in ("[UNK]", "<unk>")}
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    if unknown & set(ids) or (text and not ids):
        with pytest.raises(DataError, match="item `i7`"):
            encode(spellings[name], text, item="i7")
    else:
        require_tiles(encode(spellings[name], text), len(text.encode()))


@pytest.mark.parametrize("name", LIMITED)
@given(text=PLAIN.filter(str.strip))
@SETTINGS
def test_known_characters_are_not_refused(spellings, name, text):
    require_tiles(encode(spellings[name], text), len(text.encode()))


@pytest.mark.parametrize("name", EXACT)
@given(text=TEXTS.filter(lambda text: "▁" not in text))
@SETTINGS
def test_a_span_holds_what_its_token_spells(spellings, name, text):
    """SmolLM2 has no tokens for some bytes and leaves them out; the tokenizer's own decoder knows what was lost."""
    spelling = spellings[name]
    ids = spelling.tokenizer.encode(text, add_special_tokens=False).ids
    decoded = spelling.tokenizer.decode(ids, skip_special_tokens=False)
    if decoded.removeprefix(" ") != text.removeprefix(" ") or spelling.unknown in ids:
        with pytest.raises(DataError, match="cannot reproduce"):
            encode(spelling, text)
        return
    pieces = encode(spelling, text)
    words = spelling.spell(ids)
    assert b"".join(words) in (text.encode(), b" " + text.encode())
    assert slices(text, pieces)[2:] == words[2:]
    assert b"".join(slices(text, pieces)) == text.encode()
    again, spelled = spell(spelling, ids)
    assert again == text or again == text.removeprefix(" ")
    assert again != text or spelled.end.tolist() == pieces.end.tolist()


@pytest.mark.parametrize("name", ["smollm2", "byte_bpe", "wordllama", "unigram_bytes"])
@given(data=st.data())
@SETTINGS
def test_any_ids_spell_a_tiled_text(spellings, name, data):
    """What a model may draw: bytes that begin a character and never end it, in any order."""
    spelling = spellings[name]
    ids = data.draw(st.lists(st.integers(0, len(spelling.entries) + 1) | st.integers(100, 400), max_size=12))
    text, pieces = spell(spelling, ids)
    require_tiles(pieces, len(text.encode()))
    raw = b"".join(spelling.spell(ids))
    dropped = spelling.prefixed and raw.startswith(b" ")
    assert text == raw[int(dropped) :].decode(errors="replace")
    if "\ufffd" not in text and not dropped:
        assert slices(text, pieces) == spelling.spell(ids)


def test_half_a_character_becomes_one_replacement(spellings):
    spelling = spellings["byte_bpe"]
    letters = {word: token for token, word in enumerate(spelling.entries)}
    ids = [letters[bytes([byte])] for byte in b"a\xe6\x97b\xe6\x97\xa5\xff"]
    text, pieces = spell(spelling, ids)
    assert text == "a\ufffdb日\ufffd"
    # a | E6 and 97 together are no character | b | three bytes of one | FF
    assert pieces.end.tolist() == [1, 1, 4, 5, 6, 7, 8, 11]


def test_ids_beyond_the_vocabulary_spell_nothing(spellings):
    spelling = spellings["wordllama"]
    beyond = len(spelling.entries)
    text, pieces = spell(spelling, [beyond, *encode(spelling, "wake").ids.tolist(), beyond + 7])
    assert text == "wake"
    assert (pieces.end[0], pieces.end[-2], pieces.end[-1]) == (0, 4, 4)


def test_pieces_of_one_character(spellings):
    text = "a 日é"
    pieces = encode(spellings["byte_bpe"], text)
    assert b"".join(slices(text, pieces)) == text.encode()
    assert encode(spellings["smollm2"], "👩").end.tolist() == [2, 3, 4]
    assert encode(spellings["wordllama"], "👩").end.tolist() == [0, 1, 2, 3, 4]


def test_dropped_accents_stay_and_dropped_spaces_go_on(spellings):
    text = "Cafe\u0301  AU\u0301\tlait "
    pieces = encode(spellings["minilm"], text)
    words = [part.decode() for part in slices(text, pieces)]
    assert words == ["Cafe\u0301", "  AU\u0301", "\tlai", "t "]


def test_offsets_of_a_normaliser_that_composes(spellings):
    text = "e\u0301 日e\u0301"
    parts = [part.decode() for part in slices(text, encode(spellings["byte_bpe_nfc"], text)) if part]
    assert "".join(parts) == text
    assert all(not part.startswith("\u0301") for part in parts)


def test_a_prefix_that_is_not_in_the_text_is_empty(spellings):
    for name in ("wordllama", "byte_bpe_prefixed"):
        assert spellings[name].prefixed
        assert encode(spellings[name], "ab").end[-1] == 2
    # NFKC forces offsets; the prefix alone claims the first letter there.
    assert encode(spellings["unigram"], "day ﬁ").end[0] == 0
    assert not spellings["smollm2"].prefixed


def test_special_tokens_in_a_text_stay_text(spellings):
    for name, special in (("smollm2", "<|im_end|>"), ("wordllama", "</s>"), ("byte_bpe", "<|end|>")):
        tokenizer = spellings[name].tokenizer
        pieces = encode(spellings[name], f"a{special}b")
        assert len(pieces.ids) > 3
        assert tokenizer.token_to_id(special) not in pieces.ids


def test_padding_and_truncation_of_the_tokenizer_do_not_matter(spellings):
    tokenizer = Tokenizer.from_str(spellings["byte_bpe"].tokenizer.to_str())
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=10)
    spelling = spelling_of(tokenizer)
    tokenizer.enable_truncation(2)
    text = "wake me up at seven"
    assert encode(spelling, text).ids.tolist() == encode(spellings["byte_bpe"], text).ids.tolist()
    assert len(tokenizer.encode(text).ids) == 10, "the tokenizer that was handed in is as it was"


@pytest.mark.parametrize(
    ("name", "text"),
    [("minilm", "so 🦄 sad"), ("minilm", " \n "), ("minilm", "\x00"), ("word_piece", "Ж?"), ("unigram", "wake Ж")],
)
def test_a_text_that_cannot_be_said_names_its_item(spellings, name, text):
    with pytest.raises(DataError, match="item `s-12`: the tokenizer cannot reproduce"):
        encode(spellings[name], text, item="s-12")


def test_characters_that_a_tokenizer_drops_silently_are_noticed():
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    spelling = spelling_of(tokenizer)
    assert encode(spelling, "a b").end.tolist() == [1, 3]
    with pytest.raises(DataError, match="cannot reproduce"):
        encode(spelling, "axb")


def test_half_a_surrogate_pair_is_refused(spellings):
    with pytest.raises(DataError, match=r"item `x`: character 1 .* U\+D83D"):
        encode(spellings["smollm2"], "a\ud83d", item="x")


def test_bpe_with_a_suffix_at_the_end_of_words():
    vocabulary = {"a": 0, "b</w>": 1, "b": 2, "ab</w>": 3}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("a", "b</w>")], end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    spelling = spelling_of(tokenizer)
    assert spelling.entries == (b"a", b"b ", b"b", b"ab ")
    assert encode(spelling, "ab aab").end.tolist() == [2, 4, 6]


def test_added_tokens_are_spelled_as_they_are(spellings):
    tokenizer = Tokenizer.from_str(spellings["byte_bpe"].tokenizer.to_str())
    tokenizer.add_tokens(["é日 é", "ÃÃ"])
    spelling = spelling_of(tokenizer)
    text = "x é日 é, ÃÃ"
    pieces = encode(spelling, text)
    assert slices(text, pieces) == spelling.spell(pieces.ids.tolist())
    assert {"é日 é".encode(), "ÃÃ".encode()} < set(slices(text, pieces))
