"""The page in a real browser, at the width of a desk and of a telephone."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from simulated_selections import METHODS, TASK, simulate_selections

from outgrow.reporting.collect import report_files, write_report
from outgrow.reporting.results import Results
from real_browser import NEEDED, real_browser, resize

pytestmark = NEEDED
WIDTHS = [1280, 390]


LONG = "a_name_without_any_space_that_somebody_gave_to_a_method_of_theirs <b>&</b>"


VOTES = {
    *("plot-study", "plot-pgr", "plot-agreement", "plot-error_copying", "plot-reliability"),
    *("table-main", "table-missing", "table-supervisors", "table-calibration", "table-times", "table-versions"),
}
TEXTS = {
    *("plot-study", "plot-pgr", "plot-slot_types", "plot-agreement"),
    *("table-main", "table-missing", "table-supervisors", "table-texts", "table-slot_types", "table-per_seed"),
}


SELECTED = {
    *("plot-study", "plot-agreement", "plot-transfer", "plot-curve_noise", "plot-curve_share", "plot-labels"),
    *("plot-selections", "plot-cloud", "plot-reward_models", "plot-consistency"),
    *("table-main", "table-selections", "table-selections_by_capability", "table-labels", "table-transfer"),
}


class Page(NamedTuple):
    """A page, and the ids of plots and tables that must be on it."""

    path: Path
    ids: set[str]


@pytest.fixture(scope="module", params=["votes", "votes, long names", "texts", "selections", "examples"])
def page(
    request: pytest.FixtureRequest,
    simulated: Any,
    results: Results,
    report_folder: Path,
    text_report_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Page:
    """The report as it is and with names that fit nowhere, of texts, and its examples."""
    if request.param == "texts":
        return Page(text_report_folder / "report.html", TEXTS)
    if request.param == "examples":
        return Page(text_report_folder / "examples.html", set())
    if request.param == "selections":
        return Page(selected_report(tmp_path_factory.mktemp("selected")) / "report.html", SELECTED)
    if request.param == "votes":
        return Page(report_folder / "report.html", VOTES)
    rows = tuple(
        replace(row, name=f"{LONG} {row.name}", method=f"{LONG} {row.method}") if row.role == "method" else row
        for row in results.rows
    )
    about = replace(results.about, name=LONG, student=LONG, notes=(LONG,))
    missing = tuple(replace(one, row=LONG, reason=LONG * 5) for one in results.missing)
    changed = replace(results, rows=rows, about=about, missing=missing)
    files = report_files(simulated.study, simulated.store, simulated.outcomes, changed)
    path = report_folder.parent / "long-names.html"
    path.write_text(files["report.html"])
    return Page(path, VOTES)


def selected_report(folder: Path) -> Path:
    """A mixture with every selection; its capabilities and one method have names that fit nowhere."""
    task = {**TASK, "capabilities": {f"{'capable_of_' * 6}{name}": one for name, one in TASK["capabilities"].items()}}
    methods = [{"preset": "naive", "name": LONG, "noise": 0.5}, *METHODS]
    world = simulate_selections(folder / "store", 1, task=task, methods=methods)
    write_report(world.study, world.store, world.outcomes, folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with real_browser() as driver:
        yield driver


@pytest.fixture(params=WIDTHS)
def opened(request: pytest.FixtureRequest, browser: Any, page: Page) -> Any:
    """The page at one width, with everything that folds unfolded."""
    resize(browser, request.param)
    browser.get_log("performance")
    browser.get(page.path.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    return browser


def test_plots_and_tables_are_visible(opened: Any, page: Page) -> None:
    sizes = opened.execute_script(
        """return [...document.querySelectorAll('figure, table')].map(one => {
             const shown = one.matches('table') ? one
               : [...one.querySelectorAll('svg')].find(svg => svg.checkVisibility());
             const box = shown ? shown.getBoundingClientRect() : {width: 0, height: 0};
             return [one.id, box.width, box.height, shown ? shown.checkVisibility() : false]})"""
    )
    names = {name for name, *_ in sizes}
    assert page.ids <= names
    for name, width, height, visible in sizes:
        assert visible, name
        assert width > 100, name
        assert height > 40, name


def test_each_plot_is_drawn_once(opened: Any, page: Page) -> None:
    drawn = opened.execute_script(
        """return Object.fromEntries([...document.querySelectorAll('figure')].map(one =>
             [one.id, [...one.querySelectorAll('svg')].filter(svg => svg.checkVisibility()).length]))"""
    )
    assert set(drawn) >= {name for name in page.ids if name.startswith("plot-")}
    assert set(drawn.values()) <= {1}, drawn


def test_nothing_overflows(opened: Any) -> None:
    assert (
        opened.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
        == 0
    )
    wide = opened.execute_script(
        """return [...document.querySelectorAll('body *')].filter(one =>
             !one.closest('svg, .scroll, .plot, pre') && one.clientWidth > 0
                     && one.scrollWidth > one.clientWidth + 1)
             .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert wide == []


