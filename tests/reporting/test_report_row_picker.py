"""Two rows are picked on the page in a real browser, and the sentence is what `outgrow.compare` gives."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from outgrow.metrics.estimate import Estimate, show
from outgrow.reporting.collect import report_files
from outgrow.reporting.compare import RowOfFrame, compare_rows
from outgrow.reporting.frame import Frame, make_frame
from outgrow.reporting.results import Results
from outgrow.reporting.row_picker import make_picker
from outgrow.reporting.topics.pairs import PAIRS, RowPair, RowPairs
from outgrow.reporting.topics.supervisors import MEAN_VOTE
from real_browser import NEEDED, real_browser, resize

pytestmark = NEEDED
HOSTILE = '<script>alert("x")</script> & "quoted" ' + "without_any_space_" * 12
SENTENCE = "return document.getElementById('picked').textContent"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with real_browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def frame(simulated: Any) -> Frame:
    return make_frame(simulated.study, simulated.store, simulated.outcomes)


def sentence(first: str, second: str, found: Estimate, note: str = "") -> str:
    more = f"; {note}" if note else ""
    return f"{first} minus {second}: {show(found, signed=True)} (n = {found.n}, {found.seeds} seeds{more})"


def pick(browser: Any, first: str, second: str) -> str:
    """Choose both rows and read what the page says."""
    from selenium.webdriver.support.select import Select

    for place, name in (("pick-first", first), ("pick-second", second)):
        Select(browser.find_element("id", place)).select_by_value(name)
    return str(browser.execute_script(SENTENCE))


def test_two_picked_rows_are_those_of_compare(browser: Any, report_folder: Path, frame: Frame) -> None:
    browser.get((report_folder / "report.html").as_uri())
    pairs = [("naive", "ceiling"), ("ceiling", "naive"), ("naive", MEAN_VOTE), (MEAN_VOTE, "words")]
    for first, second in pairs:
        found = compare_rows(RowOfFrame(frame, first), RowOfFrame(frame, second))
        assert pick(browser, first, second) == sentence(first, second, found)
    fewer = compare_rows(RowOfFrame(frame, "vote"), RowOfFrame(frame, "naive"))
    assert pick(browser, "vote", "naive") == sentence("vote", "naive", fewer, "2 of 3 seeds")
    assert "different" in pick(browser, "naive", "naive")


def test_two_picked_rows_of_texts(browser: Any, text_report_folder: Path, text_results: Results) -> None:
    browser.get((text_report_folder / "report.html").as_uri())
    pair = next(one for one in PAIRS.of(text_results).pairs if (one.first, one.second) == ("ceiling", "naive"))
    assert pick(browser, "ceiling", "naive") == sentence("ceiling", "naive", pair.difference)


def test_at_first_it_is_the_headline_minus_naive_or_the_mean_vote(
    browser: Any, report_folder: Path, results: Results
) -> None:
    browser.get((report_folder / "report.html").as_uri())
    assert results.headline == results.plain_naive
    assert browser.execute_script(SENTENCE).startswith(f"naive minus {MEAN_VOTE}: ")
    other = replace(results, about=replace(results.about, headline="vote"))
    picker = make_picker(other)
    assert picker is not None
    assert (picker.first, picker.second) == ("vote", "naive")


def test_it_works_with_the_keyboard_and_is_announced(browser: Any, report_folder: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.get((report_folder / "report.html").as_uri())
    pick(browser, "words", "ceiling")
    before = browser.execute_script(SENTENCE)
    browser.find_element("id", "pick-first").send_keys(Keys.ARROW_DOWN)
    assert browser.execute_script(SENTENCE) != before
    browser.find_element("id", "pick-first").send_keys(Keys.TAB)
    assert browser.execute_script("return document.activeElement.id") == "pick-second"
    names = browser.execute_script(
        "return [...document.querySelectorAll('#pick-rows select')].map(one => one.labels[0].textContent)"
    )
    assert names == ["row", "minus"]
    assert browser.find_element("id", "picked").get_attribute("aria-live") == "polite"
    assert browser.find_element("id", "picked").aria_role == "status"


def test_without_javascript_the_page_points_to_the_table(browser: Any, report_folder: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((report_folder / "report.html").as_uri())
        assert not browser.find_element("id", "pick-rows").is_displayed()
        assert "table below" in browser.find_element("css selector", "noscript p").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.fixture(scope="module")
def hostile_page(simulated: Any, results: Results, report_folder: Path) -> Path:
    """The report with a long name that is markup."""
    found = PAIRS.of(results)

    def renamed(name: str) -> str:
        return HOSTILE if name == "naive" else name

    pairs = tuple(RowPair(renamed(one.first), renamed(one.second), one.difference) for one in found.pairs)
    changed = replace(results, topics={**results.topics, "pairs": RowPairs(tuple(map(renamed, found.rows)), pairs)})
    path = report_folder.parent / "hostile-names.html"
    path.write_text(report_files(simulated.study, simulated.store, simulated.outcomes, changed)["report.html"])
    return path


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_long_names_fit_and_are_readable(browser: Any, hostile_page: Path, width: int, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    resize(browser, width)
    browser.get_log("browser")
    browser.get(hostile_page.as_uri())
    assert pick(browser, HOSTILE, "ceiling").startswith(f"{HOSTILE} minus ceiling: ")
    over, boxes, colours = browser.execute_script(
        """const page = document.documentElement, pick = document.getElementById('pick-rows');
           const right = pick.getBoundingClientRect().right;
           return [page.scrollWidth - page.clientWidth,
             [...pick.querySelectorAll('select, output')].map(one => {
               const box = one.getBoundingClientRect(); return [right - box.right, box.height]}),
             [...pick.querySelectorAll('select')].map(one => [getComputedStyle(one).color,
               getComputedStyle(one).backgroundColor])]"""
    )
    assert over == 0
    assert all(inside >= -1 and height >= 24 for inside, height in boxes)
    assert {tuple(pair) for pair in colours} == {("rgb(28, 36, 48)", "rgb(255, 255, 255)")}
    assert browser.get_log("browser") == []
