"""Build the site from README.md, docs/ and the guides for contributors: `python docs/build_site.py [FOLDER]`.

The pages are copied to FOLDER/pages (by default build/docs/pages) with their links made to fit, zensical
renders them to FOLDER/site, and every link, anchor and picture of the result is looked up. `llms.txt` is the table
of contents of both the site and of agents; the Markdown of every page lies beside its HTML.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
GUIDES = ("CONTRIBUTING.md", "AGENTS.md", "CHANGELOG.md", "SECURITY.md")
"""Pages of the root, beside README.md, which is the first page."""
HOME, MORE = "index.md", "Contribute"
FROM_ELSEWHERE = ("http", "https", "mailto", "data")


def build(folder: Path) -> Path:
    """Write the pages and the site below `folder`; returns the site. Raises `SystemExit` with what is wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    stage(folder / "pages")
    settings = (DOCS / "zensical.toml").read_text()
    (folder / "zensical.toml").write_text(settings.replace("[project]\n", f"[project]\nnav = {navigation()}\n", 1))
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", "zensical.toml"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(f"zensical failed:\n{made.stdout}{made.stderr}")
    site = folder / "site"
    for path in (folder / "pages").rglob("*.md"):
        shutil.copyfile(path, site / path.relative_to(folder / "pages"))
    if broken := list(broken_links(site)):
        raise SystemExit("links of the site that lead nowhere:\n" + "\n".join(broken))
    return site


# ---- the pages ---------------------------------------------------------------------------------------------


def stage(pages: Path) -> None:
    """Copy what the site shows to one folder."""
    shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("*.py", "*.toml", "__pycache__"))
    for path in pages.rglob("*.md"):
        path.write_text(path.read_text().replace("](../", "]("))
    for name in ("README.md", *GUIDES):
        text = (ROOT / name).read_text().replace("](docs/", "](")
        (pages / (HOME if name == "README.md" else name)).write_text(text)


def navigation() -> str:
    """The pages by section as a TOML list, from the headings and links of `llms.txt`."""
    sections: dict[str, list[dict[str, str]]] = {"Start": [{"outgrow": HOME}]}
    for title, pages in contents().items():
        sections.setdefault(title, []).extend({name: file} for name, file in pages.items())
    sections[MORE] = [{first_heading(ROOT / name): name} for name in GUIDES]
    sections[MORE].append({"The skill for coding agents": "skill/SKILL.md"})
    return "[" + ", ".join(f"{{ {json.dumps(title)} = [{inline(pages)}] }}" for title, pages in sections.items()) + "]"


def contents() -> dict[str, dict[str, str]]:
    """Of every section of `llms.txt`, the files by their titles."""
    parts = re.split(r"^## (.+)$", (DOCS / "llms.txt").read_text(), flags=re.MULTILINE)
    return {
        title: dict(re.findall(r"^- \[(.+?)\]\((.+?)\)", text, re.MULTILINE))
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def inline(pages: list[dict[str, str]]) -> str:
    """TOML's inline tables."""
    return ", ".join(f"{{ {json.dumps(name)} = {json.dumps(file)} }}" for one in pages for name, file in one.items())


def first_heading(path: Path) -> str:
    """A page's title."""
    return path.read_text().partition("\n")[0].lstrip("# ")


# ---- the links ---------------------------------------------------------------------------------------------


class Links(HTMLParser):
    """What a page refers to, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the addresses and the name of an element."""
        given = {name: value for name, value in attrs if value}
        self.targets += [given[name] for name in ("href", "src") if name in given]
        self.anchors |= {given[name] for name in ("id", "name") if name in given}


def broken_links(site: Path) -> Iterator[str]:
    """`page: target` of links to files or anchors that are not there; those to other hosts are not followed."""
    found = {path: Links(path.read_text()) for path in site.rglob("*.html")}
    for page, links in found.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme in FROM_ELSEWHERE or page.name == "404.html":
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            path = path / "index.html" if path.is_dir() else path
            anchors = found[path].anchors if path in found else set()
            if not path.is_file() or (parts.fragment and unquote(parts.fragment) not in anchors):
                yield f"{page.relative_to(site)}: {target}"


if __name__ == "__main__":
    where = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs")
    print(f"{where}/index.html; for the search, `python -m http.server --directory {where}`")
