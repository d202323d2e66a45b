"""Loading: cuts, tokenizers, heads, and one clear sentence for every folder that cannot be used."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Model,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    T5Config,
    T5Model,
)
from transformers.utils import logging as hf_logging

from outgrow.errors import DataError
from outgrow.models.choices import tokenize_choices
from outgrow.models.fetch_model import pin_revision
from outgrow.models.hidden import layer_states, reads_forward, resolve_layers
from outgrow.models.load_model import (
    load_backbone,
    load_causal_lm,
    load_classifier,
    load_config,
    load_tokenizer,
    model_folder,
    pick_device,
)
from outgrow.models.packing import pack_batch, packed_option_logits
from outgrow.models.silence_transformers import silence_transformers

TEXT = "Question: Why is the sky blue at noon, and red at 18:30?\nAnswer:"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plain folder of a tiny language model, without a tokenizer."""
    config = GPT2Config(n_embd=16, n_layer=3, n_head=2, vocab_size=300, n_positions=32)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture(scope="module")
def own_tokenizer() -> PreTrainedTokenizerFast:
    """A small tokenizer of unusual habits: words are never merged across characters of different kinds."""
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.train_from_iterator([TEXT] * 20, trainers.BpeTrainer(vocab_size=120, special_tokens=["<unk>", "<end>"]))
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="<end>")


def test_a_cut_model_is_the_first_blocks_of_the_whole(tokenizer: PreTrainedTokenizerBase) -> None:
    whole, cut = load_backbone("bundled:smollm2-135m"), load_backbone("bundled:smollm2-135m@3")
    short = load_backbone("bundled:smollm2-135m", layers=3)
    inputs = dict(tokenizer([TEXT], return_tensors="pt"))
    with torch.no_grad():
        expected = whole(**inputs, output_hidden_states=True).hidden_states
        ours = layer_states(short, inputs, [0, 1, 2, 3], depth=30)
        for layer in range(4):
            torch.testing.assert_close(ours[layer], expected[layer])
        torch.testing.assert_close(layer_states(whole, inputs, [30], 30)[0], expected[30])
        # As a model of its own, three blocks end in the final norm.
        torch.testing.assert_close(layer_states(cut, inputs, [3], 3)[0], whole.norm(expected[3]))
    assert len(short.layers) == len(cut.layers) == 3
    assert not short.training


def test_encoders_are_cut_too(encoder_tokenizer: PreTrainedTokenizerBase, encoder: PreTrainedModel) -> None:
    inputs = dict(encoder_tokenizer([TEXT], return_tensors="pt"))
    with torch.no_grad():
        expected = encoder(**inputs, output_hidden_states=True).hidden_states
    short = load_backbone("bundled:minilm-l6@2")
    torch.testing.assert_close(layer_states(short, inputs, [0, 1, 2], depth=2), torch.stack(expected[:3]))


def test_layer_numbers() -> None:
    assert resolve_layers(None, 30) == [30]
    assert resolve_layers([8, -1, -2, 0], 30) == [8, 30, 29, 0]
    for bad in (31, -32):
        with pytest.raises(DataError, match=f"layer {bad}: the model has layers 0"):
            resolve_layers([3, bad], 30)


def test_per_layer_settings_are_cut_with_the_layers(tmp_path: Path) -> None:
    kinds = ["sliding_attention", "full_attention", "full_attention"]
    Qwen2Config(num_hidden_layers=3, layer_types=kinds).save_pretrained(tmp_path)
    config = load_config(f"{tmp_path}@1")
    assert config.num_hidden_layers == 1
    assert config.layer_types == ["sliding_attention"]


def test_precision_is_what_was_asked_for() -> None:
    assert load_backbone("bundled:smollm2-135m@1").dtype == torch.float32
    assert load_backbone("bundled:smollm2-135m@1", dtype="bfloat16").dtype == torch.bfloat16


def test_both_language_models_and_backbones_load(folder: Path) -> None:
    assert load_causal_lm(str(folder)).lm_head.out_features == 300
    assert isinstance(load_backbone(f"{folder}@2"), GPT2Model)
    assert reads_forward(load_backbone(str(folder)))


def test_tokenizers_keep_every_character(tokenizer: PreTrainedTokenizerBase) -> None:
    text = TEXT + " naïve 日本 🙂  two spaces\t½"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.padding_side == "right"
    assert tokenizer.truncation_side == "left"


def test_the_saved_tokenizer_is_used_whatever_the_model_type(
    tmp_path: Path, own_tokenizer: PreTrainedTokenizerFast
) -> None:
    own_tokenizer.save_pretrained(tmp_path)
    Qwen2Config(num_hidden_layers=1).save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    assert loaded(TEXT)["input_ids"] == own_tokenizer(TEXT)["input_ids"]


