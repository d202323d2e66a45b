"""The steps in which somebody writes or reads: what `text_experiment.py` lays its studies out of.

A model that is trained here is a step before; one that is only told what to do, or lives behind a server, has none.
"""

from collections.abc import Mapping

from outgrow.config.decoding import Decoding
from outgrow.config.method import Method
from outgrow.config.model import ModelSection, Speaker
from outgrow.config.votes import VotesSection
from outgrow.graph.step import Json, Step
from outgrow.judge.options import JudgeMeasure, read_prompt
from outgrow.refine import Refine
from outgrow.refine.prompts import read_prompts
from outgrow.select.record import RewardModel
from outgrow.study.step_params import dump, hints, reading_params, speaker_hints, votes_params
from outgrow.study.steps import SeedPlan, student_here


def texts_step(
    stage: SeedPlan, section: Speaker, model: Step | None, name: str, part: str, decoding: Decoding
) -> Step:
    """What a model writes for one part's items; without a training step, the model as it is."""
    params = {
        "model": reading_params(section),
        "decoding": dump(decoding),
        "part": part,
        "seed": stage.seed,
        "name": name,
    }
    inputs = {**stage.data, **trained(model)}
    label = f"{part}: {f'{name}, seed {stage.seed}' if model is None else model.label}"
    function = "outgrow.supervise.write_step:write_texts"
    return Step("texts", function, params, inputs, hints=speaker_hints(stage.experiment, section), label=label)


def taken_step(stage: SeedPlan, name: str, section: VotesSection, part: str) -> Step:
    """What somebody wrote already for one part's items."""
    params, where = votes_params(section, name, stage.experiment.task)
    label = f"{part}: {name}, seed {stage.seed}"
    function, params = "outgrow.supervise.votes_step:take_texts", {**params, "part": part, "name": name}
    return Step("texts", function, params, stage.data, hints=where, label=label)


def scores_step(
    stage: SeedPlan, section: ModelSection, model: Step | None, name: str, tables: Mapping[str, Step]
) -> Step:
    """What a model thinks of all texts in `tables`."""
    params = {"model": reading_params(section), "name": name}
    inputs = {"pool": stage.pool, **trained(model), **{f"texts.{key}": table for key, table in tables.items()}}
    label = f"by {name} on {', '.join(tables)}, seed {stage.seed}"
    function = "outgrow.supervise.score_step:score_texts"
    return Step("scores", function, params, inputs, hints=hints(stage.experiment, section), label=label)


def refined_step(stage: SeedPlan, refine: Refine, name: str, weak: Step | None) -> Step:
    """One supervisor's labels of half B, rewritten; without `weak`, the strong model's own answers."""
    section = refine.by or stage.experiment.student
    params: dict[str, Json] = {
        "refine": dump(refine, without=["by", "decoding", "prompts"]),
        "prompts": dict(read_prompts(refine.type, refine.prompts)),
        "model": reading_params(section),
        "decoding": dump(refine.decoding or stage.experiment.labelling.greedy()),
        "name": name,
        "seed": stage.seed,
    }
    inputs = {**stage.data, **({} if weak is None else {"texts": weak})}
    label = f"{refine.type}: {name}, seed {stage.seed}"
    function = "outgrow.refine.refine_step:refine_texts"
    return Step("refined", function, params, inputs, hints=speaker_hints(stage.experiment, section), label=label)


def ratings_step(stage: SeedPlan, name: str, judge: JudgeMeasure, answers: Step, untouched: Step) -> Step:
    """What a judge says of one row's answers to the test items."""
    decoding = Decoding(
        beams=1,
        candidates=judge.samples,
        sample=judge.temperature > 0,
        temperature=judge.temperature or 1.0,
        max_new_tokens=judge.max_new_tokens,
    )
    params: dict[str, Json] = {
        "model": reading_params(judge.by),
        "scales": {key: list(ends) for key, ends in judge.scales.items()},
        "prompt": read_prompt("rate" if judge.against is None else "compare", judge.prompt),
        "system": judge.system,
        "decoding": dump(decoding if decoding.sample else decoding.model_copy(update={"candidates": 1})),
        "against": judge.against,
        "swap": judge.swap,
        "name": name,
        "seed": stage.seed,
    }
    reference = {"reference": untouched} if judge.against == "untouched" else {}
    inputs = {**stage.data, "texts": answers, **reference}
    label = f"{name} on {answers.label}"
    function = "outgrow.judge.rating_step:rate_texts"
    return Step("ratings", function, params, inputs, hints=speaker_hints(stage.experiment, judge.by), label=label)


def reward_step(stage: SeedPlan, method: Method, reward: RewardModel, inputs: Mapping[str, Step]) -> Step:
    """A reward model of a method's labels, trained on where the strong model agrees with them.

    `inputs`: the `targets`, and the `strong` model's own answers.
    """
    section = reward.model or student_here(stage.experiment)
    params = {"model": reading_params(section), "reward": dict(reward.params), "seed": stage.seed}
    label = f"{reward.params['loss']}, {method.name}, seed {stage.seed}"
    function, known = "outgrow.training.reward_step:train_reward", {**stage.data, **inputs}
    where = hints(stage.experiment, section)
    return Step("reward", function, params, known, hints=where, label=label, version=2)


def gathered(stage: SeedPlan, written: Mapping[str, Step]) -> Step:
    """Several sources' texts side by side."""
    inputs = {f"source.{name}": step for name, step in written.items()}
    params: dict[str, Json] = {"sources": list(written)}
    label = f"{', '.join(_called(name, step) for name, step in written.items())}, seed {stage.seed}"
    return Step("labels", "outgrow.supervise.gather_step:gather_texts", params, inputs, label=label)


def _called(name: str, written: Step) -> str:
    """A source for people: its name, and what was done with its texts since it wrote them."""
    refine = written.params.get("refine")
    done = refine["type"] if refine else "" if written.name == "texts" else written.name
    return f"{name} ({done})" if done else name


def trained(model: Step | None) -> dict[str, Step]:
    """The input that is a training, if there was one."""
    return {} if model is None else {"model": model}
