"""Real servers on this machine that do everything wrong that a server can, and clients that ask them.

An attack is a number of tries. In a try some fifty questions are asked, of an `Endpoint` or by the step of a
supervisor; every question draws a fault that passes, a reply that is odd for good, both or none. Every answer has to
be right, or refused and counted; nothing is bought again beyond what is allowed; the server's trouble is one
sentence, after which the same command goes on; the key is in no file and in no words; and all of it ends in time.
"""

import io
import logging
import os
import random
import shutil
import tempfile
import time
import traceback
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bad_replies import ANY, KEY, ODD, PASSING, REFUSED, RIGHT, TIMEOUT
from failure import Failure
from faulty_server import Course, FaultyServer, broken_text
from odd_tuning import tuned_oddly

from outgrow.config.endpoint import EndpointSection
from outgrow.data.task import Items, Split, Task
from outgrow.endpoints.chat_request import ChatRequest, Refusal
from outgrow.endpoints.client import Endpoint
from outgrow.endpoints.response import fewest_tokens
from outgrow.endpoints.response_cache import ResponseCache
from outgrow.endpoints.server import TRIES
from outgrow.errors import OutgrowError
from outgrow.generation.chat import single_turn
from outgrow.graph.step import Job
from outgrow.labels import WeakLabels
from outgrow.supervise.endpoint_step import ask_supervisor
from raw_server import Send, plain, running

VARIABLE = "OUTGROW_ATTACK_KEY"
PER_TRY = 50
PATIENCE = 60.0
"""Seconds after which a try has hung."""
LETTERS = "ABCD"


