"""Random Unicode for the alignment tests: whatever has broken a tokenizer before, in any order."""

import hypothesis.strategies as st

AWKWARD = [
    "👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "e\u0301", "a\u0323\u0302", "é", "日本", "漢字", "한국어", "ภาษาไทย",
    "שלום", "مرحبا", "हिन्दी", "ﬁ", "㎏", "Å",
    " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u3000", "\x00", "\x1b", "\x7f", "\ufeff",
    "\u200d", "\u202e",
    "▁", "▁▁", "<s>", "</s>", "<unk>", "[UNK]", "[SEP]", "<|im_end|>", "<|end|>", "<0x41>", "##ing", "Ġ", "Ã©",
    "wake", " me", "up", " at", "don't", "1,234.5", '{"time": "3 pm"}', " & ", "zürich", ".", "...", "\ufffd",
]  # fmt: skip
CHARACTERS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TEXTS = st.lists(st.sampled_from(AWKWARD) | CHARACTERS, max_size=8).map("".join)

KNOWN = "abcdefghijklmnopqrstuvwxyz ,.:{}\"&'日本語שלםかな空"
"""Characters that every trained tokenizer has seen."""
PLAIN = st.text(st.sampled_from(KNOWN), max_size=30)
