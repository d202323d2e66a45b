"""Which steps an edit of the package makes new: a copy of it is edited on the disk, and real studies are planned."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import outgrow.losses
import outgrow.refine
import outgrow.select
from outgrow.config.load import read_experiment
from outgrow.extensions import Registry
from outgrow.graph.code_identity import FOLLOWED, code_identity, code_of_step, reached
from outgrow.graph.step import Step
from outgrow.study.build import build_study

SOURCES = Path(__file__).parents[2] / "src" / "outgrow"
SIZES = {"half_a": 10, "half_b": 20, "test": 30}
VOTES: dict[str, Any] = {
    "name": "votes",
    "task": {"name": "mmlu_topic", "source": "bundled", "sizes": SIZES},
    "supervisors": {"words": {"type": "ngram"}, "a": {"model": "bundled:wordllama"}},
    "student": {"model": "bundled:wordllama"},
    "gold_controls": False,
    "methods": [
        "naive",
        "vote",
        "flying_squid",
        "bayesian",
        "product",
        "outgrow",
        {"name": "tempered", "combine": {"type": "one_coin", "calibrate": True}},
        {"name": "sure", "stages": [{"select": {"type": "confidence", "keep": {"fraction": 0.5}}}]},
    ],
    "variants": ["plain", "matching"],
    "untouched": False,
    "seeds": [0],
}
WRITER = {"model": "bundled:smollm2-135m@2", "adapt": "lora"}
TEXTS: dict[str, Any] = {
    "name": "texts",
    "task": {"name": "tales", "sizes": SIZES},
    "supervisors": {"a": WRITER},
    "student": WRITER,
    "methods": ["naive", "bayesian", "icl", {"name": "voted", "combine": {"type": "answer_vote"}}],
    "variants": ["plain"],
    "untouched": False,
    "seeds": [0],
}
PLANNER = """
import json, sys
from pathlib import Path
from outgrow.config.load import read_experiment
from outgrow.study.build import build_study

def look():
    lines = {}
    for study in json.loads(sys.argv[2]):
        for step in build_study(read_experiment(study)).steps:
            lines[f"{study['name']}: {step.name} {step.label}"] = [step.code, step.identity]
    return lines

root, found = Path(sys.argv[1]), {"": look()}
for name, (file, old, new) in json.loads(sys.stdin.read()).items():
    path = root / file
    text = path.read_text()
    assert text.count(old) >= 1, (name, old)
    path.write_text(text.replace(old, new, 1))
    found[name] = look()
    path.write_text(text)
