"""`Study`: the steps of an experiment, and which of them make which row of the final table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from outgrow.config.experiment import Experiment
from outgrow.config.method import Method, Variant
from outgrow.data.task_kind import kind_of
from outgrow.data.user_data import require_columns
from outgrow.graph.code_identity import read_again
from outgrow.graph.step import Step, walk
from outgrow.models.model_size import can_answer
from outgrow.study import text_experiment as texts
from outgrow.study import text_students
from outgrow.study.check_methods import require_fit
from outgrow.study.method_rows import expanded
from outgrow.study.steps import (
    SeedPlan,
    labels_step,
    pool_step,
    split_step,
    student_here,
    supervisor_steps,
    untouched_step,
)
from outgrow.study.text_steps import gathered, ratings_step
from outgrow.study.vote_students import adjusted, ceiling, views_step

VARIANT_NAMES: Mapping[Variant, str] = {
    "self_training": "self-training",
    "matching": "matching",
    "self_training+matching": "self-training + matching",
    "two_views": "two views",
}

Role = Literal["floor", "untouched", "ceiling", "method"]
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
    teachers: tuple[str, ...] = ()
    """method only: the supervisors whose labels it learned from."""
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
    kind = kind_of(experiment.task)
    require_fit(experiment, kind)
    pool = pool_step(experiment)
    require_columns(experiment.task)
    stages = [
        SeedPlan(experiment, seed, pool, split_step(experiment, pool, seed))
        for seed in dict.fromkeys(experiment.seeds)
    ]
    labels, rows = lay_out_texts(experiment, stages) if kind == "generate" else lay_out_votes(experiment, stages)
    return Study(experiment, pool, tuple(stage.split for stage in stages), labels, tuple(rows))


def lay_out_votes(experiment: Experiment, stages: list[SeedPlan]) -> tuple[tuple[Step, ...], list[Row]]:
    """Labels per seed and rows of a study of classes or options."""
    voices = [supervisor_steps(stage) for stage in stages]
    rows = [
        *floor_rows(experiment, voices),
        *untouched_rows(experiment, stages),
        *ceiling_rows(experiment, stages),
        *method_rows(experiment, stages, voices),
    ]
    return tuple(map(labels_step, stages, voices)), rows


def lay_out_texts(experiment: Experiment, stages: list[SeedPlan]) -> tuple[tuple[Step, ...], list[Row]]:
    """Labels per seed and rows of a study of texts."""
    heard = [texts.text_supervisors(stage) for stage in stages]
    rows = [
        Row("floor", name, tuple(voices[name].test for voices in heard), source=name)
        for name in experiment.supervisors
    ]
    if experiment.untouched and texts.can_write(experiment.student):
        answers = tuple(texts.answers(stage, None, texts.UNTOUCHED) for stage in stages)
        rows.append(Row("untouched", "untouched student", answers))
    rows.append(
        Row("ceiling", "ceiling", tuple(texts.answers(stage, text_students.ceiling(stage)) for stage in stages))
    )
    rows += text_method_rows(experiment, stages, heard)
    rows = [replace(row, judged=judgements(experiment, stages, row)) for row in rows]
    written = [{name: voice.half_b for name, voice in voices.items()} for voices in heard]
    labels = tuple(map(gathered, stages, written))
    return labels, rows


def judgements(experiment: Experiment, stages: list[SeedPlan], row: Row) -> dict[str, tuple[Step, ...]]:
    """What every judge says of a row's answers."""
    return {
        name: tuple(
            ratings_step(stage, name, judge, answers, texts.answers(stage, None, texts.UNTOUCHED))
            for stage, answers in zip(stages, row.steps, strict=True)
        )
        for name, judge in experiment.judges.items()
    }


def text_method_rows(
    experiment: Experiment, stages: list[SeedPlan], heard: list[dict[str, texts.TextSupervisor]]
) -> Iterator[Row]:
    """Every method in every variant; a second stage on preferences where the method has one."""
    for method in expanded(experiment):
        for variant in variants_of(method, experiment):
            steps = []
            for stage, voices in zip(stages, heard, strict=True):
                student = text_students.taught_student(stage, method, voices, trained=variant == "self_training")
                steps.append(texts.answers(stage, student))
            yield method_row(experiment, method, variant, steps)


def variants_of(method: Method, experiment: Experiment) -> list[Variant]:
    """The study's variants in which a method is run, in the study's order."""
    wanted = method.variants or experiment.variants
    return [variant for variant in dict.fromkeys(experiment.variants) if variant in wanted]


def row_name(method: Method, variant: Variant) -> str:
    return method.name if variant == "plain" else f"{method.name} + {VARIANT_NAMES[variant]}"


def method_row(experiment: Experiment, method: Method, variant: Variant, steps: Sequence[Step]) -> Row:
    """A method in one variant, with its students' answers under every seed."""
    return Row(
        role="method",
        name=row_name(method, variant),
        steps=tuple(steps),
        method=method.name,
        variant=variant,
        source=method.combine.only_source,
        view="two_views" if variant == "two_views" else "main",
        teachers=method.teachers(experiment.supervisors),
    )


def floor_rows(experiment: Experiment, voices: list[dict[str, Step]]) -> Iterator[Row]:
    """Every supervisor by itself."""
    for name in experiment.supervisors:
        yield Row("floor", name, tuple(steps[name] for steps in voices), source=name)


def untouched_rows(experiment: Experiment, stages: list[SeedPlan]) -> Iterator[Row]:
    """The student before any training, where it is a language model that can answer."""
    section = student_here(experiment)
    if not experiment.untouched or not can_answer(section.model, section.revision):
        return
    step = untouched_step(experiment, stages)
    yield Row("untouched", "untouched student", (step,) * len(stages))


def ceiling_rows(experiment: Experiment, stages: list[SeedPlan]) -> Iterator[Row]:
    """The student on half B's gold; with a second view also the mean of both views' ceilings."""
    main = [ceiling(stage, student_here(experiment)) for stage in stages]
    yield Row("ceiling", "ceiling", tuple(main))
    if experiment.second_view is not None:
        second = [ceiling(stage, experiment.second_view) for stage in stages]
        both = (views_step(*pair, "ceiling") for pair in zip(main, second, strict=True))
        yield Row("ceiling", "ceiling, two views", tuple(both), view="two_views", variant="two_views")


def method_rows(experiment: Experiment, stages: list[SeedPlan], voices: list[dict[str, Step]]) -> Iterator[Row]:
    """Every method in every variant; `single` once for each supervisor."""
    for method in expanded(experiment):
        for variant in variants_of(method, experiment):
            pairs = zip(stages, voices, strict=True)
            steps = [adjusted(stage, method, supervisors, variant) for stage, supervisors in pairs]
            yield method_row(experiment, method, variant, steps)
