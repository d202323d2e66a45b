"""A pretrained model as a source: a probe, a trained model, or one that is instructed only.

With a probe and in full or LoRA training it learns half A's gold. A *generate* task has its training and its writing
as separate steps.
"""

from outgrow.config.model import ModelSection
from outgrow.config.task import TaskSection
from outgrow.data.task import Kind
from outgrow.graph.step import Step
from outgrow.study.check_models import engine_lacking, model_problems
from outgrow.study.model_cost import Cost, StudySizes, classifier_training, text_training
from outgrow.study.seed_plan import SeedPlan
from outgrow.study.step_params import dump, hints, model_params, trained_params
from outgrow.study.steps import features_input, zero_shot_params
from outgrow.supervise.source_record import AskedJudge, Problems, SourceRecord, TextSource, written_texts

LEARN_CLASSES = "outgrow.training.classifier_steps:train_supervisor"
LEARN_TEXTS = "outgrow.training.text_training_steps:train_text_supervisor"


def votes_step(plan: SeedPlan, name: str, section: ModelSection) -> Step:
    """Trained on half A's gold; answers half B and the test items."""
    params = {
        "adapt": section.adapt,
        "model": model_params(section),
        # Half A is gold, so `select_by` has no meaning here.
        "tune": dump(section.tune or plan.experiment.tune, without=["select_by"]),
        "seed": plan.seed,
        "source": name,
    }
    inputs = {**plan.data, **features_input(plan, section)}
    label = f"{name}, seed {plan.seed}"
    return Step("supervisor", LEARN_CLASSES, params, inputs, hints=hints(plan, section), label=label)


def text_steps(plan: SeedPlan, name: str, section: ModelSection) -> TextSource:
    """A training on half A's gold unless `adapt` is `none`, then what the model writes."""
    model = None
    if is_trained(section):
        params = {"adapt": section.adapt, "model": trained_params(section), "seed": plan.seed}
        label = f"{name}, seed {plan.seed}"
        model = Step("supervisor", LEARN_TEXTS, params, plan.data, version=2, hints=hints(plan, section), label=label)
    return written_texts(plan, name, section, model)


def asked_step(judge: AskedJudge) -> Step:
    """Its zero-shot answers to one prompt."""
    params = zero_shot_params(judge.section)
    function = "outgrow.models.zero_shot:answer"
    return Step("judge", function, params, {"pool": judge.questions}, hints=judge.hints, label=judge.source)


def is_trained(section: ModelSection) -> bool:
    """Whether it learns half A's gold."""
    return section.adapt != "none"


def holds_out(section: ModelSection) -> bool:
    """Whether a training on texts keeps items of half A aside."""
    return is_trained(section) and section.training.keep == "best"


def misfits(where: str, section: ModelSection, task: TaskSection, kind: Kind) -> Problems:
    """Ways of training that a kind of task does not have."""
    if section.reward_head and kind != "choose":
        yield f"{where}.reward_head: a reward model scores the options of a *choose* task; this one is *{kind}*"
    if section.reward_head and section.adapt == "probe":
        yield f"{where}.reward_head: a probe of options is a scalar head already; leave it out"
    if kind == "generate":
        if section.adapt == "probe":
            yield f"{where}.adapt: a `probe` cannot write; use `lora` or `full`"
        return
    if section.adapt == "none":
        yield f"{where}.adapt: `none` is for texts; use `probe`, `lora` or `full`"
    if section.training.keep == "best":
        yield f"{where}.training.keep: `best` is for texts; choose `epochs` by `tune` instead"


def user_code(section: ModelSection) -> list[str]:
    """Code in the model's folder."""
    return [f"trust_remote_code of {section.model}"] if section.trust_remote_code else []


def class_cost(step: Step, sizes: StudySizes) -> Cost:
    """Half A's items, once per fold and point of the grid."""
    return classifier_training(step.settings, sizes.half_a, sizes)


def text_cost(step: Step, sizes: StudySizes) -> Cost:
    """Half A's texts."""
    return text_training(step.settings, step.settings["model"]["training"], sizes.half_a, sizes)


RECORD = SourceRecord(
    ModelSection,
    kinds=frozenset({"classify", "choose", "generate"}),
    votes=votes_step,
    texts=text_steps,
    asked=asked_step,
    trained=is_trained,
    holds_out=holds_out,
    writes=True,
    can_score=lambda section: True,
    code=user_code,
    misfits=misfits,
    check=model_problems,
    check_machine=engine_lacking,
    costs={LEARN_CLASSES: class_cost, LEARN_TEXTS: text_cost},
)
