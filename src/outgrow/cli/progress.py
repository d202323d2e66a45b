"""Progress of a run: bars on a terminal, lines in a file or pipe."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from outgrow.graph.runner import Event
from outgrow.text_format import harmless

EVERY_SECONDS = 10.0
"""Seconds between two lines about a long step."""


class Lines:
    """One line per finished step, and repeated lines for a long step."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.last = time.monotonic()

    def __enter__(self) -> "Lines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        return None

    def section(self, name: str) -> None:
        """A further study begins."""
        self.console.print(f"── {harmless(name)}", markup=False, highlight=False)

    def __call__(self, event: Event) -> None:
        if event.kind in ("cached", "skipped"):
            return  # skipped steps are counted at the end
        now = time.monotonic()
        if event.kind in ("progress", "started"):
            if now - self.last < EVERY_SECONDS:
                return
            self.last = now
        self.console.print(sentence(event), markup=False, highlight=False, soft_wrap=True)


class Bars:
    """One bar for the study, and one for each running step."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=28), TimeElapsedColumn())
        self.progress = Progress(*columns, console=console, transient=True)
        self.study: TaskID | None = None
        self.steps: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self.progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.progress.__exit__(kind, error, at)

    def section(self, name: str) -> None:
        """A further study begins."""
        self.progress.console.print(f"── {harmless(name)}", markup=False, highlight=False)
        if self.study is not None:
            self.progress.remove_task(self.study)
            self.study = None

    def __call__(self, event: Event) -> None:
        if self.study is None:
            self.study = self.progress.add_task("study", total=event.total)
        self.progress.update(self.study, completed=event.done, description=f"{event.done} of {event.total} steps")
        key = event.step.identity
        if event.kind == "started":
            self.steps[key] = self.progress.add_task(title(event), total=1.0)
        elif event.kind == "progress" and key in self.steps:
            description = f"{title(event)}: {event.message}" if event.message else title(event)
            self.progress.update(self.steps[key], completed=event.share, description=harmless(description[:72]))
        elif event.kind in ("finished", "failed") and key in self.steps:
            self.progress.remove_task(self.steps.pop(key))
        if event.kind in ("failed", "damaged", "waiting", "changed"):
            self.progress.console.print(sentence(event), markup=False, highlight=False)


class Quiet(Lines):
    """Warnings only."""

    def section(self, name: str) -> None:
        return None

    def __call__(self, event: Event) -> None:
        if event.kind == "damaged":
            super().__call__(event)


def display(console: Console, quiet: bool) -> Lines | Bars:
    """The display for a terminal, a file, or `--quiet`."""
    if quiet:
        return Quiet(console)
    return Bars(console) if console.is_terminal else Lines(console)


@contextmanager
def waiting(console: Console, doing: str, every: float = EVERY_SECONDS) -> Iterator[None]:
    """Tells that work goes on, and for how long: a line that is renewed on a terminal, else one every some seconds."""
    if console.is_terminal:
        columns = (TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(doing, total=None)
            yield
        return
    start, done = time.monotonic(), threading.Event()

    def tell() -> None:
        while not done.wait(every):
            console.print(f"{doing}: {time.monotonic() - start:.0f} s", markup=False, highlight=False, soft_wrap=True)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def title(event: Event) -> str:
    """`student naive, seed 0`"""
    return harmless(f"{event.step.name} {event.step.label}".strip())


def sentence(event: Event) -> str:
    """One event as one line."""
    return harmless(_line(event))


def _line(event: Event) -> str:
    if event.kind == "changed":
        return event.message
    head = f"[{event.done}/{event.total}] {title(event)}"
    if event.kind == "finished":
        return f"{head}  {event.seconds:.1f} s"
    if event.kind in ("started", "progress"):
        return f"{head}: {event.message or event.kind} ({event.share:.0%})"
    return f"{head}: {event.kind}{': ' + event.message if event.message else ''}"
