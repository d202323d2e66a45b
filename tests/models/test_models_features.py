"""The features step on real text: right vectors, whatever the batches, and the same bytes after a kill."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from option_passes import option_hidden
from outgrow.config.task import TaskSection
from outgrow.data.load_task import load_task
from outgrow.data.task import Task
from outgrow.errors import DataError
from outgrow.graph.step import Job
from outgrow.models.features import compare, make_features, unit
from outgrow.models.static_embeddings import load_static, mean_vectors

SMOL, MINILM = "bundled:smollm2-135m@3", "bundled:minilm-l6@2"
PARAMS: dict[str, Any] = {"revision": None, "layers": None, "dims": None, "dtype": "float32", "max_length": 128}

Made = tuple[np.ndarray, dict[str, Any]]
Run = Callable[..., Made]


@pytest.fixture(scope="session")
def questions() -> Task:
    """Twenty science questions with four options each."""
    return load_task(TaskSection(name="sciq")).take(np.arange(20))


@pytest.fixture(scope="session")
def texts(questions: Task) -> Task:
    """Their prompts, of unlike length, as something to classify."""
    rows = questions.items
    prompts = [prompt * (1 + number % 3) for number, prompt in enumerate(rows.prompts)]
    prompts[5] += "<|im_end|>"  # The text's last token is the pad token's id.
    items = type(rows)(rows.ids, prompts, np.arange(20) % 2)
    return Task("texts", "classify", ("no", "yes"), items)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Make features of a task in fresh folders (or the given scratch) and read them."""

    def make(task: Task, scratch: Path | None = None, hints: dict[str, Any] | None = None, **params: Any) -> Made:
        job = new_job(tmp_path / f"job{len(list(tmp_path.iterdir()))}", task, scratch, hints)
        make_features(job, **{**PARAMS, **params})
        return np.load(job.out / "features.npy"), json.loads((job.out / "features.json").read_text())

    return make


def new_job(
    folder: Path,
    task: Task,
    scratch: Path | None = None,
    hints: dict[str, Any] | None = None,
    report: Callable[[str, float], None] = lambda message, share: None,
) -> Job:
    for name in ("pool", "out", "scratch"):
        (folder / name).mkdir(parents=True)
    task.save(folder / "pool")
    return Job(folder / "out", {"pool": folder / "pool"}, scratch or folder / "scratch", hints or {}, report)


