"""The trust report as HTML, Markdown and text: hostile names, cuts, and the page in a real browser."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from drawn_seeds import SEEDS
from outgrow.trust_report import trust
from outgrow.trust_report.trust_page import trust_html
from outgrow.trust_report.trust_tables import trust_tables
from outgrow.trust_report.trust_text import facts, trust_markdown, trust_text
from outgrow.vote_table import VoteTable
from real_browser import IF_INSTALLED, real_browser, resize

HOSTILE = (
    '<script>alert("x")</script>',
    "a|b `c` *d* [e](f) $g$",
    "=1+1\x1b[31m é",
    "a_name_without_any_space_that_somebody_gave_to_a_worker_of_theirs_and_that_fits_nowhere",
    "{{ 7 * 7 }} {% raw %}",
)


def table_of(seed=SEEDS[0], items=120, sources=HOSTILE, classes=("<b>no</b>", "y|es", "\n\tmaybe"), costs=True):
    rng = np.random.default_rng(seed)
    truth, shape = rng.integers(len(classes), size=items), (items, len(sources))
    codes = np.where(rng.random(shape) < 0.7, truth[:, None], rng.integers(len(classes), size=shape))
    item, source = np.nonzero(rng.random(shape) < 0.9)
    cost = rng.exponential(5, len(item)) if costs else None
    names = [f"<img src=x onerror=alert({number})>|{number}" for number in range(items)]
    gold = np.where(rng.random(items) < 0.4, truth, -1)
    return VoteTable(
        names, sources, classes, item, source, codes[item, source], seconds=cost, price=cost, gold=gold, notes=("<i>",)
    )


@pytest.fixture(scope="module")
def found():
    return trust(table_of(), combiners=("one_coin", "dawid_skene", "vote"), n_next=10)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]


def test_the_page_is_whole_and_nothing_in_it_is_a_name(found):
    page = trust_html(found, HOSTILE[0])
    tags = Tags()
    tags.feed(page)
    assert not {"script", "img", "b", "i"} & set(tags.seen)
    assert not any(name.startswith("on") for _, name, _ in tags.attributes)
    outside = [value for _, name, value in tags.attributes if name in ("href", "src") and not value.startswith("#")]
    assert set(outside) <= {"data:,"}
    scopes = [tag for tag, name, _ in tags.attributes if name == "scope"]
    assert len(scopes) == tags.seen.count("th")
    described = sum(tag == "svg" and name == "aria-label" for tag, name, _ in tags.attributes)
    assert described == tags.seen.count("svg") == 3
    assert "{{ 7 * 7 }}" in page
    for table in trust_tables(found):
        assert f'id="table-{table.name}"' in page
    assert page == trust_html(found, HOSTILE[0])


def test_markdown_keeps_its_columns(found):
    text = trust_markdown(found, HOSTILE[1])
    assert "<script" not in text
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1
    assert text.startswith(r"# a\|b \`c\` \*d\* \[e\](f) \$g\$: can")
    assert found.summary.headline[:20] in text


def test_text_for_a_terminal_cannot_steer_it(found):
    text = trust_text(found)
    assert all(letter == "\n" or letter.isprintable() for letter in text)
    assert text.splitlines()[0] == found.summary.headline
    assert max(map(len, text.split("The sources")[1].splitlines())) < 200


def test_thousands_of_sources_are_cut_and_json_has_all():
    table = table_of(items=400, sources=tuple(f"s{number}" for number in range(300)), classes=("a", "b"), costs=False)
    few = np.random.default_rng(SEEDS[0]).random(table.n_votes) < 0.03
    thin = VoteTable(
        table.items,
        table.sources,
        table.classes,
        table.item[few],
        table.source[few],
        table.label[few],
        gold=table.gold,
    )
    found = trust(thin, combiners=("one_coin", "vote"))
    assert len(found.sources) == 300
    tables = {one.name: one for one in trust_tables(found)}
    assert len(tables["sources"].lines) == 24
    assert "24 of 300 sources" in tables["sources"].caption
    assert len(tables["pairs"].lines) == 40
    assert "the 100 sources with most votes" in " ".join(found.notes)
    assert len(trust_html(found)) < 1_000_000


def test_letters_that_the_font_lacks_are_drawn_by_the_reader():
    found = trust(table_of(sources=("名前", "🙂", "s"), classes=("はい", "no")), combiners=("vote",))
    assert trust_html(found).count("🙂") > 5


@pytest.mark.parametrize("n_sources", [1, 2])
def test_few_sources_have_a_page(n_sources):
    table = table_of(sources=tuple(HOSTILE[:n_sources]))
    blind = VoteTable(table.items, table.sources, table.classes, table.item, table.source, table.label)
    found = trust(blind, combiners=("vote",))
    for text in (trust_html(found), trust_markdown(found), trust_text(found)):
        assert "nothing" in text or "not who is right" in text
    assert facts(found.counts)[1] == f"{n_sources} source{'s' if n_sources > 1 else ''}"


@IF_INSTALLED
@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_a_desk_and_a_telephone(found, tmp_path, width):
    path = tmp_path / "trust.html"
    path.write_text(trust_html(found, "a_very_long_name_of_a_table_of_votes_without_any_space_in_it.csv"))
    with real_browser() as driver:
        resize(driver, width)
        driver.get(path.as_uri())
        driver.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
        over, wide, outside, shown = driver.execute_script(
            """const root = document.documentElement;
               const wide = [...document.querySelectorAll('body *')].filter(one =>
                 !one.closest('svg, .scroll, .plot, pre') && one.clientWidth > 0
                 && one.scrollWidth > one.clientWidth + 1)
                 .map(one => one.outerHTML.slice(0, 80));
               const outside = [];
               const shown = [...document.querySelectorAll('figure svg')].filter(one => one.checkVisibility());
               for (const svg of shown) {
                 const frame = svg.getBoundingClientRect();
                 for (const text of svg.querySelectorAll('text')) {
                   const box = text.getBoundingClientRect();
                   if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
                       || box.bottom > frame.bottom + 1) outside.push(text.textContent);
                 }
               }
               return [root.scrollWidth - root.clientWidth, wide, outside, shown.length]"""
        )
        assert driver.get_log("browser") == []
    assert over == 0
    assert wide == []
    assert outside == []
    assert shown == 3
