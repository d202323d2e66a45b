"""The steps of a study of texts in which a model writes, scores, rewrites or judges.

A model that is trained here has a step of its own before; one that is instructed only, or is behind a server, has
none. So a wider beam trains nothing again. Texts and their log-probabilities are tables of `WeakTexts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from outgrow.config.decoding import Decoding
from outgrow.config.method import Method
from outgrow.config.model import LanguageModel, local_model
from outgrow.config.section import Section
from outgrow.graph.step import Json, Step
from outgrow.judge.options import JudgeMeasure, read_prompt
from outgrow.models.model_size import can_answer
from outgrow.refine import REFINERS, Refine
from outgrow.refine.prompts import read_prompts
from outgrow.study.gold_use import weighs_by_gold
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump, hints, writer_version, writing_params
from outgrow.study.steps import STUDENT, UNTOUCHED, noised_step
from outgrow.supervise.source_record import TextSource, texts_step, trained
from outgrow.supervise.sources import SOURCES

HALF_B, HELD_OUT, GOLD = "half_b", "held_out", "half A's gold"

# ---- sources --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoredTexts:
    """The sources' texts side by side, and each scorer's log-probabilities of them."""

    texts: Step
    scores: Mapping[str, Step]
    held_out: Mapping[str, Step] = field(default_factory=dict)
    """The same of texts for items of half A that no supervisor learned, where the combiner weighs scorers by gold."""


def text_sources(plan: SeedPlan) -> dict[str, TextSource]:
    """The steps of every supervisor."""
    sources = {}
    for name, section in plan.experiment.supervisors.items():
        build = SOURCES.of(section).texts
        assert build is not None, "`check_methods.py` refuses sources that have no texts"
        sources[name] = build(plan, name, section)
    return sources


def labels_for(plan: SeedPlan, method: Method, sources: Mapping[str, TextSource]) -> ScoredTexts:
    """The texts that a method learns from: its sources' best ones, as they are or rewritten, or a scored pool."""
    pool, sources = method.combine.pool, sources_of(method, sources)
    if pool is None:
        texts = {name: source.half_b for name, source in sources.items()}
    else:
        texts = {name: _candidates(plan, name, sources[name], pool.beams) for name in pool.writers or sources}
    texts = {name: noised_step(plan, method, "texts", step) for name, step in texts.items()}
    if method.refine is not None:
        texts = _refined(plan, method.refine, texts)
    if pool is None:
        return ScoredTexts(gathered(plan, texts), {})
    scorers = {name: sources[name] for name in pool.scorers or sources}
    held_out = held_out_scores(plan, sources, scorers) if weighs_by_gold(method, plan.experiment) else {}
    return ScoredTexts(gathered(plan, texts), scored_by(plan, scorers, texts), held_out)


def held_out_scores(
    plan: SeedPlan, sources: Mapping[str, TextSource], scorers: Mapping[str, TextSource]
) -> dict[str, Step]:
    """Each scorer's log-probabilities of texts for the items of half A that no source learned, and of their gold."""
    models = {f"model.{name}": source.model for name, source in sources.items() if source.model is not None}
    function = "outgrow.combiners.text_targets_step:save_held_out_gold"
    gold = Step("held_out", function, {}, {**plan.data, **models}, label=f"seed {plan.seed}")
    texts = {
        name: texts_step(plan, source.section, source.model, name, HELD_OUT, plan.experiment.labelling, gold)
        for name, source in sources.items()
        if SOURCES.of(source.section).writes
    }
    return scored_by(plan, scorers, {GOLD: gold, **texts}, HELD_OUT)


def sources_of(method: Method, sources: Mapping[str, TextSource]) -> dict[str, TextSource]:
    """Those whose labels a method learns from."""
    return {name: sources[name] for name in method.sources_among(sources)}


def _candidates(plan: SeedPlan, name: str, source: TextSource, beams: int | None) -> Step:
    """A source's candidates: those of its labels, or of a search as wide as `beams`."""
    if beams is None or not SOURCES.of(source.section).writes:
        return source.half_b
    decoding = plan.experiment.labelling.model_copy(update={"beams": beams, "candidates": beams, "sample": False})
    return texts_step(plan, source.section, source.model, name, "half_b", decoding)


def _refined(plan: SeedPlan, refine: Refine, texts: Mapping[str, Step]) -> dict[str, Step]:
    """Every source's labels rewritten; a refiner that does not read them has one result for all."""
    if not REFINERS.of(refine).reads_labels:
        return {UNTOUCHED: refined_step(plan, refine, UNTOUCHED, None)}
    return {name: refined_step(plan, refine, name, step) for name, step in texts.items()}


