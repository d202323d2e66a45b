"""Devices, cores and memory of a machine as slots: who gets which, who waits, and what a step's process sees.

No GPU is needed: devices are declared, and the workers report what they were shown.
"""

import itertools
import json
import os
import random
import time
from collections import defaultdict

import pytest
from step_functions import HERE

from drawn_seeds import SEEDS
from outgrow.errors import ConfigError
from outgrow.graph.devices import VISIBLE
from outgrow.graph.local_launcher import LocalLauncher
from outgrow.graph.resources import ResourceDemand, needs_of
from outgrow.graph.runner import run_steps
from outgrow.graph.schedule import Schedule
from outgrow.graph.slots import PARTS, Slots
from outgrow.graph.step import Step
from outgrow.graph.store import Store

CORES = len(os.sched_getaffinity(0))


def asking(number: int, gpus: float = 0.0, seconds: float = 0.0, **needs: int) -> Step:
    hints = {"resources": ResourceDemand(gpus, **needs)._asdict()}
    return Step("s", f"{HERE}:tell_devices", {"number": number, "seconds": seconds}, hints=hints)


def seen_by(store: Store, steps: list[Step]) -> list[dict]:
    return [json.loads((store.path(step) / "seen.json").read_text()) for step in steps]


def test_a_worker_sees_the_devices_that_its_step_was_given(tmp_path, monkeypatch):
    monkeypatch.delenv(VISIBLE, raising=False)
    store = Store(tmp_path)
    steps = [asking(0, 1.0), asking(1, 3.0), asking(2, 0.25), asking(3), asking(4, 2.0), asking(5, 0.5)]
    outcomes = run_steps(steps, store, launcher=LocalLauncher(8, 1, ["a", "b", "7"]))
    assert {outcome.state for outcome in outcomes.values()} == {"done"}
    shown = [seen["visible"] for seen in seen_by(store, steps)]
    assert [0 if not one else len(one.split(",")) for one in shown] == [1, 3, 1, 0, 2, 1]
    assert {label for one in shown for label in one.split(",") if label} == {"a", "b", "7"}


def test_without_devices_nothing_is_hidden(tmp_path, monkeypatch):
    monkeypatch.setenv(VISIBLE, "5")
    store, step = Store(tmp_path), asking(0)
    run_steps([step], store)
    assert seen_by(store, [step])[0]["visible"] == "5"


def test_shares_are_packed_and_no_device_is_given_twice(tmp_path):
    store, draw = Store(tmp_path), random.Random(SEEDS[0])
    needs = [draw.choice([0.25, 0.25, 0.5, 1.0, 2.0]) for _ in range(14)]
    steps = [asking(number, gpus, 0.05) for number, gpus in enumerate(needs)]
    run_steps(steps, store, launcher=LocalLauncher(8, 1, ["0", "1"]))
    changes = []
    for gpus, seen in zip(needs, seen_by(store, steps), strict=True):
        for label in seen["visible"].split(","):
            changes += [(seen["began"], min(1.0, gpus), label), (seen["ended"], -min(1.0, gpus), label)]
    used: dict[str, float] = defaultdict(float)
    for _, change, label in sorted(changes):
        used[label] += change
        assert used[label] <= 1.0 + 1e-9


def test_slots_pack_keep_and_free():
    slots = Slots(["0", "1", "2"])
    first = slots.take("first", ResourceDemand(0.25))
    assert first.labels == ("0",)
    assert slots.take("second", ResourceDemand(0.5)).labels == ("0",), "packed"
    assert slots.take("third", ResourceDemand(0.5)).labels == ("1",)
    assert not slots.fits("large", ResourceDemand(2.0))
    assert slots.fits("small", ResourceDemand(0.25))
    assert slots.take("small", ResourceDemand(0.25)).labels == ("0",)
    assert not slots.fits("next", ResourceDemand(0.25)), "the other two are kept for the large one"
    slots.give_back(first)
    assert slots.fits("next", ResourceDemand(0.25))
    assert not slots.fits("large", ResourceDemand(2.0))


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_a_large_step_waits_for_those_that_run_and_for_no_more(seed):
    """Small steps never end to come; the large one still starts after those that ran when it became first."""
    draw = random.Random(seed)
    slots, running, number = Slots([str(label) for label in range(4)], 8, 1000), {}, 0
    for _ in range(30):
        if slots.fits(str(number), small := ResourceDemand(draw.choice([0.25, 0.5, 1.0]), draw.choice([0, 1]), 10)):
            running[str(number)] = slots.take(str(number), small)
        number += 1
    slots = slots if slots.waiting is None else _drained(slots, running)
    large = ResourceDemand(draw.choice([2.0, 4.0]), draw.choice([0, 4, 8]), draw.choice([0, 1000]))
    before = set(running)
    while not slots.fits("large", large):
        assert before & set(running), "it waits for others"
        ended = draw.choice(sorted(running))
        slots.give_back(running.pop(ended))
        before.discard(ended)
        for _ in range(20):
            small = ResourceDemand(draw.choice([0.25, 0.5, 1.0]), draw.choice([0, 1]), 10)
            if slots.fits(name := str(number), small):
                running[name] = slots.take(name, small)
            number += 1
    slots.take("large", large)


