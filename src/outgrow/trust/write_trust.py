"""The trust report as a file: a page, Markdown or JSON, by the suffix."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from outgrow.errors import ConfigError, DataError
from outgrow.reporting.report_folder import write_file
from outgrow.trust.trust_page import trust_html
from outgrow.trust.trust_report import Trust
from outgrow.trust.trust_text import trust_markdown

FORMATS: Mapping[str, Callable[[Trust, str], str]] = {
    ".html": trust_html,
    ".md": trust_markdown,
    ".json": lambda found, title: json.dumps(asdict(found), ensure_ascii=False, indent=1),
}


def write_trust(found: Trust, path: Path, *, title: str = "Votes") -> None:
    """Write it whole or not at all. Raises `ConfigError` for another suffix, `DataError` where that cannot be done."""
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"{path}: a trust report is {', '.join(FORMATS)}; name a file that ends so")
    text = FORMATS[path.suffix.lower()](found, title)
    try:
        write_file(path, text)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error