def gathered(plan: SeedPlan, texts: Mapping[str, Step]) -> Step:
    """Several sources' texts side by side."""
    inputs = {f"source.{name}": step for name, step in texts.items()}
    params: dict[str, Json] = {"sources": list(texts)}
    label = f"{', '.join(_described(name, step) for name, step in texts.items())}, seed {plan.seed}"
    return Step("labels", "outgrow.supervise.label_steps:gather_texts", params, inputs, label=label)


def _described(name: str, texts: Step) -> str:
    """A source's name, and what changed its texts after they were written."""
    refine = texts.params.get("refine")
    change = refine["type"] if refine else "" if texts.name == "texts" else texts.name
    return f"{name} ({change})" if change else name


# ---- models ---------------------------------------------------------------------------------------------


def can_write(section: LanguageModel) -> bool:
    """Whether a model answers without any training."""
    model = local_model(section)
    return model is None or can_answer(model.model, model.revision)


def answers(plan: SeedPlan, model: Step | None, name: str = STUDENT) -> Step:
    """The student's answers to the test items, after some training or none."""
    return texts_step(plan, plan.experiment.student, model, name, "test", plan.experiment.answering)


def scored_by(
    plan: SeedPlan, scorers: Mapping[str, TextSource], tables: Mapping[str, Step], part: str = HALF_B
) -> dict[str, Step]:
    """Each scorer's log-probabilities of all texts; sources that cannot score are left out."""
    return {
        name: scores_step(plan, source.section, source.model, name, tables, part)
        for name, source in scorers.items()
        if SOURCES.of(source.section).can_score(source.section)
    }


def scores_step(
    plan: SeedPlan, section: Section, model: Step | None, name: str, tables: Mapping[str, Step], part: str = HALF_B
) -> Step:
    """A model's log-probabilities of all texts in `tables`, which are for the items of one part."""
    params = {"model": writing_params(section), "name": name, **({} if part == HALF_B else {"part": part})}
    inputs = {"pool": plan.pool, **trained(model), **{f"texts.{key}": table for key, table in tables.items()}}
    label = f"by {name} on {', '.join(tables)}, seed {plan.seed}"
    function = "outgrow.supervise.writer_steps:score_texts"
    version = writer_version(section)
    return Step("scores", function, params, inputs, version=version, hints=hints(plan, section), label=label)


def refined_step(plan: SeedPlan, refine: Refine, name: str, texts: Step | None) -> Step:
    """One source's labels of half B, rewritten; without `texts`, the strong model's own answers."""
    section = refine.by or plan.experiment.student
    params: dict[str, Json] = {
        "refine": dump(refine, without=["by", "decoding", "prompts"]),
        "prompts": dict(read_prompts(refine.type, refine.prompts)),
        "model": writing_params(section),
        "decoding": dump(refine.decoding or plan.experiment.labelling.greedy()),
        "name": name,
        "seed": plan.seed,
    }
    inputs = {**plan.data, **({} if texts is None else {"texts": texts})}
    label = f"{refine.type}: {name}, seed {plan.seed}"
    function = "outgrow.refine.refine_step:refine_texts"
    version = writer_version(section)
    return Step("refined", function, params, inputs, version=version, hints=hints(plan, section), label=label)


def ratings_step(plan: SeedPlan, name: str, judge: JudgeMeasure, answers: Step, untouched: Step) -> Step:
    """A judge's ratings of one row's answers to the test items."""
    decoding = Decoding(
        beams=1,
        candidates=judge.samples,
        sample=judge.temperature > 0,
        temperature=judge.temperature or 1.0,
        max_new_tokens=judge.max_new_tokens,
    )
    params: dict[str, Json] = {
        "model": writing_params(judge.by),
        "scales": {key: list(ends) for key, ends in judge.scales.items()},
        "prompt": read_prompt("rate" if judge.against is None else "compare", judge.prompt),
        "system": judge.system,
        "decoding": dump(decoding if decoding.sample else decoding.model_copy(update={"candidates": 1})),
        "against": judge.against,
        "swap": judge.swap,
        "name": name,
        "seed": plan.seed,
    }
    reference = {"reference": untouched} if judge.against == "untouched" else {}
    inputs = {**plan.data, "texts": answers, **reference}
    function = "outgrow.judge.rating_step:rate_texts"
    label = f"{name} on {answers.label}"
    return Step("ratings", function, params, inputs, hints=hints(plan, judge.by), label=label)
