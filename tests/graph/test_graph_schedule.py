"""The order of steps, checked on random graphs against what it must obey."""

import random

import pytest
from step_functions import diamond

from outgrow.graph.done import Done
from outgrow.graph.schedule import Schedule, needed
from outgrow.graph.step import Step, walk


def random_graph(draw, size):
    steps = []
    for number in range(size):
        inputs = draw.sample(steps, k=min(len(steps), draw.choice([0, 1, 1, 2, 3])))
        steps.append(Step("s", "m:f", {"n": number}, {f"i{i}": one for i, one in enumerate(inputs)}))
    return steps


def ancestors(step):
    return {one.identity for one in walk([step])} - {step.identity}


@pytest.mark.parametrize("seed", range(8))
def test_inputs_come_first_and_everything_comes_once(seed):
    draw = random.Random(seed)
    steps = random_graph(draw, 40)
    schedule, order = Schedule(steps), []
    while (step := schedule.take(lambda step: False)) is not None:
        assert ancestors(step) <= {done.identity for done in order}
        order.append(step)
        schedule.finish(step)
    assert sorted(step.identity for step in order) == sorted(step.identity for step in steps)


@pytest.mark.parametrize("seed", range(8))
def test_the_first_step_is_one_that_most_others_depend_on(seed):
    steps = random_graph(random.Random(seed), 30)
    first = Schedule(steps).take(lambda step: False)
    dependants = {one.identity: sum(one.identity in ancestors(other) for other in steps) for one in steps}
    assert dependants[first.identity] == max(dependants.values())


@pytest.mark.parametrize("seed", range(8))
def test_what_is_lost_with_a_step_is_what_needs_it(seed):
    steps = random_graph(random.Random(seed), 30)
    schedule = Schedule(steps)
    for step in steps:
        lost = schedule.beyond(step)
        assert lost == [other for other in steps if step.identity in ancestors(other)]


def test_a_step_that_another_run_works_on_comes_later():
    one, two = Step("one", "m:f"), Step("two", "m:f")
    schedule = Schedule([one, two])
    assert schedule.take(lambda step: step is one) is two
    assert schedule.take(lambda step: step is one) is one
    assert schedule.take(lambda step: False) is None


def test_after_a_withdrawal_nothing_starts():
    steps = diamond()
    schedule = Schedule(list(steps.values()))
    top = schedule.take(lambda step: False)
    assert [step.name for step in schedule.withdraw()] == ["left", "right", "bottom"]
    schedule.finish(top)
    assert schedule.take(lambda step: False) is None


@pytest.mark.parametrize("seed", range(8))
def test_needed_is_what_is_wanted_and_all_unfinished_ways_to_it(seed):
    draw = random.Random(seed)
    steps = random_graph(draw, 30)
    finished = {step.identity for step in steps if draw.random() < 0.3}
    wanted = draw.sample(steps, 4)
    record = Done("", "", 1, {}, {}, {}, 0.0, "", "", "", code="", identity_without_code="")
    found = needed(wanted, lambda step: record if step.identity in finished else None)
    order = [step.identity for step, _ in found]
    assert len(set(order)) == len(order)
    expected = {step.identity for step in wanted}
    for step in reversed(steps):
        if step.identity in expected and step.identity not in finished:
            expected |= {source.identity for source in step.inputs.values()}
    assert set(order) == expected
    for step, done in found:
        if done is None:
            assert all(order.index(s.identity) < order.index(step.identity) for s in step.inputs.values())
