"""What a plan says of devices, memory, GPU hours and disk, and what of it the file decides."""

import copy
from pathlib import Path
from typing import Any

import pytest

import outgrow
from outgrow.cli.plan_text import plan_text
from outgrow.config.load import file_settings, read_experiment
from outgrow.config.override import Word
from outgrow.errors import ConfigError
from outgrow.graph.devices import Device, declared_devices, smallest_memory
from outgrow.graph.processor import lacks_bfloat16
from outgrow.graph.resources import ResourceDemand, needs_of, with_needs
from outgrow.graph.step import Step

STUDY: dict[str, Any] = {
    "name": "sizes",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 10, "half_b": 20, "test": 30}},
    "supervisors": {
        "words": {"type": "ngram"},
        "table": {"model": "bundled:wordllama"},
        "large": {"model": "org/weak-7b", "adapt": "full"},
    },
    "student": {"model": "org/strong-70b", "adapt": "lora"},
    "methods": ["naive"],
    "variants": ["plain"],
    "gold_controls": False,
    "seeds": [0],
}
GPU = "device=cuda"


def plan(folder: Path, *words: Word) -> outgrow.Plan:
    return outgrow.plan({**copy.deepcopy(STUDY), "store": str(folder / "steps")}, *words)


def gpus(found: outgrow.Plan) -> dict[str, float]:
    return {f"{step.name} {step.label}": step.gpus for step in found.steps}


def test_bfloat16_without_instructions_for_it_is_noted(tmp_path: Path) -> None:
    def noted(*words: Word) -> bool:
        return any("bfloat16" in note for note in plan(tmp_path, *words).notes)

    assert noted("device=cpu", "student.dtype=bfloat16") == lacks_bfloat16()
    assert not noted("device=cpu")
    assert not noted(GPU, "student.dtype=bfloat16")


def test_a_model_asks_for_as_many_devices_as_its_state_fills(tmp_path: Path) -> None:
    found = plan(tmp_path, GPU)
    asked = gpus(found)
    assert asked["supervisor words, seed 0"] == asked["pool mmlu_topic"] == asked["split seed 0"] == 0
    assert asked["features bundled:wordllama"] == asked["supervisor table, seed 0"] == 0.25
    assert asked["supervisor large, seed 0"] == 2, "7 billion weights in full: 112 GB"
    assert asked["student naive, seed 0"] == 5, "70 billion weights under LoRA: 308 GB"
    assert found.most_gpus == 5
    large = next(step for step in found.steps if step.label == "large, seed 0")
    assert large.memory_per_device == pytest.approx(56e9)
    assert large.cost.disk == pytest.approx(28e9)
    assert large.gpu_hours == pytest.approx(large.cost.seconds / 3600)
    assert found.gpu_hours == pytest.approx(sum(step.gpu_hours for step in found.steps))
    assert found.disk >= 28e9
    assert {"gpus", "memory_per_device", "gpu_hours"} <= found.to_json()[0].keys()
    text = plan_text(found)
    assert "2 × 56 GB" in text
    assert "at most 5 devices per step" in text
    assert "GPU hours" in text
    assert "shards" in text


def test_larger_devices_and_the_file_change_it(tmp_path: Path) -> None:
    assert gpus(plan(tmp_path, GPU, "resources.device_memory=141GB"))["supervisor large, seed 0"] == 1
    needs = {"supervisor": {"gpus": 4, "cpus": 8, "memory": "120GB"}, "student": {"gpus": 0.5}}
    found = {f"{step.name} {step.label}": step for step in plan(tmp_path, GPU, {"resources": needs}).steps}
    large, student = found["supervisor large, seed 0"], found["student naive, seed 0"]
    assert (large.gpus, large.cpus, large.main_memory) == (4, 8, 120 * 10**9)
    assert (student.gpus, student.cpus) == (0.5, 0)


def test_without_a_device_nobody_asks_for_one(tmp_path: Path) -> None:
    found = plan(tmp_path, "device=cpu", "resources.student.gpus=4")
    assert set(gpus(found).values()) == {0}
    assert "devices" not in plan_text(found).splitlines()[0]
    assert found.gpu_hours == 0


