"""A paragraph on the methods of a study, written from its settings, for a paper.

It says what was done and never what was found: data, supervisors, student, rows, tuning, estimates, software. Papers
are cited by their keys in `references.bib`. The same settings give the same words.
"""

from collections.abc import Callable, Iterable, Sequence

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method
from outgrow.config.model import LanguageModel, ModelSection, local_model
from outgrow.config.section import Section
from outgrow.extensions import registries
from outgrow.reporting.about import About
from outgrow.reporting.references import papers_in
from outgrow.study.gold_use import control_methods
from outgrow.study.method_rows import parts_of
from outgrow.supervise.sources import SOURCES
from outgrow.text_format import many

Cite = Callable[[Sequence[str]], str]
"""From keys of papers to a citation."""
ADAPT = {
    "probe": "a linear head on frozen hidden states",
    "lora": "low-rank adapters",
    "full": "all weights trained",
    "none": "not trained",
}
TUNED_BY = {
    "weak_accuracy": "agreement with the weak labels of held-out items",
    "weak_log_loss": "the log loss on the weak labels of held-out items",
    "half_a_log_loss": "the log loss on the gold labels of half A",
    "gold_accuracy": "accuracy on held-out gold labels of half B (oracle selection)",
}
STOPPED_BY = {
    "weak": "stopped early by held-out weak labels",
    "gold": "stopped early by held-out gold labels of half B (an oracle)",
}
VARIANTS = {
    "plain": "without self-training",
    "self_training": "with self-training",
    "matching": "with matched class marginals",
    "self_training+matching": "with self-training and matched class marginals",
    "two_views": "averaged over two views",
}


def in_brackets(keys: Sequence[str]) -> str:
    """A citation for plain text: `[burns2023weak]`."""
    return f" [{', '.join(keys)}]" if keys else ""


def methods_paragraph(about: About, experiment: Experiment, version: str, cite: Cite = in_brackets) -> str:
    """The paragraph; `version` is that of outgrow."""
    parts = (
        _data(about, experiment, cite),
        _supervisors(about, experiment),
        _student(experiment),
        _methods(experiment, cite),
        _tuning(about, experiment),
        _estimates(about, cite),
        f"All experiments were run with outgrow {version}.",
    )
    return " ".join(part for part in parts if part)


def _data(about: About, experiment: Experiment, cite: Cite) -> str:
    what = {
        "classify": f"classification into {len(about.classes)} classes",
        "choose": "multiple choice",
        "generate": f"generation of texts, scored by {about.metric_title}",
    }[about.kind]
    setting = (
        f"We study weak-to-strong generalization{cite(['burns2023weak', 'cui2025bayesian'])} on {about.task} ({what})."
    )
    if not about.sizes:
        return setting
    seeds = f"For each of {len(about.seeds)} seeds the" if len(about.seeds) > 1 else "The"
    return (
        f"{setting} {seeds} items are split at random into half A"
        f" ({about.sizes['half_a']} items), half B ({about.sizes['half_b']} items) and {about.sizes['test']} items for"
        " the test."
    )


# ---- models ---------------------------------------------------------------------------------------------


def _supervisors(about: About, experiment: Experiment) -> str:
    taught = {name: section for name, section in experiment.supervisors.items() if name not in about.untaught}
    untaught = {name: section for name, section in experiment.supervisors.items() if name in about.untaught}
    sentences = []
    if taught:
        verb = "is" if len(taught) == 1 else "are"
        sentences.append(
            f"{_count(taught)} ({_described(taught)}) {verb} trained on the gold labels of half A and"
            f" label{'s' * (len(taught) == 1)} half B."
        )
    if untaught:
        verb = "labels" if len(untaught) == 1 else "label"
        sentences.append(f"{_count(untaught)} ({_described(untaught)}) {verb} half B without training.")
    return " ".join(sentences)


def _count(sections: dict[str, Section]) -> str:
    return "One supervisor" if len(sections) == 1 else f"{len(sections)} supervisors"


def _described(sections: dict[str, Section]) -> str:
    return "; ".join(f"{name}: {_model(section)}" for name, section in sections.items())


def _model(section: Section) -> str:
    """`org/name, low-rank adapters`; of a source that is no language model, the type of the source."""
    model = local_model(section)
    if model is not None:
        return f"{_name(model)}, {_adapted(model)}"
    name = dict(section).get("model")
    return f"{name} behind a server" if isinstance(name, str) else SOURCES.of(section).name.replace("_", " ")


