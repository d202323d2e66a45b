"""`Study`: the steps of an experiment, and which of them make which row of the final table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method, Variant
from outgrow.data.task_kind import kind_of
from outgrow.data.user_data import half_b_has_gold, require_columns
from outgrow.graph.code_identity import read_again
from outgrow.graph.step import Step, walk
from outgrow.models.model_size import can_answer
from outgrow.study import text_steps as texts
from outgrow.study import text_students
from outgrow.study import vote_students as votes
from outgrow.study.check_methods import require_fit
from outgrow.study.gold_use import GoldUse, control_methods, gold_use
from outgrow.study.method_rows import expanded, with_methods_for
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.steps import UNTOUCHED, pool_step, split_step, student_here, untouched_step
from outgrow.supervise.sources import SOURCES

VARIANT_NAMES: Mapping[Variant, str] = {
    "self_training": "self-training",
    "matching": "matching",
    "self_training+matching": "self-training + matching",
    "two_views": "two views",
}

Role = Literal["floor", "untouched", "ceiling", "method", "control"]
"""`control`: a method whose student learns half A's gold."""
View = Literal["main", "two_views"]


@dataclass(frozen=True)
class Row:
    """One row of the table: the same thing measured under every seed."""

    role: Role
    name: str
    steps: tuple[Step, ...]
    """One per seed; each holds `test.parquet` (and, but for `untouched`, `half_b.parquet`)."""
    method: str = ""
    variant: Variant = "plain"
    source: str | None = None
    """The one supervisor that a floor or a single weak-to-strong row is about."""
    view: View = "main"
    """Which ceiling the row is held against."""
    sources: tuple[str, ...] = ()
    """method only: the supervisors whose labels it learned from."""
    gold: GoldUse = "none"
    """Which gold it uses beside its supervisors' labels; of a floor, which gold the supervisor learns."""
    judged: Mapping[str, tuple[Step, ...]] = field(default_factory=dict)
    """By judge, its ratings of the row's answers; one step per seed."""


@dataclass(frozen=True)
class Study:
    """The steps of an experiment, and what each is for."""

    experiment: Experiment
    pool: Step
    splits: tuple[Step, ...]
    labels: tuple[Step, ...]
    rows: tuple[Row, ...]

    @property
    def steps(self) -> list[Step]:
        """Everything the study needs, each step once, inputs before users."""
        ratings = [step for row in self.rows for steps in row.judged.values() for step in steps]
        return walk([*self.labels, *(step for row in self.rows for step in row.steps), *ratings])


def build_study(experiment: Experiment) -> Study:
    """Lay out all steps of `experiment`.

    Raises `DataError` for a missing local file, column or model folder, `ConfigError` for what this kind of task
    cannot have.
    """
    read_again()
    task, kind = experiment.task, kind_of(experiment.task)
    experiment = with_methods_for(experiment, kind)
    require_fit(experiment, kind)
    pool = pool_step(task)
    require_columns(task)
    seeds = dict.fromkeys(experiment.seeds)
    plans = [SeedPlan(experiment, seed, pool, split_step(task, pool, seed)) for seed in seeds]
    labels, rows = (text_study if kind == "generate" else vote_study)(experiment, plans)
    if not half_b_has_gold(task):
        rows = [row for row in rows if row.role != "ceiling"]
    return Study(experiment, pool, tuple(plan.split for plan in plans), labels, tuple(rows))


def variants_of(method: Method, experiment: Experiment) -> list[Variant]:
    """The study's variants in which a method is run, in the study's order."""
    variants = method.variants or experiment.variants
    return [variant for variant in dict.fromkeys(experiment.variants) if variant in variants]


def row_name(method: Method, variant: Variant) -> str:
    """The method's name, with the variant's unless it is plain."""
    return method.name if variant == "plain" else f"{method.name} + {VARIANT_NAMES[variant]}"


def method_rows(experiment: Experiment, student: Callable[[int, Method, Variant], Step]) -> Iterator[Row]:
    """Every method in every variant; `student` gives its student under a seed, by the seed's index."""
    pairs = [(method, variant) for method in expanded(experiment) for variant in variants_of(method, experiment)]
    for method, variant in pairs:
        yield _method_row(experiment, method, variant, student)


def control_rows(experiment: Experiment, student: Callable[[int, Method, Variant], Step]) -> Iterator[Row]:
    """The controls that the study adds."""
    for method in control_methods(experiment):
        yield _method_row(experiment, method, "plain", student)


