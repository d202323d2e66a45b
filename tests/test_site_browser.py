"""The site in a real browser, at the width of a desk and of a telephone, from a server on this machine."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from real_browser import NEEDED, real_browser, resize

pytestmark = NEEDED
BUILDER = Path(__file__).parents[1] / "docs" / "build_site.py"
WIDE = """return [document.documentElement.scrollWidth - innerWidth,
  [...document.querySelectorAll('article *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1
    && !one.closest('pre, .md-typeset__scrollwrap, svg')).map(one => one.outerHTML.slice(0, 80))]"""
SHADOWS = "[...document.querySelectorAll('*')].filter(one => one.shadowRoot).map(one => one.shadowRoot)"
FIELD = f"return {SHADOWS}.map(one => one.querySelector('input')).find(Boolean)"
FOUND = f"return {SHADOWS}.flatMap(one => [...one.querySelectorAll('a')]).map(one => [one.href, one.textContent])"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Site(NamedTuple):
    address: str
    pages: list[str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The built site on a port of this machine."""
    if find_spec("zensical") is None:
        pytest.skip("zensical is not installed: `pip install -c constraints.txt 'outgrow[docs]'`")
    folder = tmp_path_factory.mktemp("docs")
    made = subprocess.run([sys.executable, BUILDER, folder], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    root = folder / "site"
    pages = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.html")) if path.name != "404.html"]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(f"http://127.0.0.1:{server.server_port}/", pages)
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with real_browser() as driver:
        yield driver


@pytest.mark.parametrize("width", [1280, 400])
def test_no_page_scrolls_sideways_and_none_asks_another_host(site: Site, browser: Any, width: int) -> None:
    resize(browser, width)
    browser.get(f"{site.address}index.html")
    browser.get_log("performance")
    browser.get_log("browser")
    for page in site.pages:
        browser.get(site.address + page)
        over, wide = browser.execute_script(WIDE)
        assert over <= 0, page
        assert wide == [], page
    assert len(site.pages) > 20
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert len(asked) > len(site.pages)
    assert not [url for url in asked if not url.startswith((site.address, "data:", "blob:"))]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_search_finds_a_word_that_one_page_has(site: Site, browser: Any, width: int) -> None:
    resize(browser, width)
    browser.get(f"{site.address}index.html")
    assert waited(browser, "return document.querySelector('.md-search__button') !== null")
    browser.execute_script("document.querySelector('.md-search__button').click()")
    field = waited(browser, FIELD)
    field.send_keys("Toloka")
    found = waited(browser, FOUND)
    assert any("your-labels.html" in address and "Toloka" in text for address, text in found)
    assert not any("theory.html" in address for address, _ in found)


def waited(browser: Any, script: str) -> Any:
    """What the script returns as soon as that is something; the page works while it waits."""
    end = time.monotonic() + 20
    while not (found := browser.execute_script(script)) and time.monotonic() < end:
        time.sleep(0.05)
    assert found, script
    return found
