"""What an engine cannot do for a study of texts: search with several beams, or run a reward model."""

from collections.abc import Iterator

from outgrow.config.decoding import Decoding
from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.model import local_model
from outgrow.refine import REFINERS, Refine
from outgrow.select import SELECTIONS, Select
from outgrow.study.method_rows import parts_of


def search_complaints(experiment: Experiment) -> Iterator[str]:
    """Every key that asks a model with an engine for a beam search."""
    supervisors = any(has_engine(section) for section in experiment.supervisors.values())
    student = has_engine(experiment.student)
    if supervisors:
        yield from _of("labelling", experiment.labelling)
    if supervisors or student:
        yield from _of("answering", experiment.answering)
    for method in experiment.methods:
        for complaint in _method_complaints(method, experiment):
            yield f"method `{method.name}`: {complaint}"


def _method_complaints(method: Method, experiment: Experiment) -> Iterator[str]:
    pool, sources = method.combine.pool, method.sources_among(experiment.supervisors)
    if pool is not None and (pool.beams or 1) > 1:
        for name in pool.writers or sources:
            if has_engine(experiment.supervisors.get(name)):
                yield f"combine.beams: {pool.beams}, and `engine: vllm` of supervisor `{name}` has no beam search"
    if method.preference is not None and has_engine(experiment.student):
        yield from _of("preference.candidates", method.preference.candidates)
    if method.refine is not None:
        yield from _refine_complaints("refine", method.refine, experiment)
    for part in parts_of(method):
        if part.select is not None:
            yield from _select_complaints(part.select, experiment)


def _select_complaints(select: Select, experiment: Experiment) -> Iterator[str]:
    needs = SELECTIONS.of(select).needs(select)
    if needs.strong is not None:
        yield from _refine_complaints("select.strong", needs.strong, experiment)
    if needs.reward is not None and has_engine(needs.reward.model):
        yield "select.model.engine: a reward model writes no texts; leave it out"


def _refine_complaints(key: str, refine: Refine, experiment: Experiment) -> Iterator[str]:
    if has_engine(refine.by or experiment.student):
        if refine.decoding is not None:
            yield from _of(f"{key}.decoding", refine.decoding)
        for option in REFINERS.of(refine).decodings:
            yield from _of(f"{key}.{option}", getattr(refine, option))


def has_engine(section: object) -> bool:
    """Whether an engine runs a section's model."""
    model = local_model(section)
    return model is not None and model.engine.type != "hf"


def searches(decoding: Decoding) -> bool:
    """Whether texts are searched with several beams."""
    return decoding.beams > 1 and not decoding.sample


def no_search(key: str, decoding: Decoding) -> str:
    """The message that refuses a search."""
    return (
        f"{key}.beams: {decoding.beams}, and `engine: vllm` has no beam search; use `{key}.beams: 1` with"
        f" `{key}.candidates: 1`, or `{key}.sample: true`"
    )


def _of(key: str, decoding: Decoding) -> Iterator[str]:
    if searches(decoding):
        yield no_search(key, decoding)