def _method_row(
    experiment: Experiment, method: Method, variant: Variant, student: Callable[[int, Method, Variant], Step]
) -> Row:
    return Row(
        role="method" if method.half_a_gold == "unused" else "control",
        name=row_name(method, variant),
        steps=tuple(student(index, method, variant) for index in range(len(dict.fromkeys(experiment.seeds)))),
        method=method.name,
        variant=variant,
        source=method.combine.only_source,
        view="two_views" if variant == "two_views" else "main",
        sources=method.sources_among(experiment.supervisors),
        gold=gold_use(method, experiment),
    )


# ---- votes ----------------------------------------------------------------------------------------------


def vote_study(experiment: Experiment, plans: list[SeedPlan]) -> tuple[tuple[Step, ...], list[Row]]:
    """Labels per seed and rows of a study of classes or options."""
    sources = [votes.supervisor_steps(plan) for plan in plans]

    def student(index: int, method: Method, variant: Variant) -> Step:
        return votes.variant_student(plans[index], method, sources[index], variant)

    rows = [
        *_floor_rows(experiment, sources),
        *_untouched_rows(experiment, plans),
        *_ceiling_rows(experiment, plans),
        *method_rows(experiment, student),
        *control_rows(experiment, student),
    ]
    return tuple(map(votes.labels_step, plans, sources)), rows


def _floor_rows(experiment: Experiment, sources: Sequence[Mapping[str, Step]]) -> Iterator[Row]:
    """Every supervisor, whose `sources` are steps by name, for every seed."""
    for name, section in experiment.supervisors.items():
        gold: GoldUse = "half_a" if SOURCES.of(section).trained(section) else "none"
        yield Row("floor", name, tuple(steps[name] for steps in sources), source=name, gold=gold)


def _untouched_rows(experiment: Experiment, plans: list[SeedPlan]) -> Iterator[Row]:
    """The student before any training, if it is a language model that can answer."""
    section = student_here(experiment)
    if experiment.untouched and can_answer(section.model, section.revision):
        yield Row("untouched", "untouched student", (untouched_step(plans),) * len(plans))


def _ceiling_rows(experiment: Experiment, plans: list[SeedPlan]) -> Iterator[Row]:
    """The student on half B's gold; with a second view also the mean of both views' ceilings."""
    main = [votes.ceiling(plan, student_here(experiment)) for plan in plans]
    yield Row("ceiling", "ceiling", tuple(main), gold="half_b")
    if experiment.second_view is not None:
        second = [votes.ceiling(plan, experiment.second_view) for plan in plans]
        both = (votes.views_step(*views, "ceiling") for views in zip(main, second, strict=True))
        name = "ceiling, two views"
        yield Row("ceiling", name, tuple(both), view="two_views", variant="two_views", gold="half_b")


# ---- texts ----------------------------------------------------------------------------------------------


def text_study(experiment: Experiment, plans: list[SeedPlan]) -> tuple[tuple[Step, ...], list[Row]]:
    """Labels per seed and rows of a study of texts."""
    sources = [texts.text_sources(plan) for plan in plans]

    def answers(index: int, method: Method, variant: Variant) -> Step:
        self_training = variant == "self_training"
        student = text_students.trained_student(plans[index], method, sources[index], self_training)
        return texts.answers(plans[index], student)

    answered = [{name: source.test for name, source in steps.items()} for steps in sources]
    rows = list(_floor_rows(experiment, answered))
    if experiment.untouched and texts.can_write(experiment.student):
        untouched = tuple(texts.answers(plan, None, UNTOUCHED) for plan in plans)
        rows.append(Row("untouched", "untouched student", untouched))
    ceiling = tuple(texts.answers(plan, text_students.ceiling(plan)) for plan in plans)
    rows.append(Row("ceiling", "ceiling", ceiling, gold="half_b"))
    rows += [*method_rows(experiment, answers), *control_rows(experiment, answers)]
    rows = [replace(row, judged=_ratings(experiment, plans, row)) for row in rows]
    labels = [
        texts.gathered(plan, {name: source.half_b for name, source in steps.items()})
        for plan, steps in zip(plans, sources, strict=True)
    ]
    return tuple(labels), rows


def _ratings(experiment: Experiment, plans: list[SeedPlan], row: Row) -> dict[str, tuple[Step, ...]]:
    """Every judge's ratings of a row's answers."""
    return {
        name: tuple(
            texts.ratings_step(plan, name, judge, answers, texts.answers(plan, None, UNTOUCHED))
            for plan, answers in zip(plans, row.steps, strict=True)
        )
        for name, judge in experiment.judges.items()
    }