def test_no_text_leaves_its_cell(opened: Any) -> None:
    wide = opened.execute_script(
        """return [...document.querySelectorAll('th, td')].filter(one => one.scrollWidth > one.clientWidth + 1)
             .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert wide == []


def test_no_text_leaves_its_drawing_and_is_large_enough(opened: Any) -> None:
    outside, small = opened.execute_script(
        """const outside = [], small = [];
           for (const svg of document.querySelectorAll('figure svg')) {
             if (!svg.checkVisibility()) continue;
             const frame = svg.getBoundingClientRect();
             for (const text of svg.querySelectorAll('text')) {
               const box = text.getBoundingClientRect();
               if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1
                   || box.bottom > frame.bottom + 1) outside.push(text.textContent);
               if (box.height < 9) small.push(text.textContent);
             }
           }
           return [outside, small]"""
    )
    assert outside == []
    assert small == []


def test_first_column_stays_when_a_table_scrolls(opened: Any, page: Page) -> None:
    if not page.ids:
        pytest.skip("the examples hold no table")
    moved = opened.execute_script(
        """const wide = one => one.scrollWidth > one.clientWidth;
           const boxes = [...document.querySelectorAll('.scroll')].filter(one => one.querySelector('tbody th'));
           const box = boxes.find(wide) || boxes[0];
           const cell = box.querySelector('tbody tr:not(.section) th');
           const before = cell.getBoundingClientRect().left;
           box.scrollLeft = 200;
           return [box.scrollLeft, cell.getBoundingClientRect().left - before]"""
    )
    assert abs(moved[1]) <= 1


def test_the_chosen_settings_fit_on_a_wide_page_with_more_columns(opened: Any) -> None:
    """Nine settings and the criterion."""
    if opened.execute_script("return innerWidth") < 1200:
        pytest.skip("a narrow page shows wide tables row by row")
    if not opened.execute_script("return document.getElementById('table-chosen') !== null"):
        pytest.skip("no student of this page has chosen settings")
    scrolled, shown = opened.execute_script(
        """const table = document.getElementById('table-chosen');
           const box = table.closest('.scroll') || table.querySelector('.scroll');
           for (const row of box.querySelectorAll('tr')) {
             const cell = row.cells[1];
             for (let more = row.cells.length; more < 11; more++) cell.after(cell.cloneNode(true));
           }
           return [box.scrollWidth, box.clientWidth]"""
    )
    assert scrolled <= shown + 1


def test_on_a_telephone_no_table_scrolls_sideways_and_every_cell_has_its_title(opened: Any) -> None:
    if opened.execute_script("return innerWidth") > 500:
        return
    wide, untitled = opened.execute_script(
        """return [
             [...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth + 1)
               .map(one => one.getAttribute('aria-label')),
             [...document.querySelectorAll('.wide td.number')].filter(one => one.textContent && !one.dataset.title)
               .map(one => one.outerHTML.slice(0, 80))]"""
    )
    assert wide == []
    assert untitled == []


def test_no_errors_and_no_requests(opened: Any, page: Page) -> None:
    assert opened.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert {url for url in asked if not url.startswith("data:")} <= {page.path.as_uri()}


def test_examples_are_readable(opened: Any, page: Page) -> None:
    """Every piece is large enough and stands on the colour of its class; a prompt that is too long scrolls."""
    if not page.path.name.startswith("examples"):
        assert opened.execute_script("return document.querySelectorAll('article').length") == 0
        return
    pieces = opened.execute_script(
        """return [...document.querySelectorAll('.text span')].map(one => [one.className,
             getComputedStyle(one).backgroundColor, parseFloat(getComputedStyle(one).fontSize), one.textContent])"""
    )
    assert len(pieces) > 200
    colours: dict[str, set[str]] = {}
    for name, colour, size, text in pieces:
        assert size >= (11 if text in ("end", "cut off") else 13)
        colours.setdefault(name.split()[-1], set()).add(colour)
    tenths = {name: found for name, found in colours.items() if name.startswith("p")}
    assert all(len(found) == 1 for found in tenths.values())
    assert len(set.union(*tenths.values())) == len(tenths) >= 8
