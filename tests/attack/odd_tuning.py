"""A provider that tunes, and tells odd things of it: the step of a student behind a server has to come to its end."""

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from bad_replies import KEY, exchanged

from fine_tuning_server import TuningHandler, TuningServer
from outgrow.data.task import Items, Split, Task
from outgrow.graph.step import Job
from outgrow.texts import TextTargets, certain
from outgrow.training.remote_student_step import train_remote_student
from raw_server import running

AUTO = {"epochs": "auto", "batch_size": "auto", "lr_multiplier": "auto"}
PAUSE = 0.02


class OddServer(TuningServer):
    """Now and then one value of a reply is another, until it is mended."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self.RequestHandlerClass = OddHandler
        self.draw, self.mended = draw, False
        self.error = f"the key was {KEY}"


class OddHandler(TuningHandler):
    server: OddServer

    def send(self, status: int, content: Any, headers: Mapping[str, str] | None = None, cut: bool = False) -> None:
        with self.server.lock:
            if not self.server.mended and status == 200 and self.server.draw.random() < 0.3:
                content = self.odd(copy.deepcopy(content))
        super().send(status, content, headers, cut)

    def odd(self, content: Any) -> Any:
        draw = self.server.draw
        if draw.random() < 0.1:
            return draw.choice(["null", "[]", '"x"', "[" * 5000, "", f'{{"id": "{KEY}"}}', "<html>"])
        # Names are the one thing that a client has to believe.
        exchanged(content, draw, spared="id")
        return content


def tuned_oddly(
    folder: Path,
    draw: random.Random,
    section: Callable[..., dict[str, Any]],
    patiently: Callable[[Callable[[], Any]], tuple[Any, str]],
) -> Iterator[str]:
    """What was wrong with a step at an odd provider, which is mended at last."""
    prepare(folder)
    with running(OddServer(draw)) as server:
        whole = section(server.url, fine_tuning={"poll": PAUSE}, retries=1)
        for number in range(4):
            server.mended = number > 1
            out = folder / f"out-{number}"
            _, sentence = patiently(lambda out=out: train(folder, out, whole))
        if sentence:
            yield f"the provider was mended, but: {sentence}"
        elif json.loads((out / "model" / "tuned.json").read_text())["model"] not in {
            server.about(name)["fine_tuned_model"] for name in server.jobs
        }:
            yield "another model"


def prepare(folder: Path) -> None:
    """The inputs of the step."""
    prompts = [f"what is {number}?" for number in range(4)]
    items = Items([f"i{number}" for number in range(4)], prompts, np.zeros(4, dtype=np.int64), answers=["x"] * 4)
    for name in ("pool", "split", "targets", "scratch"):
        (folder / name).mkdir()
    Task("mine", "generate", (), items, metric="exact_match").save(folder / "pool")
    Split(np.asarray([0]), np.asarray([1, 2]), np.asarray([3])).save(folder / "split")
    texts = ["one", "two"]
    targets = TextTargets(["i1", "i2"], texts, [certain(text) for text in texts], np.ones(2))
    targets.save(folder / "targets" / "targets.parquet")


def train(folder: Path, out: Path, section: dict[str, Any]) -> None:
    out.mkdir()
    hints = {"endpoint": section, "answers": str(folder / "answers.sqlite"), "poll": PAUSE}
    inputs = {name: folder / name for name in ("pool", "split", "targets")}
    train_remote_student(Job(out, inputs, folder / "scratch", hints), model=section, fine_tuning=AUTO, seed=0)