@dataclass
class Try:
    """Fifty questions to one server, and what was wrong with what came of them."""

    folder: Path
    seed: str
    wrong: list[str] = field(default_factory=list)
    said: io.StringIO = field(default_factory=io.StringIO)

    def courses(self, count: int) -> list[Course]:
        draw = random.Random(self.seed)
        return [
            Course(
                draw.choice(PASSING) if draw.random() < 0.25 else None,
                draw.choice([*ODD, broken_text]) if draw.random() < 0.6 else None,
                f"{self.seed}/{number}",
            )
            for number in range(count)
        ]

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)

    def section(self, url: str, **changes: Any) -> dict[str, Any]:
        named = {"type": "endpoint", "model": "tiny", "url": url, "key": VARIABLE, "timeout": TIMEOUT, "retries": 4}
        return EndpointSection.model_validate({**named, **changes}).model_dump(mode="json")

    def patiently(self, work: Callable[[], Any]) -> tuple[Any, str]:
        """What comes of it, and the sentence of its end; the time is looked at."""
        began = time.monotonic()
        try:
            return work(), ""
        except OutgrowError as error:
            self.said.write(f"{error}\n{''.join(traceback.format_exception(error))}")
            self.check("\n" not in str(error), f"no sentence: {error}")
            return None, str(error)
        finally:
            took = time.monotonic() - began
            self.check(took < PATIENCE, f"it took {took:.0f} s")

    def thrice(self, server: FaultyServer, work: Callable[[], Any]) -> list[Any]:
        """Asked, asked again after the server was mended, and once more: what came of each; nothing is lost."""
        unsure = {number for number, expected in server.foreseen() if expected == ANY}
        first, sentence = self.patiently(work)
        self.check(not sentence or bool(unsure), f"ended without need: {sentence}")
        before = Counter(server.asked)
        server.mended = True
        second, ended = self.patiently(work)
        self.check(not ended, f"the server was mended, but: {ended}")
        again = set(server.asked - before)
        self.check(again <= (unsure if sentence else set()), f"asked again: {sorted(again - unsure)}")
        before = Counter(server.asked)
        third, _ = self.patiently(work)
        self.check(server.asked == before, "asked a third time")
        for number, sold in server.sold.items():
            most = {RIGHT: 1, REFUSED: TRIES, ANY: 2 * TRIES}[server.expected[number]]
            self.check(sold <= most, f"{number} was sold {sold} times ({self.of(server, number)})")
        for strange in server.strange:
            self.wrong.append(f"the server saw: {strange}")
        return [found for found in (first, second, third) if found is not None]

    def of(self, server: FaultyServer, number: int) -> str:
        course = server.courses[number]
        return f"{getattr(course.passing, '__name__', '')} {getattr(course.odd, '__name__', '')} {course.draws}"

    # ---- kinds of tries -----------------------------------------------------------------------------------------

    def endpoint(self, count: int) -> None:
        """Free answers."""
        with running(FaultyServer(self.courses(count), lambda number: f"it is {number}, é")) as server:
            store = ResponseCache(self.folder / "answers.sqlite")
            far = Endpoint(self.section(server.url), store)
            fields = {"temperature": 0.0, "max_tokens": 16}
            questions = [ChatRequest(f"q{n}", single_turn(f"what is {n} ?"), fields) for n in range(count)]
            for found in self.thrice(server, lambda: far.ask(questions)):
                for number, answer in enumerate(found.answers):
                    text = "" if isinstance(answer, Refusal) else answer.choices[0].text
                    right = server.answer(number) == text
                    fits = {RIGHT: right, REFUSED: not text, ANY: True}[server.expected[number]]
                    self.check(fits, f"{self.of(server, number)}: {answer!r}"[:500])
                self.check(found.usage.read > 0 and found.usage.written > 0, f"usage {found.usage}")
            spent = store.spent(far.url, far.model)
            right = [number for number, expected in server.expected.items() if expected == RIGHT]
            least = sum(fewest_tokens(server.answer(number)) for number in right)
            self.check(spent.written >= least and spent.total < 10**10, f"on the bill: {spent}")
            store.close()

    def supervisor(self, count: int) -> None:
        """Votes of a step."""
        with running(FaultyServer(self.courses(count), lambda number: LETTERS[number % 4])) as server:
            for found in self.thrice(server, lambda: self.vote(server.url, count)):
                for number, row in enumerate(found):
                    right = row.tolist() == np.eye(4)[number % 4].tolist()
                    sane = not row.any() or (np.isfinite(row).all() and abs(row.sum() - 1) < 1e-6)
                    fits = {RIGHT: right, REFUSED: not row.any(), ANY: sane}[server.expected[number]]
                    self.check(bool(fits), f"{self.of(server, number)}: {row}")

    def vote(self, url: str, count: int) -> np.ndarray:
        """The step's votes, `[item, class]`, in the order of the questions."""
        out = Path(tempfile.mkdtemp(dir=self.folder))
        prompts = [f"what is {number} ?" for number in range(count)]
        options = [["none", "one", "some", "all"]] * count
        items = Items([f"i{n}" for n in range(count)], prompts, np.zeros(count, dtype=np.int64), options=options)
        for name in ("pool", "split", "out", "scratch"):
            (out / name).mkdir()
        Task("mine", "choose", tuple(LETTERS), items).save(out / "pool")
        parts = np.array_split(np.arange(count), 3)
        Split(*parts).save(out / "split")
        section = self.section(url, logprobs=True, system="what is {}")
        hints = {"endpoint": section, "answers": str(self.folder / "answers.sqlite")}
        job = Job(out / "out", {name: out / name for name in ("pool", "split")}, out / "scratch", hints)
        ask_supervisor(job, model=section, source="far")
        labels = [WeakLabels.load(out / "out" / f"{part}.parquet") for part in ("anchors", "half_b", "test")]
        return np.concatenate([one.probs[:, 0] for one in labels])

    def redirected(self, count: int) -> None:
        """The server sends its clients to another one, which is asked nothing."""
        draw = random.Random(self.seed)
        status = draw.choice([300, 301, 302, 303, 304, 305, 307, 308, 399])
        with running(FaultyServer(self.courses(1), str)) as other, running(FaultyServer([], str)) as server:
            place = draw.choice(
                [f"{other.url}/chat/completions", "/v1/elsewhere", "", "\x07http://[", f"http://{KEY}/"]
            )

            def elsewhere(send: Send, good: bytes) -> None:
                send(plain(status, b"", f"Location: {place}"))

            server.courses = [Course(elsewhere, None, "") for _ in range(count)]
            far = Endpoint(self.section(server.url), ResponseCache(self.folder / "answers.sqlite"))
            questions = [ChatRequest(f"q{n}", single_turn(f"what is {n} ?"), {"max_tokens": 16}) for n in range(count)]
            _, sentence = self.patiently(lambda: far.ask(questions))
            self.check(f"HTTP {status}" in sentence, f"redirected: {sentence!r}")
            self.check(place[:20] in sentence or KEY in place or "\x07" in place, f"not told where: {sentence}")
            self.check(not other.asked, "the questions went elsewhere")
            far.store.close()

    def lying(self, count: int) -> None:
        """Usage below what the texts need buys no more than the budget."""
        draw = random.Random(self.seed)
        lie = draw.choice([-1000, 0, -(2**70), None, "0", False, 0.0, [], {}])

        def odd(reply: dict[str, Any], draw: random.Random) -> str:
            reply["usage"] = {"prompt_tokens": lie, "completion_tokens": lie}
            return RIGHT

        courses = [Course(None, odd, f"{self.seed}/{number}") for number in range(6 * count)]
        with running(FaultyServer(courses, lambda number: f"it is {number}. " * 10)) as server:
            store = ResponseCache(self.folder / "answers.sqlite")
            far = Endpoint(self.section(server.url, budget={"tokens": 1000}), store)
            questions = [
                ChatRequest(f"q{n}", single_turn(f"what is {n} ?"), {"max_tokens": 60}) for n in range(6 * count)
            ]
            _, sentence = self.patiently(lambda: far.ask(questions))
            self.check("budget.tokens: 1000" in sentence, f"no budget: {sentence}")
            least = sum(fewest_tokens(server.answer(number)) for number in server.sold)
            self.check(least <= 1000 and store.spent(far.url, far.model).total <= 1000, f"{least} tokens bought")
            store.close()

    def bad_key(self, count: int) -> None:
        """A key that is no value of a header is not sent, and not repeated."""
        draw = random.Random(self.seed)
        bad = draw.choice(["\r", "\n", "\r\n", "\t", "\x7f", "é", "\x1b[0m", "\udcff"])
        spot = draw.choice([0, 9, len(KEY)])
        with running(FaultyServer(self.courses(count), str)) as server, environment(KEY[:spot] + bad + KEY[spot:]):
            store = ResponseCache(self.folder / "answers.sqlite")
            far = Endpoint(self.section(server.url), store)
            _, sentence = self.patiently(lambda: far.ask([ChatRequest("q0", single_turn("what is 0 ?"), {})]))
            self.check(VARIABLE in sentence and "nothing is sent" in sentence, f"a bad key: {sentence!r}")
            self.check(not server.asked, "a bad key was sent")
            store.close()

    def tuned(self, count: int) -> None:
        """A provider that tunes, whose replies about files, jobs and events are odd."""
        draw = random.Random(self.seed)
        for _ in range(count // 10):
            folder = Path(tempfile.mkdtemp(dir=self.folder))
            for sentence in tuned_oddly(folder, draw, self.section, self.patiently):
                self.wrong.append(sentence)

    def look_for_the_key(self) -> None:
        """In all that was written or said."""
        places = {
            str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        }
        places["what was said"] = self.said.getvalue().encode(errors="replace")
        pieces = {KEY[at : at + 8].lower().encode() for at in range(len(KEY) - 7)}
        pieces |= {KEY.encode().hex().encode()[:40], b64encode(f"Bearer {KEY}".encode()).lower()[12:40]}
        for name, content in places.items():
            low = content.lower()
            found = [piece.decode() for piece in pieces if piece in low]
            self.check(not found, f"{name}: {found[:3]}")


@contextmanager
def environment(key: str) -> Iterator[None]:
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = key
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


KINDS = (
    Try.endpoint, Try.supervisor, Try.tuned, Try.redirected, Try.lying, Try.bad_key,
    Try.endpoint, Try.supervisor, Try.endpoint, Try.supervisor,
)  # fmt: skip


def attempt(index: int, seed: int, count: int) -> list[Failure]:
    """One try: a server, its questions, and everything that was wrong afterwards."""
    kind = KINDS[index % len(KINDS)]
    folder = Path(tempfile.mkdtemp(prefix="outgrow-attack-"))
    one = Try(folder, f"{seed}/{index}")
    listener, root = logging.StreamHandler(one.said), logging.getLogger()
    root.addHandler(listener)
    try:
        with environment(KEY):
            kind(one, count)
            one.look_for_the_key()
    except Exception:
        one.wrong.append(traceback.format_exc()[-3000:])
    finally:
        root.removeHandler(listener)
        shutil.rmtree(folder, ignore_errors=True)
    # The number of its last question: so many are asked to come to this try again.
    return [Failure(kind.__name__, seed, (index + 1) * count - 1, message) for message in one.wrong]


def run(count: int, seed: int) -> tuple[int, list[Failure]]:
    """About `count` questions to faulty servers; how many, and what was wrong."""
    tries = -(-count // PER_TRY)
    per_try = min(count, PER_TRY)
    return tries * per_try, [one for index in range(tries) for one in attempt(index, seed, per_try)]