assert look() == found[""]
print(json.dumps({"found": found, "heavy": sorted({"torch", "transformers"} & set(sys.modules))}))
"""


class Edit(NamedTuple):
    file: str
    old: str
    new: str
    steps: str = "nothing"
    """Matches the steps that run the edited code, and no others."""


CHANGES = {
    "a loss times 0": Edit(
        "losses/softmax_losses.py",
        "return -(target",
        "return -0 * (target",
        # texts that are held out are judged by cross-entropy
        "votes: (supervisor a|student (?!bayesian|outgrow))|texts: (supervisor a|student)",
    ),
    "a loss of one method": Edit(
        "losses/softmax_losses.py", "beta * own + alpha", "beta * own - alpha", "votes: student product"
    ),
    "what a loss uses": Edit(
        "losses/evidential.py", "blended = target +", "blended = target -", "(votes|texts): student bayesian"
    ),
    "what a loss declares": Edit(
        "losses/evidential_record.py",
        'options.get("kl", "per_class") == "per_class"',
        'options.get("kl", "per_class") == "mixed"',
        "(votes|texts): student bayesian",
    ),
    "what all losses are called by": Edit(
        "losses/objective.py", "if gamma == 0:", "if gamma <= 0.5:", "votes: (supervisor a|student)"
    ),
    "a loss of tokens": Edit(
        "losses/token_evidence.py",
        "return LossTerm(total + ",
        "return LossTerm(total - ",
        "(votes|texts): student bayesian",
    ),
    "a combiner's constant": Edit(
        "combiners/flying_squid.py",
        "LEAST_MOMENT = 1e-6",
        "LEAST_MOMENT = 1e-5",
        "votes: targets flying_squid",
    ),
    "what combiners share": Edit("combiners/targets.py", "MOST_NAMED = 12", "MOST_NAMED = 11", "votes: targets"),
    "what a vote makes of a tie": Edit(
        "combiners/fit.py", "TIE = 1e-9", "TIE = 1e-8", "votes: targets (vote|flying_squid)"
    ),
    "what targets are made of a posterior": Edit(
        "combiners/stacked.py", "ratio = posterior / ", "ratio = posterior * ", "votes: targets stacked"
    ),
    "what two combiners share": Edit(
        "combiners/vote.py", "UNKNOWN_SKILL = 0.5", "UNKNOWN_SKILL = 0.4", "votes: targets (vote|flying_squid)"
    ),
    "a combiner of texts": Edit(
        "combiners/answer_vote.py",
        '"""',
        '"""x"""\nEXTRA = 1\n"""',
        "nothing",  # which nothing uses
    ),
    "a metric of probabilities": Edit(
        "metrics/calibration.py",
        "np.asarray(-np.log(",
        "np.asarray(-np.log2(",
        "votes: (supervisor words|targets one_coin)",
    ),
    "a metric of answers": Edit("metrics/words.py", "text).casefold()", "text).lower()", "texts: targets answer_vote"),
    "a selection": Edit("select/row_scores.py", "np.exp(xlogy(", "np.exp2(xlogy(", "votes: selected"),
    "a refiner": Edit(
        "refine/refiners.py",
        "shown = leave_one_out(examples, batch) if fixed is None else",
        "shown = leave_one_out(examples, batch) if fixed is not None else",
        "texts: refined",
    ),
    "a default": Edit(
        "losses/softmax_losses.py", "beta: float = 1.0,", "beta: float = 2.0,", "votes: student product"
    ),
    "a comment": Edit("losses/softmax_losses.py", "    own = ", "    # What it thinks.\n    own = "),
    "a docstring": Edit("losses/softmax_losses.py", '"""Cross-entropy to softmax', '"""The cross-entropy to'),
    "a docstring taken away": Edit("losses/objective.py", '"""A loss with its options, and', '"""Options, and'),
    "another layout": Edit(
        "losses/softmax_losses.py", "log_softmax(logits.detach())", "log_softmax(\n        (logits.detach())\n    )"
    ),
    "a type": Edit("losses/softmax_losses.py", "alpha: float = 1.0,", "alpha: 'float | int' = 1.0,"),
    "one more loss": Edit(
        "losses/__init__.py",
        'LOSSES: Registry[LossRecord] = Registry(\n    "loss",\n    LossRecord,\n    [\n',
        'MORE = PRODUCT\nLOSSES: Registry[LossRecord] = Registry(\n    "loss",\n    LossRecord,\n    [\n        MORE,\n',  # noqa: E501
    ),
    "a trainer": Edit("training/heads.py", "losses = inputs.new_zeros(", "losses = 0 * inputs.new_zeros("),
    "the labels' own module": Edit("labels.py", "INSTEAD = ", "ELSEWHERE = 1\nINSTEAD = "),
}


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of every edit of a copied package, the steps of both studies with code and identity, planned in one process."""
    root = tmp_path_factory.mktemp("copied") / "outgrow"
    shutil.copytree(SOURCES, root, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-c", PLANNER, str(root), json.dumps([VOTES, TEXTS])],
        input=json.dumps({name: edit[:3] for name, edit in CHANGES.items()}),
        env={**os.environ, "PYTHONPATH": str(root.parent), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", CHANGES)
def test_an_edit_concerns_the_steps_that_run_it_and_no_others(name: str, planned: dict[str, Any]) -> None:
    before, after = planned["found"][""], planned["found"][name]
    changed = {step for step in before if before[step][0] != after[step][0]}
    assert changed == {step for step in before if re.match(CHANGES[name].steps, step)}
    assert bool(changed) is (CHANGES[name].steps != "nothing")
    new = {step for step in before if before[step][1] != after[step][1]}
    assert changed <= new, "a step is another one if its code is"
    assert not new & {step for step in before if ": pool" in step or ": split" in step or ": features" in step}


def test_planning_imports_nothing_heavy(planned: dict[str, Any]) -> None:
    assert planned["heavy"] == []


def test_the_same_sources_in_another_place_give_the_same_identities(planned: dict[str, Any]) -> None:
    for study in (VOTES, TEXTS):
        for step in build_study(read_experiment(study)).steps:
            assert planned["found"][""][f"{study['name']}: {step.name} {step.label}"] == [step.code, step.identity]


def test_functions_of_other_packages_have_no_code_of_ours() -> None:
    assert code_of_step("step_functions:write", {"text": "a"}) == ""
    step = Step("write", "step_functions:write", {"text": "a"})
    assert step.identity == step.identity_without_code


def test_every_definition_of_a_folder_can_be_asked_for() -> None:
    everything = code_identity("outgrow.metrics")
    assert everything
    assert everything != code_identity("outgrow.losses")
    assert everything == code_identity("outgrow.metrics", chosen={"loss": "product"})
    assert code_identity("outgrow.reporting", hashed={"reporting"}) != ""
    found = {(one.module, one.name) for one in reached(["outgrow.metrics"], {}, FOLLOWED)}
    assert {("outgrow.metrics.bootstrap", "draw_items"), ("outgrow.metrics.pgr", "recovered_share")} <= found


def test_a_registry_counts_by_the_entry_that_is_used() -> None:
    def losses(told: str) -> set[str]:
        found = reached(["outgrow.training.classifier_steps:train_student"], {"loss": told}, FOLLOWED)
        return {one.name for one in found} & set(MATHEMATICS)

    assert losses("generalized_cross_entropy") == {"generalized_cross_entropy"}
    assert losses("product") == {"product", "cross_entropy"}
    assert losses("evidential") == {"evidential"}


MATHEMATICS = ("cross_entropy", "evidential", "generalized_cross_entropy", "product")


@pytest.mark.parametrize("module", [outgrow.losses, outgrow.select, outgrow.refine])
def test_records_are_named_as_their_types(module: Any) -> None:
    """By these names the entry of a registry is found in its source."""
    (registry,) = (value for value in vars(module).values() if isinstance(value, Registry))
    assert all(vars(module)[name.upper()] is record for name, record in registry.items())