def single_states(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> torch.Tensor:
    """Hidden states [layer, token, dim] of one text alone, as transformers gives them."""
    with torch.no_grad():
        output = model(**tokenizer([text], return_tensors="pt"), output_hidden_states=True)
    return torch.stack(output.hidden_states)[:, 0]


def test_decoders_are_read_at_the_last_real_token(
    run: Run, texts: Task, decoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    features, about = run(texts, model=SMOL, layers=[0, 2, -1])
    expected = [single_states(decoder, tokenizer, text)[[0, 2, 3], -1].numpy() for text in texts.items.prompts]
    np.testing.assert_allclose(features, expected, atol=2e-3)
    assert features.dtype == np.float32
    assert about["layers"] == [0, 2, 3]
    assert about["dim"] == 576
    assert about["tokens"] == sum(len(tokenizer(text)["input_ids"]) for text in texts.items.prompts)
    assert about["truncated"] == 0


def test_encoders_are_read_as_the_mean_of_real_tokens(
    run: Run, texts: Task, encoder_tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel
) -> None:
    features, about = run(texts, model="bundled:minilm-l6", layers=[1, 6], dims=100)
    expected = [single_states(encoder, encoder_tokenizer, text)[[1, 6]].mean(dim=1) for text in texts.items.prompts]
    np.testing.assert_allclose(features, torch.stack(expected)[..., :100], atol=1e-4)
    assert about["read"] == "mean over tokens"


@pytest.mark.parametrize("model", [SMOL, MINILM])
@pytest.mark.parametrize("kind", ["texts", "questions"])
def test_batching_does_not_matter(run: Run, model: str, kind: str, request: pytest.FixtureRequest) -> None:
    task: Task = request.getfixturevalue(kind)
    many, _ = run(task, model=model, layers=[1, -1])
    few, _ = run(task, model=model, layers=[1, -1], hints={"batch_tokens": 64, "device": "cpu"})
    np.testing.assert_allclose(many, few, atol=2e-3, rtol=1e-3)


def test_the_same_twice_is_the_same_bytes(run: Run, questions: Task) -> None:
    one, other = run(questions, model=SMOL), run(questions, model=SMOL)
    assert one[0].tobytes() == other[0].tobytes()
    assert one[1] == other[1]


def test_a_layer_of_the_whole_model_needs_only_the_blocks_below(run: Run, texts: Task) -> None:
    shallow, about = run(texts, model="bundled:smollm2-135m", layers=[2])
    np.testing.assert_allclose(shallow, run(texts, model=SMOL, layers=[2])[0], atol=1e-5)
    assert about["layers"] == [2]


def test_options_are_read_at_their_last_tokens(
    run: Run, questions: Task, decoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    features, about = run(questions, model=SMOL, layers=[1, 3])
    prompts, options = questions.items.prompts, questions.items.options
    assert options is not None
    separate = option_hidden(decoder, tokenizer, prompts, options, [1, 3], packed=False)
    np.testing.assert_allclose(features, separate, atol=2e-3)
    assert features.shape == (20, 4, 2, 576)
    assert about["packed"] is True


def test_encoders_compare_prompt_and_option(
    run: Run, questions: Task, encoder: PreTrainedModel, encoder_tokenizer: PreTrainedTokenizerBase
) -> None:
    features, about = run(questions, model="bundled:minilm-l6", layers=[6], dims=50)

    def mean(text: str) -> np.ndarray:
        vector = single_states(encoder, encoder_tokenizer, text)[6].mean(dim=0)[:50]
        return np.asarray(vector / vector.norm())

    assert questions.items.options is not None
    q, o = mean(questions.items.prompts[3]), mean(questions.items.options[3][2])
    np.testing.assert_allclose(features[3, 2, 0], np.concatenate([q * o, o, abs(q - o)]), atol=1e-5)
    assert about["dim"] == features.shape[-1] == 150


def test_static_embeddings_average_their_tokens(run: Run, texts: Task, questions: Task) -> None:
    features, about = run(texts, model="bundled:wordllama", dims=64)
    static = load_static("bundled:wordllama")
    ids = static.tokenizer.encode(texts.items.prompts[4], add_special_tokens=False).ids
    np.testing.assert_allclose(features[4, 0], static.vectors[ids].mean(axis=0)[:64], rtol=1e-5)
    assert features.shape == (20, 1, 64)
    assert about["layers"] == [0]
    assert run(questions, model="bundled:wordllama", dims=64)[0].shape == (20, 4, 1, 192)


def test_static_embeddings_keep_the_end_of_long_texts() -> None:
    static = load_static("bundled:wordllama", dims=8)
    whole = mean_vectors(static, ["moon " * 40 + "cat dog", ""], max_length=2)
    np.testing.assert_allclose(whole.vectors[0], mean_vectors(static, ["cat dog"], 2).vectors[0])
    assert whole.truncated == 1
    assert not whole.vectors[1].any()


def test_comparison_is_of_unit_vectors(rng: np.random.Generator) -> None:
    q, o = rng.normal(size=(3, 2, 5)), rng.normal(size=(3, 4, 2, 5))
    scaled = compare(7 * q, o * rng.uniform(1, 9, size=(3, 4, 1, 1)))
    np.testing.assert_allclose(scaled, compare(q, o))
    np.testing.assert_allclose(scaled[1, 2, 1, :5].sum(), unit(q)[1, 1] @ unit(o)[1, 2, 1])
    assert not unit(np.zeros((2, 3))).any()


def test_long_prompts_are_counted(run: Run, texts: Task) -> None:
    _, about = run(texts, model=SMOL, max_length=16)
    assert about["truncated"] > 5
    assert about["tokens"] <= 16 * 20


def test_models_are_not_asked_beyond_their_positions(run: Run, texts: Task) -> None:
    long = texts.take(np.arange(2))
    long.items.prompts[0] = "why " * 700
    features, about = run(long, model=MINILM, max_length=4096)
    assert about["truncated"] == 1
    assert np.isfinite(features).all()


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def interrupt_after(reports: int) -> Callable[[str, float], None]:
    def report(message: str, share: float) -> None:
        nonlocal reports
        reports -= 1
        if reports == 0:
            raise Interrupted

    return report


@pytest.mark.parametrize("kind", ["texts", "questions"])
def test_an_interrupted_step_goes_on_and_ends_the_same(
    run: Run, tmp_path: Path, kind: str, request: pytest.FixtureRequest, rng: np.random.Generator
) -> None:
    task: Task = request.getfixturevalue(kind)
    hints = {"batch_tokens": 100}
    params = {**PARAMS, "model": SMOL, "layers": [1, 2]}
    whole, _ = run(task, hints=hints, model=SMOL, layers=[1, 2])
    batches: list[str] = []
    job = new_job(tmp_path / "whole", task, None, hints, lambda message, share: batches.append(message))
    make_features(job, **params)
    stop = int(rng.integers(1, len(batches)))
    scratch = tmp_path / "kept"
    scratch.mkdir()
    with pytest.raises(Interrupted):
        make_features(new_job(tmp_path / "first", task, scratch, hints, interrupt_after(stop)), **params)
    rest: list[str] = []
    job = new_job(tmp_path / "second", task, scratch, hints, lambda message, share: rest.append(message))
    make_features(job, **params)
    assert rest == batches[stop:]
    assert np.load(job.out / "features.npy").tobytes() == whole.tobytes()


def test_another_batch_size_starts_anew(run: Run, tmp_path: Path, texts: Task) -> None:
    scratch = tmp_path / "kept"
    scratch.mkdir()
    job = new_job(tmp_path / "first", texts, scratch, {"batch_tokens": 100}, interrupt_after(2))
    with pytest.raises(Interrupted):
        make_features(job, **PARAMS, model=SMOL)
    hints = {"batch_tokens": 300}
    resumed, _ = run(texts, scratch=scratch, hints=hints, model=SMOL)
    assert resumed.tobytes() == run(texts, hints=hints, model=SMOL)[0].tobytes()


KILLED = """
import os, signal, sys
from pathlib import Path
from outgrow.graph.step import Job
from outgrow.models.features import make_features
import torch
folder = Path(sys.argv[1])
torch.set_num_threads(1)
def report(message, share):
    if share > 0.4:
        os.kill(os.getpid(), signal.SIGKILL)
job = Job(folder / "out", {"pool": folder / "pool"}, folder / "scratch", {"batch_tokens": 100}, report)
make_features(job, model=sys.argv[2], revision=None, layers=None, dims=None, dtype="float32", max_length=128)
"""


def test_a_killed_step_goes_on_and_ends_the_same(run: Run, tmp_path: Path, texts: Task) -> None:
    job = new_job(tmp_path / "killed", texts)
    process = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "killed"), SMOL], check=False)
    assert process.returncode == -signal.SIGKILL
    assert not list(job.out.iterdir())
    assert (job.scratch / "sweep.json").exists()
    hints = {"batch_tokens": 100}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    resumed, _ = run(texts, scratch=job.scratch, hints=hints, model=SMOL)
    whole, _ = run(texts, hints=hints, model=SMOL)
    torch.set_num_threads(threads)
    assert resumed.tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"model": SMOL, "layers": [4]}, "layer 4"),
        ({"model": "bundled:wordllama", "layers": [3]}, "one layer"),
        ({"model": "bundled:wordllama@3"}, "no layers to cut"),
        ({"model": "bundled:smollm2-135m@31"}, "only 30 layers"),
    ],
)
def test_what_a_model_does_not_have_is_refused(run: Run, texts: Task, params: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        run(texts, **params)