def test_needs_change_no_identity_and_are_no_setting_of_a_report(tmp_path: Path) -> None:
    one, other = plan(tmp_path), plan(tmp_path, GPU, "resources.student={gpus: 8, memory: 1TB}")
    assert [step.folder for step in one.steps] == [step.folder for step in other.steps]
    top = Step("top", "m:f", {"n": 1}, hints={"device": "cpu"})
    end = Step("end", "m:f", {"n": 2}, {"top": top})
    (changed,) = with_needs([end], {top.identity: ResourceDemand(2.0, 1, 5)})
    assert changed.identity == end.identity
    assert needs_of(changed.inputs["top"]) == ResourceDemand(2.0, 1, 5)
    assert changed.inputs["top"].hints["device"] == "cpu"
    assert needs_of(changed) == needs_of(end) == ResourceDemand()


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("device=mps", "mps"),
        ("device=xpu", "xpu"),
        ("resources.student.gpus=1.5", "resources.student.gpus"),
        ("resources.student.gpus=-1", "resources.student.gpus"),
        ("resources.write.memory=12 parsecs", "resources.write.memory"),
        ("resources.write.memory=999999999TB", "resources.write.memory"),
        ("resources.writer.gpus=1", "writer"),
        ("resources.write.processes=2", "processes"),
        ("resources.student={processes: 4, gpus: 2}", "gpus"),
        ("resources.student={processes: 2, gpus: 0.5}", "gpus"),
        ("resources.supervisor={processes: 4, cpus: 2}", "cpus"),
        ("resources.student={processes: 1, shard: true}", "shard"),
        ("resources.student={gpus: 1, shard: true}", "shard"),
    ],
)
def test_what_cannot_be_asked_for_is_named(word: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        read_experiment(copy.deepcopy(STUDY), [word])


def test_amounts_are_bytes_when_read_again() -> None:
    found = read_experiment(copy.deepcopy(STUDY), ["resources.other.memory=1.5 GiB"])
    assert found.resources.other.memory == 3 * 2**29
    assert read_experiment(file_settings(found)).resources == found.resources


def test_devices_are_declared_by_number_or_label() -> None:
    assert [device.label for device in declared_devices("4")] == ["0", "1", "2", "3"]
    assert [device.label for device in declared_devices("2, 5")] == ["2", "5"]
    assert declared_devices("3,") == [Device("3")]
    assert declared_devices("0") == []
    assert [device.label for device in declared_devices("GPU-8932f937,MIG-1/2/0")] == ["GPU-8932f937", "MIG-1/2/0"]
    assert smallest_memory([Device("0", 5), Device("1"), Device("2", 3)]) == 3
    for bad in ("", ",", "-1", "0,0", "a b", "1;2", "0" * 5000):
        with pytest.raises(ConfigError, match="--devices"):
            declared_devices(bad)


def test_trainings_of_models_have_a_process_on_each_device(tmp_path: Path) -> None:
    def asked(*words: Word) -> dict[str, tuple[float, int]]:
        return {
            f"{step.name} {step.label}": (step.gpus, step.processes)
            for step in plan(tmp_path, *words).steps
            if step.name in ("supervisor", "student", "features")
        }

    by_default = asked(GPU)
    assert by_default["student naive, seed 0"] == (5, 5)
    assert by_default["supervisor words, seed 0"] == (0, 1)
    assert by_default["supervisor table, seed 0"] == by_default["features bundled:wordllama"] == (0.25, 1)
    chosen = asked(GPU, "resources={student: {processes: 3}, supervisor: {processes: 2}}")
    assert chosen["student naive, seed 0"] == (3, 3)
    assert chosen["supervisor large, seed 0"] == (2, 2)
    assert chosen["supervisor table, seed 0"] == (0.25, 1), "a probe is trained by one process"
    assert asked("device=cpu", "resources.student.processes=2")["student naive, seed 0"] == (0, 2)
    assert asked(GPU, "resources.student={processes: 2, gpus: 0}")["student naive, seed 0"] == (0, 2)


def test_weights_are_sharded_where_asked_or_where_they_do_not_fit(tmp_path: Path) -> None:
    def sharded(*words: Word) -> dict[str, bool]:
        return {f"{step.name} {step.label}": step.shard for step in plan(tmp_path, GPU, *words).steps}

    by_default = sharded()
    assert by_default["supervisor large, seed 0"], "112 GB on two devices of 80 GB"
    assert not by_default["student naive, seed 0"], "an adapter"
    assert not sharded("resources={device_memory: 400GB}")["supervisor large, seed 0"]
    large = {"device_memory": "400GB", "supervisor": {"processes": 2, "shard": True}}
    assert sharded({"resources": large})["supervisor large, seed 0"]
    assert not sharded("resources.supervisor={gpus: 2, shard: false}")["supervisor large, seed 0"]


def test_processes_are_no_part_of_a_steps_identity(tmp_path: Path) -> None:
    full = "student.adapt=full"
    one, several = plan(tmp_path, full), plan(tmp_path, full, "resources.student={processes: 4, shard: true}")
    assert [step.folder for step in one.steps] == [step.folder for step in several.steps]
