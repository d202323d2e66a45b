"""Names of any length are shown short, everywhere, and stay whole in data."""

import json
from dataclasses import asdict

import numpy as np
import pytest

import outgrow
from drawn_seeds import SEEDS
from outgrow.deliver.card import as_cell
from outgrow.errors import ConfigError, DataError, suggest
from outgrow.text_format import MOST_LETTERS, MOST_QUOTED, listed, short, shortened
from outgrow.trust_report.measure_trust import next_table
from outgrow.trust_report.trust_page import trust_html
from outgrow.trust_report.trust_text import trust_markdown, trust_text
from outgrow.vote_kinds.class_votes import shown as combined_text
from outgrow.vote_table import VoteTable

LONG = "z" * 100_000


def long_votes(seed: int) -> VoteTable:
    """Five sources, the last of which copies, on sixty items; every name is long."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=60)
    said = np.where(rng.random((60, 5)) < 0.7, truth[:, None], rng.integers(3, size=(60, 5)))
    said[:, 4] = said[:, 3]
    item, source = np.nonzero(np.ones((60, 5), dtype=np.bool_))
    items, sources, classes = (
        [f"{kind}{number}{LONG}" for number in range(n)] for kind, n in zip("isc", (60, 5, 3), strict=True)
    )
    return VoteTable(items, tuple(sources), tuple(classes), item, source, said[item, source])


@pytest.mark.parametrize("most", [9, 28, MOST_LETTERS])
def test_a_name_is_cut_in_its_middle(most: int) -> None:
    name = "".join(map(chr, np.random.default_rng(SEEDS[0]).integers(97, 123, size=200)))
    for length in range(most + 1):
        assert short(name[:length], most) == name[:length]
    cut = short(name, most)
    head, tail = cut.split("…")
    assert len(cut) == most
    assert name.startswith(head)
    assert name.endswith(tail)


def test_only_what_is_in_backticks_or_named_is_cut() -> None:
    sentence = f"this is said at length, and is no name at all, `a` and `{LONG}` but {LONG}x too, and `b`"
    assert shortened(sentence) == sentence.replace(f"`{LONG}`", f"`{short(LONG, MOST_QUOTED)}`")
    assert LONG not in shortened(sentence, [f"{LONG}x"])
    assert str(DataError(f"`{LONG}`")) == f"`{short(LONG, MOST_QUOTED)}`"
    path = f"`{'/folder' * 30}` and more words than that" * 3
    assert str(DataError(path)) == path


def test_lists_have_an_end() -> None:
    assert listed(["a", "b"]) == "`a`, `b`"
    assert listed([str(number) for number in range(14)]).endswith("`11` and 2 more")
    assert suggest("vte", ["vote", "glad"]) == "did you mean `vote`?"
    assert len(suggest(LONG, [f"{number}{LONG}" for number in range(1000)])) < 100 * MOST_LETTERS


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_what_is_shown_is_short_and_what_is_written_is_whole(seed: int) -> None:
    votes = long_votes(seed)
    found, combined = outgrow.trust(votes, n_next=10), outgrow.combine(votes, "bayesian_dawid_skene")
    pages = [trust_html(found), trust_markdown(found), trust_text(found), combined_text(combined), as_cell(LONG)]
    assert all("z" * MOST_LETTERS not in page for page in pages)
    assert all("s3zzz" in page for page in pages[:-1])
    assert any("seem to copy" in sentence for sentence in combined.notes)
    assert f"s3{LONG}" in json.dumps(asdict(found))
    assert set(next_table(found)["item"].to_pylist()) <= set(votes.items)
    assert set(combined.to_pandas()["label"]) <= set(votes.classes)


@pytest.mark.parametrize("method", ["single", f"single:x{LONG}"])
def test_messages_are_short(method: str) -> None:
    with pytest.raises(ConfigError, match="source") as caught:
        outgrow.combine(long_votes(0), method)
    assert len(str(caught.value)) < 12 * MOST_LETTERS
    with pytest.raises(DataError, match="no source named") as refused:
        long_votes(0).only(["nobody"])
    assert len(str(refused.value)) < 12 * MOST_LETTERS
