"""Every combiner of the registry, and one that a plug-in adds, satisfies `combiner_checks.py`."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import combiner_checks as checks
import numpy as np
import pytest
import textbook_sources as textbook

import outgrow
from drawn_seeds import SEEDS
from outgrow.combiners import COMBINERS, fit_by, fit_names, section_named, short_name, vote_combiners
from outgrow.combiners.combiner_record import CombinerRecord, CombinerSection, PosteriorSection
from outgrow.combiners.em import row_scores
from outgrow.combiners.fit import Fit, fit_of_posterior
from outgrow.combiners.targets import combine_labels
from outgrow.combiners.vote_block import Block
from outgrow.combiners.votes import Votes
from outgrow.config.method import Method
from outgrow.errors import ConfigError
from outgrow.extensions import rebuild_sections
from outgrow.labels import Anchors, WeakLabels


class AddedVotes(PosteriorSection):
    """Added counts of hard votes, as a plug-in would bring."""

    type: Literal["added_votes"]
    power: float = 1.0

    @property
    def uses_gold(self) -> bool:
        return self.calibrate


def fit_added_votes(votes: Votes, *, power: float = 1.0) -> Fit:
    hard = votes.hardened()
    counts = row_scores(hard, Block.by_class)
    return fit_of_posterior(hard, power * np.log1p(counts))


PLUGIN = CombinerRecord(AddedVotes, fit=fit_added_votes)
OF_VOTES = [*(record for record in COMBINERS.values() if record.of_votes), PLUGIN]
SECTIONS = [section for record in OF_VOTES for section in checks.sections_of(record)]


def chooses(section: CombinerSection) -> bool:
    return any(record.choose is not None for record in OF_VOTES if record.name == section.type)


@pytest.fixture(autouse=True, scope="module")
def plugin() -> Iterator[None]:
    COMBINERS.add(PLUGIN)
    rebuild_sections()
    try:
        yield
    finally:
        COMBINERS.remove(PLUGIN.name)
        rebuild_sections()


def anchors_for(labels: WeakLabels, rng: np.random.Generator) -> Anchors:
    gold = rng.integers(labels.n_classes, size=200)
    accuracy = np.linspace(0.8, 0.4, len(labels.sources))
    votes = textbook.one_coin_votes(rng, gold, accuracy, labels.n_classes, coverage=0.7)
    return Anchors(textbook.elsewhere(textbook.hard_labels(votes, labels.n_classes)), gold)


def named(section: CombinerSection) -> str:
    changed = [f"{key}={value}" for key, value in section.model_dump(exclude_defaults=True).items() if key != "type"]
    return " ".join([section.type, *changed])


@pytest.mark.parametrize(
    ("section", "classes"),
    # A combiner that chooses among the others fits all of them in each check: two classes are enough for it.
    [(section, classes) for section in SECTIONS for classes in (2, 4) if classes == 2 or not chooses(section)],
    ids=str,
)
def test_soft_votes_with_abstentions(section: CombinerSection, classes: int) -> None:
    rng = np.random.default_rng(SEEDS[0])
    labels = textbook.soft_labels(rng, classes=classes)
    checks.check(section, labels, anchors_for(labels, rng), rng)


@pytest.mark.parametrize("section", SECTIONS, ids=named)
def test_hard_votes(section: CombinerSection) -> None:
    rng = np.random.default_rng(SEEDS[1])
    gold = rng.integers(3, size=80)
    labels = textbook.hard_labels(textbook.one_coin_votes(rng, gold, np.linspace(0.6, 0.9, 5), 3, 0.8), 3)
    checks.check(section, labels, anchors_for(labels, rng), rng)


@pytest.mark.parametrize("section", SECTIONS, ids=named)
def test_one_source_and_one_item(section: CombinerSection) -> None:
    labels = textbook.labels_of([[[0.001, 0.998, 0.001]]], ["s1"])
    anchors = anchors_for(labels, np.random.default_rng(0))
    known = Anchors(WeakLabels(anchors.labels.items, ("s1",), anchors.labels.probs), anchors.gold)
    targets = combine_labels(section, labels, known)
    assert targets.items == ["item0"]
    assert targets.probs[0, 1] >= targets.probs.max() - 1e-9  # evidence of a single item is the same for all classes


@pytest.mark.parametrize(("soft", "known"), [(True, 0), (False, 40)])
@pytest.mark.parametrize("section", SECTIONS, ids=named)
def test_a_study_and_combine_give_the_same_posterior(section: CombinerSection, known: int, soft: bool) -> None:
    rng = np.random.default_rng([SEEDS[2], known])
    gold = rng.integers(3, size=80)
    codes = textbook.one_coin_votes(rng, gold, np.linspace(0.55, 0.9, 5), 3, 0.7)
    labels = textbook.hard_labels(codes, 3)
    if soft:
        labels.probs[:] = labels.probs * 0.8 + labels.voted[:, :, None] * 0.2 / 3
    # Anchors have votes; a table's gold of an item without votes counts for the class balance only.
    is_anchor = (np.arange(80) < known) & labels.voted.any(axis=1)
    table = checks.table_of(labels, np.where(is_anchor, gold, -1))
    if section.needs_gold and not known:
        with pytest.raises(ConfigError, match="gold"):
            checks.check_a_study_and_combine_agree(section, table)
    else:
        checks.check_a_study_and_combine_agree(section, table)


def test_a_plug_in_is_known_everywhere_after_a_rebuild() -> None:
    assert "added_votes" in fit_names()
    assert "added_votes" in vote_combiners()
    method = Method.model_validate({"name": "row", "combine": {"type": "added_votes", "power": 2}})
    assert method.combine == AddedVotes(type="added_votes", power=2)
    table = checks.table_of(textbook.hard_labels([[0, 0, 1], [1, 1, 0], [0, -1, 0]], 2), np.full(3, -1))
    combined = outgrow.combine(table, "added_votes", calibrate=False)
    np.testing.assert_allclose(combined.posterior[0], [3 / 5, 2 / 5])
    with pytest.raises(ConfigError, match="added_votes"):
        outgrow.combine(table, "added_vote")


def test_short_names_stand_for_options() -> None:
    section = section_named("dawid_skene_counted", smoothing=2.0)
    assert (section.type, section.reads_silence, short_name(section)) == ("dawid_skene", True, "dawid_skene_counted")
    assert short_name(section_named("dawid_skene")) == "dawid_skene"
    assert section_named("single: a b").only_source == "a b"
    with pytest.raises(ConfigError, match="did you mean `glad`"):
        section_named("glade")
    with pytest.raises(ConfigError, match="`keep_all`"):
        fit_by(section_named("keep_all"))


def test_records_are_named_as_their_constants() -> None:
    """Identities of steps follow a record by its constant in capitals."""
    for name, record in COMBINERS.items():
        assert record is PLUGIN or getattr(outgrow.combiners, name.upper()) is record
        assert record.paper or record is PLUGIN
        assert record.summary.endswith(".")


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ConfigError, match="`vote`"):
        COMBINERS.add(replace(COMBINERS["vote"]))


@pytest.mark.parametrize("section", [section for section in SECTIONS if not section.uses_gold], ids=named)
def test_gold_changes_no_target_of_a_section_that_uses_none(section: CombinerSection) -> None:
    rng = np.random.default_rng(SEEDS[0])
    labels = textbook.soft_labels(rng, classes=3)
    anchors = anchors_for(labels, rng)
    wrong = replace(anchors, gold=(anchors.gold + 1) % 3)
    textbook.assert_same_targets(combine_labels(section, labels, anchors), combine_labels(section, labels, wrong), 0)