def _drained(slots: Slots, running: dict) -> Slots:
    """Start what the slots wait for, so that nothing is kept."""
    waiting, wanted = slots.waiting, slots.wanted
    while not slots.fits(waiting, wanted):
        slots.give_back(running.pop(next(iter(running))))
    running[waiting] = slots.take(waiting, wanted)
    return slots


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_slots_never_give_more_than_there_is(seed):
    draw = random.Random(seed)
    slots, running = Slots(["a", "b", "c"], 6, 100), {}
    for number in range(400):
        needs = ResourceDemand(draw.choice([0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 3.0]), draw.randrange(5), draw.randrange(60))
        if slots.fits(name := str(number), needs):
            running[name] = slots.take(name, needs)
        assert all(0 <= free <= PARTS for free in slots.parts.values())
        assert slots.cpus >= 0
        assert slots.memory >= 0
        if running and draw.random() < 0.5:
            slots.give_back(running.pop(draw.choice(sorted(running))))
        if slots.waiting is not None and slots.fits(slots.waiting, slots.wanted):
            waiting = slots.waiting
            running[waiting] = slots.take(waiting, slots.wanted)
    for placement in running.values():
        slots.give_back(placement)
    assert set(slots.parts.values()) == {PARTS}
    assert (slots.cpus, slots.memory) == (6, 100)


def test_cores_and_memory_bound_how_many_run(tmp_path):
    store = Store(tmp_path)
    steps = [asking(number, seconds=0.1, cpus=CORES) for number in range(3)]
    run_steps(steps, store, launcher=LocalLauncher(3, 1))
    spans = sorted((seen["began"], seen["ended"]) for seen in seen_by(store, steps))
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))


def test_a_step_has_as_many_threads_as_the_cores_that_it_asks_for(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    store, one, fixed = Store(tmp_path), asking(0, cpus=CORES), asking(1, cpus=CORES)
    run_steps([one], store, launcher=LocalLauncher(CORES))
    run_steps([fixed], store, launcher=LocalLauncher(1, 1))
    assert [seen["threads"] for seen in seen_by(store, [one, fixed])] == [str(CORES), "1"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (asking(0, 3.0), "asks for 3 devices, and there are 2"),
        (asking(0, cpus=4000), "asks for 4000 cores"),
        (asking(0, memory=10**15), "asks for 1e\\+06 GB"),
    ],
)
def test_what_a_machine_will_never_have_is_refused_before_the_first_step(tmp_path, step, words):
    store, fine = Store(tmp_path), asking(1)
    with pytest.raises(ConfigError, match=words):
        run_steps([fine, step], store, launcher=LocalLauncher(1, 1, ["0", "1"]))
    assert not store.path(fine).exists()


def test_the_schedule_passes_over_what_does_not_fit():
    one, two, three = (asking(number, gpus) for number, gpus in enumerate((2.0, 0.0, 1.0)))
    schedule, slots = Schedule([one, two, three]), Slots(["0", "1"])
    slots.take("other", ResourceDemand(1.0))

    def fits(step: Step) -> bool:
        return slots.fits(step.identity, needs_of(step))

    assert schedule.take(lambda step: False, fits) is two
    assert schedule.take(lambda step: False, fits) is None, "the free device is kept for the first step"


def test_slots_cost_no_time():
    slots = Slots([str(label) for label in range(8)], 64, 10**12)
    began = time.process_time()
    for number in range(2000):
        slots.give_back(slots.take(str(number), ResourceDemand(0.25, 1, 5)))
    assert time.process_time() - began < 1
