"""The bytes of each entry of a vocabulary.

Three notations are in use. *Byte-level* tokenizers write every byte as one printable character (GPT-2's table).
*Metaspace* tokenizers (SentencePiece) write a space as `▁`, and bytes without a piece as `<0x0A>`. *WordPiece* marks a
continuation of a word with `##`; other pieces begin with a space. Tokens that were added to the vocabulary
(`<|im_end|>`) are written unchanged.

Normalisation is not part of the spelling: a tokenizer that lowercases spells the lowercased text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

META_SPACE = "▁"


@dataclass(frozen=True)
class Spelling:
    """A tokenizer and the bytes of its vocabulary; made by `spelling_of`, once per tokenizer."""

    tokenizer: Tokenizer = field(repr=False)
    """A private copy without padding and truncation that encodes `</s>` in a text as four characters."""
    entries: tuple[bytes, ...] = field(repr=False)
    """Bytes by token id; empty for ids that do not exist."""
    prefixed: bool
    """Whether the tokenizer adds a space before every text."""
    byte_level: bool
    """Whether the tokenizer is byte-level, which keeps every space."""
    unknown: int | None
    """The token for unknown text, if there is one."""

    def spell(self, ids: list[int]) -> list[bytes]:
        """The bytes of each token; empty for ids beyond the vocabulary, which a padded output matrix has."""
        return [self.entries[token] if token < len(self.entries) else b"" for token in ids]


def spelling_of(tokenizer: Tokenizer) -> Spelling:
    """The spelling of a fast tokenizer (`backend_tokenizer` of a transformers one). This takes time."""
    settings = json.loads(tokenizer.to_str())
    alphabet = _Alphabet.of(settings)
    # A copy, because other users of the tokenizer change its padding and truncation.
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    copy.encode_special_tokens = True
    entries = _entries(copy, alphabet, settings["added_tokens"])
    bytes_of_text = b"".join(entries[token] for token in copy.encode("a", add_special_tokens=False).ids)
    return Spelling(
        copy, entries, bytes_of_text.startswith(b" "), alphabet.byte_level, _unknown(copy, settings["model"])
    )


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
    """The notation of a vocabulary."""

    byte_level: bool
    meta_space: str | None
    byte_fallback: bool
    continues: str | None
    """WordPiece's prefix of a piece within a word."""
    ends_word: str

    @staticmethod
    def of(settings: dict[str, Any]) -> "_Alphabet":
        model = settings["model"]
        stages = [stage for key in ("normalizer", "pre_tokenizer", "decoder") for stage in _stages(settings[key])]
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
            is_byte_level = _BYTE_OF.keys() >= set(word)
            return bytes([_BYTE_OF[character] for character in word]) if is_byte_level else word.encode()
        if self.byte_fallback and len(word) == 6 and word.startswith("<0x") and word.endswith(">"):
            return bytes.fromhex(word[3:5])
        if self.continues is not None:
            continues_word = word.startswith(self.continues)
            return (word.removeprefix(self.continues) if continues_word else f" {word}").encode()
        if self.ends_word and word.endswith(self.ends_word):
            word = word.removesuffix(self.ends_word) + " "
        return (word if self.meta_space is None else word.replace(self.meta_space, " ")).encode()


def _stages(stage: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """A normaliser, pre-tokenizer or decoder with all its parts."""
    if stage is None:
        return
    yield stage
    for key in ("normalizers", "pretokenizers", "decoders"):
        for inner in stage.get(key, ()):
            yield from _stages(inner)


def _byte_letters() -> dict[str, int]:
    """GPT-2's table: a printable byte is its own character, the n-th other byte is the character 256 + n."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(others)}


_BYTE_OF = _byte_letters()
