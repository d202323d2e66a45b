"""What each entry of a vocabulary spells, in bytes.

Three alphabets are in use. *Byte-level* tokenizers write every byte as one printable character (GPT-2's table).
*Metaspace* tokenizers (SentencePiece) write a space as `▁`, and bytes they have no piece for as `<0x0A>`. *WordPiece*
marks what continues a word with `##`; a space stands before everything else. Tokens that were added to the vocabulary
(`<|im_end|>`) are written as they are.

Spelling knows nothing of normalisation: a tokenizer that lowercases spells the lowercased text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

META_SPACE = "▁"


@dataclass(frozen=True)
class Spelling:
    """A tokenizer and its vocabulary's bytes; make it once per tokenizer, with `spelling_of`."""

    tokenizer: Tokenizer = field(repr=False)
    """A private copy that neither pads nor cuts, and for which `</s>` in a text is four characters."""
    entries: tuple[bytes, ...] = field(repr=False)
    """By token id; nothing for ids that do not exist."""
    prefixed: bool
    """Does the tokenizer put a space before every text?"""
    byte_level: bool
    """Then it keeps every space."""
    unknown: int | None
    """The token for what it does not know, if it has one."""

    def spell(self, ids: list[int]) -> list[bytes]:
        """The bytes of each token; none for ids beyond the vocabulary, which a padded output matrix has."""
        return [self.entries[token] if token < len(self.entries) else b"" for token in ids]


def spelling_of(tokenizer: Tokenizer) -> Spelling:
    """The spelling of a fast tokenizer (`backend_tokenizer` of a transformers one). Make it once: it takes time."""
    about = json.loads(tokenizer.to_str())
    alphabet = _Alphabet.of(about)
    # Whoever else uses the tokenizer sets padding and truncation on it as they go.
    own = Tokenizer.from_str(tokenizer.to_str())
    own.no_padding()
    own.no_truncation()
    own.encode_special_tokens = True
    entries = _entries(own, alphabet, about["added_tokens"])
    first = b"".join(entries[token] for token in own.encode("a", add_special_tokens=False).ids)
    return Spelling(own, entries, first.startswith(b" "), alphabet.byte_level, _unknown(own, about["model"]))


def _unknown(tokenizer: Tokenizer, model: dict[str, Any]) -> int | None:
    word = model.get("unk_token")
    return model.get("unk_id") if word is None else tokenizer.token_to_id(word)


def _entries(tokenizer: Tokenizer, alphabet: "_Alphabet", added_tokens: list[dict[str, Any]]) -> tuple[bytes, ...]:
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    entries = [b""] * (max(vocabulary.values(), default=-1) + 1)
    for word, token in vocabulary.items():
        entries[token] = alphabet.spell(word)
    for added in added_tokens:
        if added["special"] or alphabet.byte_level:
            entries[added["id"]] = added["content"].encode()
    return tuple(entries)


@dataclass(frozen=True)
class _Alphabet:
    """How a vocabulary is written."""

    byte_level: bool
    meta_space: str | None
    byte_fallback: bool
    continues: str | None
    """What WordPiece puts before a piece within a word."""
    ends_word: str

    @staticmethod
    def of(about: dict[str, Any]) -> "_Alphabet":
        model = about["model"]
        stages = [stage for key in ("normalizer", "pre_tokenizer", "decoder") for stage in _stages(about[key])]
        kinds = {stage["type"] for stage in stages}
        marks = [stage["replacement"] for stage in stages if stage["type"] == "Metaspace"]
        replaces = any(
            stage["type"] == "Replace" and META_SPACE in json.dumps(stage, ensure_ascii=False) for stage in stages
        )
        return _Alphabet(
            byte_level="ByteLevel" in kinds,
            meta_space=marks[0] if marks else META_SPACE if replaces else None,
            byte_fallback=bool(model.get("byte_fallback")),
            continues=model["continuing_subword_prefix"] if model["type"] == "WordPiece" else None,
            ends_word=model.get("end_of_word_suffix") or "",
        )

    def spell(self, word: str) -> bytes:
        if self.byte_level:
            written = _BYTE_OF.keys() >= set(word)
            return bytes([_BYTE_OF[letter] for letter in word]) if written else word.encode()
        if self.byte_fallback and len(word) == 6 and word.startswith("<0x") and word.endswith(">"):
            return bytes.fromhex(word[3:5])
        if self.continues is not None:
            within = word.startswith(self.continues)
            return (word.removeprefix(self.continues) if within else f" {word}").encode()
        if self.ends_word and word.endswith(self.ends_word):
            word = word.removesuffix(self.ends_word) + " "
        return (word if self.meta_space is None else word.replace(self.meta_space, " ")).encode()


def _stages(stage: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """A normaliser, pre-tokenizer or decoder and everything within it."""
    if stage is None:
        return
    yield stage
    for key in ("normalizers", "pretokenizers", "decoders"):
        for inner in stage.get(key, ()):
            yield from _stages(inner)


def _byte_letters() -> dict[str, int]:
    """GPT-2's table: printable bytes stand for themselves, the n-th other byte is the character 256 + n."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTE_OF = _byte_letters()