def test_a_pad_token_is_chosen_from_the_vocabulary(tmp_path: Path, own_tokenizer: PreTrainedTokenizerFast) -> None:
    own_tokenizer.save_pretrained(tmp_path)
    GPT2Config().save_pretrained(tmp_path)
    loaded = load_tokenizer(str(tmp_path))
    assert loaded.pad_token == "<end>"
    assert len(loaded) == len(own_tokenizer)


def test_heads_come_from_their_seed_and_nothing_else() -> None:
    def head(seed: int) -> torch.Tensor:
        model = load_classifier("bundled:smollm2-135m@1", n_classes=3, seed=seed)
        assert model.config.num_labels == 3
        weight: torch.Tensor = model.score.weight
        return weight

    before = torch.random.get_rng_state()
    first, again, other = head(7), head(7), head(8)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_classifiers_read_the_last_real_token(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    model = load_classifier("bundled:smollm2-135m@2", n_classes=4, seed=0)
    texts = [TEXT, "Blue?", f"It ends with the pad token{tokenizer.pad_token}"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        together = model(**batch).logits
        alone = torch.cat([model(**tokenizer([text], return_tensors="pt")).logits for text in texts])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    model.save_pretrained(tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32).eval()
    with torch.no_grad():
        torch.testing.assert_close(plain(**batch).logits[:2], together[:2], rtol=1e-4, atol=1e-4)


# peft 0.21 asks for it under its old name.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_adapters_keep_the_way_of_reading(tokenizer: PreTrainedTokenizerBase) -> None:
    """What PEFT wraps still pools by the mask and still scores options."""
    model = load_classifier("bundled:smollm2-135m@1", n_classes=2, seed=0)
    texts = [TEXT, f"Blue?{tokenizer.pad_token}"]
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        before = model(**batch).logits
        wrapped = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", target_modules="all-linear"))
        torch.testing.assert_close(wrapped.eval()(**batch).logits, before)
        lm = load_causal_lm("bundled:smollm2-135m@1")
        choices = tokenize_choices(tokenizer, ["The sky is"], [["blue", "an old stone"]], 32)
        options = pack_batch(choices, tokenizer.pad_token_id, packed=True)
        expected = packed_option_logits(lm, options)
        adapted = get_peft_model(lm, LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear")).eval()
        torch.testing.assert_close(packed_option_logits(adapted, options), expected)


def test_encoders_classify() -> None:
    model = load_classifier("bundled:minilm-l6@1", n_classes=2, seed=0)
    inputs = load_tokenizer("bundled:minilm-l6")([TEXT], return_tensors="pt")
    assert model(**inputs).logits.shape == (1, 2)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def without(key: str, value: object = None) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, key: value}))

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no readable model configuration"),
        (lambda folder: (folder / "config.json").write_text("{"), "no readable model configuration"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "model.bin"), "no safetensors weights"),
        (lambda folder: cut_short(folder / "model.safetensors"), "cannot be read as AutoModel"),
        (without("model_type", "hal9000"), "no readable model configuration"),
        (without("n_layer", 5), "lack `.*h.3.*` and"),
        (without("n_embd", 20), "cannot be read as AutoModel"),
    ],
)
def test_unusable_folders_are_refused(folder: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(folder)
    with pytest.raises(DataError, match=words) as caught:
        load_backbone(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_encoder_decoders_are_refused(tmp_path: Path) -> None:
    T5Model(T5Config(d_model=8, d_ff=8, num_layers=1, num_heads=1, vocab_size=20, d_kv=8)).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="encoder-decoder"):
        load_backbone(str(tmp_path))


def test_too_deep_cuts_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="has only 3 layers"):
        load_backbone(f"{folder}@4")


def test_a_missing_pooler_is_no_damage(tmp_path: Path) -> None:
    config = BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, vocab_size=40
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    assert not reads_forward(load_backbone(str(tmp_path)))


def test_a_folder_without_tokenizer_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="no readable tokenizer"):
        load_tokenizer(str(folder))


def test_static_embeddings_are_not_a_transformer() -> None:
    with pytest.raises(DataError, match="can only be probed"):
        load_backbone("bundled:wordllama")


def test_an_unreachable_hub_gives_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    pin_revision("bundled:minilm-l6")
    for ask in (pin_revision, model_folder, load_tokenizer, load_backbone):
        with pytest.raises(DataError, match="the hub cannot be reached"):
            ask("some-org/some-model")


def test_a_missing_device_is_said() -> None:
    assert pick_device({"device": "cpu"}) == torch.device("cpu")
    if not torch.cuda.is_available():
        assert pick_device({}) == torch.device("cpu")
        with pytest.raises(DataError, match="no CUDA device"):
            pick_device({"device": "cuda"})


def test_silence_ends_with_its_block() -> None:
    before = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    with silence_transformers():
        assert not hf_logging.is_progress_bar_enabled()
    assert (hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()) == before


def test_loading_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    load_classifier("bundled:smollm2-135m@1", n_classes=2, seed=0)
    load_classifier("bundled:minilm-l6@1", n_classes=2, seed=0)
    assert capfd.readouterr() == ("", "")