def _name(model: ModelSection) -> str:
    cut = f", dimensions 1 to {model.dims}" if model.dims else ""
    return f"{model.model}{f' at revision {model.revision}' if model.revision else ''}{cut}"


def _adapted(model: ModelSection) -> str:
    if model.adapt != "probe" or model.layer is None:
        return ADAPT[model.adapt]
    layers = model.layer if isinstance(model.layer, list) else [model.layer]
    return f"{ADAPT['probe']} of layer {' or '.join(map(str, layers))}"


def _student(experiment: Experiment) -> str:
    student: LanguageModel = experiment.student
    return (
        f"The student ({_model(student)}) learns from these labels and sees no gold label of half B; the ceiling is"
        " the same student trained on the gold labels of half B."
    )


# ---- rows -----------------------------------------------------------------------------------------------


def _methods(experiment: Experiment, cite: Cite) -> str:
    rows = "; ".join(_method(method, cite) for method in experiment.methods)
    variants = " and ".join(VARIANTS[variant] for variant in dict.fromkeys(experiment.variants))
    text = (
        f"We compare {many(len(experiment.methods), 'method')}: {rows}. Each is run {variants}, unless said otherwise."
    )
    if any("self_training" in variant for variant in experiment.variants):
        gamma = experiment.self_training.gamma_max
        text += (
            f" Self-training mixes the loss with that of the student's own hardened predictions"
            f"{cite(['burns2023weak'])}, whose weight grows to {gamma:g}."
        )
    controls = [method.name for method in control_methods(experiment)]
    if controls:
        text += f" Controls that learn gold labels of half A: {', '.join(controls)}."
    return text


def _method(method: Method, cite: Cite) -> str:
    parts = parts_of(method)
    kept = "last" if method.evaluations is None else method.evaluations.keep
    steps = [
        *(["labels rewritten by " + _extension(method.refine, cite)] if method.refine is not None else []),
        f"labels combined by {_extension(method.combine, cite)}",
        *(
            f"trained on labels selected by {_extension(part.select, cite)}"
            for part in parts
            if part.select is not None
        ),
        "loss " + ", then ".join(dict.fromkeys(_extension(part.loss, cite) for part in parts)),
        *([STOPPED_BY[kept]] if kept in STOPPED_BY else []),
        *([f"{method.rounds} rounds"] if method.rounds > 1 else []),
        *([f"a further training on preferences ({method.preference.loss})"] if method.preference is not None else []),
        *([f"with {method.noise:.0%} of the labels exchanged"] if method.noise else []),
    ]
    return f"{method.name} ({', '.join(steps)})"


def _extension(section: Section, cite: Cite) -> str:
    """The name of an extension with its papers."""
    for registry in registries().values():
        record = registry.find(section)
        if record is not None:
            keys = [reference.key for reference in papers_in(record.paper)]
            return f"{record.name.replace('_', ' ')}{cite(keys)}"
    return str(dict(section).get("type", ""))


# ---- numbers --------------------------------------------------------------------------------------------


def _tuning(about: About, experiment: Experiment) -> str:
    if about.of_texts:
        return "All methods train with the same settings; no choice uses test items."
    tune = experiment.tune
    chosen = list(
        dict.fromkeys([tune.select_by, *(m.select_by for m in experiment.methods if m.select_by is not None)])
    )
    grid = {"L2 penalty": tune.l2, "learning rate": tune.lr, "epochs": tune.epochs}
    searched = "; ".join(f"{name} {_numbers(values)}" for name, values in grid.items() if values and len(values) > 1)
    over = f" over one grid ({searched})" if searched else ""
    rules = " or ".join(TUNED_BY[rule] for rule in chosen)
    return f"Settings of every method are chosen{over} by {rules}, with {tune.folds} folds; no choice uses test items."


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _estimates(about: About, cite: Cite) -> str:
    several = len(about.seeds) > 1
    of = "test items and seeds" if several else "test items"
    fixed = f" The headline is about {about.headline}, fixed before any result." if about.headline else ""
    mean = ", averaged over seeds," if several else ""
    return (
        f"We report test {about.metric_title}{mean} with 95 % percentile intervals of a paired bootstrap over {of}"
        f" ({about.resamples} resamples), and the performance gap recovered, (student − supervisor) / (ceiling −"
        f" supervisor), for each supervisor and then averaged{cite(['burns2023weak'])}.{fixed}"
    )
