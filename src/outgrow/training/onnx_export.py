"""A finished classifier as an ONNX graph: token ids and mask in, logits and class probabilities out.

The graph is checked: its outputs on texts of several lengths equal those of torch within `TOLERANCE`.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.export import Dim
from transformers import PreTrainedModel

from outgrow.errors import ConfigError, StepFailed
from outgrow.losses.objective import Objective, make_objective
from outgrow.models.load_model import load_classifier, load_tokenizer
from outgrow.models.silence_transformers import silence_transformers
from outgrow.models.token_batches import Padded, pad

INPUTS, OUTPUTS = ("input_ids", "attention_mask"), ("logits", "probabilities")
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4
EXAMPLES = (["Hello"], ["A question of several words, is it not?", "Yes"], ["one two three four"] * 3)
"""Texts of batches on which the graph is checked; the second one is that from which it is traced."""


class Classifier(torch.nn.Module):
    """From tokens to what the graph returns."""

    def __init__(self, model: PreTrainedModel, objective: Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(
        self, input_ids: Int[Tensor, "row token"], attention_mask: Int[Tensor, "row token"]
    ) -> tuple[Float[Tensor, "row class"], Float[Tensor, "row class"]]:
        """Logits, and the predictive distribution of the loss that was learned."""
        logits = self.model.forward(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits, self.objective.probs(logits)


def write_onnx(student: Path, objective: Mapping[str, Any], n_classes: int, graph: Path) -> None:
    """Write the graph to the file `graph`, and the tokenizer and the configuration beside it.

    Raises `ConfigError` without the packages, `StepFailed` if the graph's outputs differ from torch's.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise ConfigError(f"--onnx: the package `{missing[0]}` is not installed: `pip install 'outgrow[onnx]'`")
    tokenizer = load_tokenizer(str(student))
    model = load_classifier(str(student), n_classes=n_classes, seed=0)
    classifier = Classifier(model, make_objective(objective, None)).eval()
    batches = [pad(tokenizer(texts)["input_ids"], tokenizer.pad_token_id) for texts in EXAMPLES]
    any_size = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            classifier,
            tuple(batches[1]),
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes=(any_size, any_size),
            dynamo=True,
            verbose=False,
        )
        assert program is not None, "with `dynamo` there is a program"
        program.save(str(graph))
    with silence_transformers():
        tokenizer.save_pretrained(graph.parent)
        model.config.save_pretrained(graph.parent)
    _require_equal(graph, classifier, batches)


def _require_equal(graph: Path, classifier: Classifier, batches: list[Padded]) -> None:
    from onnxruntime import InferenceSession

    session = InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    for batch in batches:
        with torch.inference_mode():
            expected = classifier(*batch)
        values = {name: tensor.numpy() for name, tensor in zip(INPUTS, batch, strict=True)}
        pairs = zip(session.run(list(OUTPUTS), values), expected, strict=True)
        difference = max(float(np.abs(value - tensor.numpy()).max()) for value, tensor in pairs)
        if not difference <= TOLERANCE:
            raise StepFailed(
                f"the outputs of the ONNX graph differ from torch's by {difference:.2g}; it is not written"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that are not needed and on its own code."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
