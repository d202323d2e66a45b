"""A student as an ONNX graph; the packages of the extra `onnx` are optional."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer

import small_study
from outgrow.deliver.onnx_folder import export_onnx
from outgrow.errors import ConfigError, DataError
from outgrow.models.load_model import load_classifier, load_tokenizer
from outgrow.training.onnx_export import PACKAGES

DATA = Path(__file__).parents[2] / "examples" / "data"
MISSING = [package for package in PACKAGES if find_spec(package) is None]
CLASSES = ["account", "billing", "technical"]


def student_in(folder: Path, model: str) -> Path:
    """An untrained student's folder."""
    classifier, tokenizer = load_classifier(model, n_classes=3, seed=1), load_tokenizer(model)
    classifier.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    student = {"max_length": 64, "text": "message", "objective": {"type": "cross_entropy"}}
    (folder / "card.json").write_text(json.dumps({"kind": "classify", "classes": CLASSES, "student": student}))
    return folder


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (pip install 'outgrow[onnx]')")
@pytest.mark.parametrize("model", ["bundled:minilm-l6@1", "bundled:smollm2-135m@1"])
def test_the_graph_says_what_the_student_says(tmp_path: Path, model: str) -> None:
    import onnxruntime

    student = student_in(tmp_path / "student", model)
    # In a process of its own: the shape checks of the tests would be traced as well, and fix the sizes.
    (tmp_path / "graph").mkdir()
    (tmp_path / "graph" / "model.onnx").write_text("an earlier graph, which is replaced")
    made = small_study.outgrow(tmp_path, "export", "student", "--onnx", "graph")
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip().endswith("model.onnx")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "graph", truncation_side="left", padding_side="right")
    classifier = load_classifier(str(student), n_classes=3, seed=0)
    session = onnxruntime.InferenceSession(str(tmp_path / "graph" / "model.onnx"))
    messages = pd.read_csv(DATA / "tickets.csv")["message"].sample(20, random_state=0).tolist()
    for texts in (messages[:1], messages):
        batch = tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
        fed: dict[str, Any] = {name: batch[name] for name in ("input_ids", "attention_mask")}
        logits, probs = session.run(None, {name: tensor.numpy() for name, tensor in fed.items()})
        with torch.inference_mode():
            expected = classifier.forward(**fed).logits
        np.testing.assert_allclose(logits, expected.numpy(), atol=1e-4)
        np.testing.assert_allclose(probs, expected.softmax(dim=-1).numpy(), atol=1e-4)
    assert json.loads((tmp_path / "graph" / "config.json").read_text())["id2label"]


@pytest.mark.skipif(not MISSING, reason="the packages are installed")
def test_missing_packages_are_named_with_the_command(tmp_path: Path) -> None:
    student = student_in(tmp_path / "student", "bundled:minilm-l6@1")
    with pytest.raises(ConfigError, match=rf"{MISSING[0]}.*outgrow\[onnx\]"):
        export_onnx(student, tmp_path / "graph")
    assert not (tmp_path / "graph").exists()


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    card = {"kind": "classify", "classes": CLASSES, "student": {"objective": {"type": "cross_entropy"}}}
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "card.json").write_text(json.dumps(card))
    with pytest.raises(DataError, match="mine"):
        export_onnx(tmp_path / "student", tmp_path / "mine")
    with pytest.raises(DataError, match="thesis"):
        export_onnx(tmp_path / "thesis", tmp_path / "graph")
    for words in ([], ["--hub", "me/student", "--onnx", "graph"]):
        refused = small_study.outgrow(tmp_path, "export", "student", *words)
        assert (refused.returncode, "--onnx" in refused.stderr) == (2, True)
