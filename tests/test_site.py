"""The site: built by zensical, it says what the Markdown says, no link is broken, and no page needs another host."""

import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from markdown_it import MarkdownIt

from small_study import outgrow as command

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
ELEMENTS = ("li", "ol", "ul", "table", "tr", "td", "th", "pre", "h2", "h3", "strong", "em", "img")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site, whose links the builder has looked up."""
    if find_spec("zensical") is None:
        pytest.skip("zensical is not installed: `pip install -c constraints.txt 'outgrow[docs]'`")
    folder = tmp_path_factory.mktemp("docs")
    made = subprocess.run([sys.executable, DOCS / "build_site.py", folder], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return folder / "site"


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return import_module("build_site")


def counts(html: str) -> dict[str, int]:
    return {name: len(re.findall(rf"<{name}[ >]", html)) for name in ELEMENTS}


def test_every_page_is_there_and_has_the_elements_of_its_markdown(site: Path) -> None:
    """A second implementation of Markdown counts lists, tables, code and headings."""
    reader = MarkdownIt("commonmark").enable("table")
    pages = sorted(site.rglob("*.md"))
    assert {page.name for page in pages} >= {"index.md", "SKILL.md", *(path.name for path in DOCS.glob("*.md"))}
    for page in pages:
        text = re.sub(r"\A---\n.*?\n---\n", "", page.read_text(), flags=re.DOTALL)
        html = page.with_suffix(".html").read_text()
        article = html[html.index("<article") : html.index("</article>")]
        assert counts(article) == counts(reader.render(text)), page.name
        assert sum(counts(article).values()) > 0, page.name


def test_a_broken_link_and_a_broken_anchor_are_found(builder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="here"><a href="b.html#there">1</a> <a href="#here">2</a> <a href="c.html">3</a> <a href="#gone">4</a>'
        '<img src="d.svg"> <a href="https://example.org/gone">5</a> <a href="sub/">6</a></p>'
    )
    (tmp_path / "b.html").write_text('<h2 id="elsewhere">x</h2>')
    found = set(builder.broken_links(tmp_path))
    assert found == {"a.html: b.html#there", "a.html: c.html", "a.html: #gone", "a.html: d.svg", "a.html: sub/"}


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?(\S+)", page.read_text())
        loaded += re.findall(r"<link[^>]*\shref=\"?(\S+)", page.read_text())
        assert loaded
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page.name


def test_the_table_of_contents_has_every_page_under_its_title(builder: ModuleType) -> None:
    listed = {file: title for pages in builder.contents().values() for title, file in pages.items()}
    assert set(listed) == {path.name for path in DOCS.glob("*.md")}
    for file, title in listed.items():
        assert (DOCS / file).read_text().startswith(f"# {title}"), file


def test_the_command_lists_and_prints_the_pages(tmp_path: Path) -> None:
    listed = command(tmp_path, "docs", "ls").stdout
    assert all(path.stem in listed for path in DOCS.glob("*.md"))
    assert command(tmp_path, "docs", "show", "tour").stdout.strip() == (DOCS / "tour.md").read_text().strip()
    refused = command(tmp_path, "docs", "show", "tuor")
    assert refused.returncode == 2
    assert "`tour`" in refused.stderr


def test_the_skill_says_what_it_is_for(tmp_path: Path) -> None:
    assert command(tmp_path, "docs", "skill", "skills").returncode == 0
    text = (tmp_path / "skills" / "outgrow" / "SKILL.md").read_text()
    about = yaml.safe_load(text.split("---\n")[1])
    assert about["name"] == "outgrow"
    assert 50 < len(about["description"]) < 1024
