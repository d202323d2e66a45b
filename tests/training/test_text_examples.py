"""The loss of a text equals its definition: dense logits, targets by hand, float64."""

import numpy as np
import pytest
import torch
from tiny_texts import EVIDENTIAL, LORA, PLAIN, SOFT, guessed, train_words
from torch.nn.functional import one_hot

from drawn_seeds import SEEDS
from outgrow.align.spelling import spelling_of
from outgrow.errors import ConfigError, DataError
from outgrow.generation.prompting import prompter_of
from outgrow.models.load_model import load_causal_lm, load_tokenizer
from outgrow.texts import TextTargets
from outgrow.training.fine_tune import with_adapter
from outgrow.training.text_examples import (
    CERTAIN,
    TextExamples,
    TextLoss,
    answer_states,
    confidences,
    logits_of,
    output_layer,
    output_matrix,
    require_plain_logits,
)
from outgrow.training.text_tokenizer import TextTokenizer, tokenize_targets
from tiny_writers import fresh_model

CPU = torch.device("cpu")
OWN = {"gamma_max": 0.5, "ramp": 0.8, "harden": "argmax"}
OBJECTIVES = {
    "soft": TextLoss(PLAIN, SOFT),
    "soft, by words": TextLoss(PLAIN, {**SOFT, "unit": "word"}),
    "soft, warm": TextLoss(PLAIN, {**SOFT, "temperature": 0.3}),
    "soft, equal shares": TextLoss(PLAIN, {**SOFT, "split": "uniform"}),
    "label only": TextLoss(PLAIN, {**SOFT, "rest": "target_only"}),
    "one-hot": TextLoss(PLAIN, {**SOFT, "rest": "onehot"}),
    "soft, own labels": TextLoss(PLAIN, SOFT, OWN),
    "evidential": TextLoss({**EVIDENTIAL, "kl_weight": 0.1}, SOFT),
    "evidential, per class": TextLoss({**EVIDENTIAL, "kl": "per_class", "kl_weight": 0.1}, {**SOFT, "unit": "word"}),
    "evidential, at once": TextLoss({**EVIDENTIAL, "kl_anneal": False, "kl_weight": 0.1}, SOFT, OWN),
    "evidential, clamped": TextLoss({**EVIDENTIAL, "kl_clamp": 3.0, "kl_weight": 0.1}, SOFT),
}


def lesson(folder, seed=0, n=6, unit="span"):
    """The model in float64, its targets (some without an end), and the rows they become."""
    rng = np.random.default_rng(seed)
    prompts, texts = zip(*train_words(n, seed), strict=True)
    tables = [guessed(text, rng, closed=number % 3 > 0) for number, text in enumerate(texts)]
    items = [f"i{number}" for number in range(n)]
    targets = TextTargets(items, list(texts), tables, rng.uniform(0.2, 1, n))
    tokenizer, model = load_tokenizer(folder), load_causal_lm(folder).double()
    reader = TextTokenizer(prompter_of(tokenizer), spelling_of(tokenizer.backend_tokenizer), 128)
    read = tokenize_targets(targets, dict(zip(items, prompts, strict=True)), reader, unit)
    return model, tokenizer, targets, read


def examples_of(read, targets, objective, weight=None):
    weight = torch.tensor(targets.weight[read.kept]) if weight is None else weight
    return TextExamples(read.rows, np.arange(len(read.rows)), weight, 0, objective)


def loss_of(model, examples, rows, progress=0.4):
    chosen = torch.tensor(rows)
    outputs = examples.outputs(model, chosen, CPU)
    return examples.loss(model, outputs, chosen, examples.weight[chosen], progress)


def groups_by_hand(text, table, ends, unit):
    """Which bytes both sides end a piece at; each token's group and each group's log-probability."""
    data = text.encode()
    both = {int(end) for end in table.end} & {int(end) for end in ends}
    if unit == "word":
        starts = {place for place in range(1, len(data)) if data[place : place + 1] == b" "}
        both &= {place for place in starts if data[place - 1 : place] != b" "} | {len(data), len(data) + 1}
    common = sorted(both)
    group = [next(number for number, end in enumerate(common) if here <= end) for here in ends]
    logprob = [0.0] * len(common)
    for end, value in zip(table.end, table.logprob, strict=True):
        logprob[next(number for number, until in enumerate(common) if end <= until)] += float(value)
    return group, logprob


def divergence(alpha):
    """KL(Dir(alpha) || Dir(1))."""
    total = alpha.sum(-1)
    inner = ((alpha - 1) * (torch.digamma(alpha) - torch.digamma(total)[..., None])).sum(-1)
    return torch.lgamma(total) - torch.lgamma(torch.tensor(alpha.shape[-1]).double()) - alpha.lgamma().sum(-1) + inner


def target_by_hand(p, label, group, logprob, soft):
    """The dense target of every token of one text."""
    confidence = p.max(1).values
    target = []
    for step, token in enumerate(label):
        members = [other for other in range(len(label)) if group[other] == group[step]]
        scores = [-confidence[other] / soft["temperature"] for other in members]
        share = torch.stack(scores).softmax(0)[members.index(step)]
        share = share if soft["split"] == "confidence" else torch.tensor(1 / len(members)).double()
        t = torch.ones(()).double() if soft["rest"] == "onehot" else (share * logprob[group[step]]).exp()
        rest = p[step].clone()
        rest[token] = 0
        y = rest / rest.sum() * (1 - t) if soft["rest"] == "student" else torch.zeros_like(rest)
        y[token] = t
        target.append(y)
    return torch.stack(target)


def defined_loss(model, tokenizer, text, table, prompt, objective, progress):
    """The mean loss of one text's tokens."""
    label = tokenizer(text)["input_ids"]
    spelling = spelling_of(tokenizer.backend_tokenizer)
    ends = np.cumsum([len(word) for word in spelling.spell(label)]).tolist()
    if table.end[-1] > len(text.encode()):
        label, ends = [*label, tokenizer.eos_token_id], [*ends, len(text.encode()) + 1]
    ids = tokenizer(prompt + "\n")["input_ids"]
    logits = model(input_ids=torch.tensor([ids + label])).logits[0, len(ids) - 1 : -1]
    p = logits.detach().softmax(-1)
    soft, kl_weight = objective.soft_labels, objective.loss.get("kl_weight")
    y = target_by_hand(p, label, *groups_by_hand(text, table, ends, soft["unit"]), soft)
    own = one_hot(p.argmax(1), p.shape[1]).double()
    gamma = 0.0
    if objective.self_training is not None:
        gamma = objective.self_training["gamma_max"] * min(1.0, progress / objective.self_training["ramp"])
    if objective.loss["type"] == "cross_entropy":
        log_p = logits.log_softmax(-1)
        given = (torch.special.xlogy(y, y) - y * log_p).sum(1)
        return ((1 - gamma) * given - gamma * (own * log_p).sum(1)).mean()
    y, alpha = (1 - gamma) * y + gamma * own, logits.exp() + 1
    nll = (y * (alpha.sum(1, keepdim=True).log() - alpha.log())).sum(1)
    if objective.loss["kl"] == "mixed":
        penalty = divergence(y + (1 - y) * alpha)
    else:
        penalty = sum(y[:, k] * divergence(alpha.index_fill(1, torch.tensor([k]), 1.0)) for k in range(y.shape[1]))
    raised = penalty * (progress if objective.loss["kl_anneal"] else 1.0)
    clamp = objective.loss["kl_clamp"]
    return (nll + kl_weight * raised.clamp(-clamp, clamp)).mean()


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("family", ["llama", "phi"])
def test_the_loss_of_a_row_is_its_definition_and_so_is_its_gradient(writing, family, name):
    objective = OBJECTIVES[name]
    unit = objective.soft_labels["unit"]
    model, tokenizer, targets, read = lesson(writing(family), SEEDS[0], n=4, unit=unit)
    examples = examples_of(read, targets, objective)
    prompts = [prompt for prompt, _ in train_words(4, SEEDS[0])]
    rows = zip(targets.texts, targets.pieces, prompts, strict=True)
    expected = [defined_loss(model, tokenizer, *row, objective, 0.4) for row in rows]
    found = [loss_of(model, examples, [row]) / examples.weight[row] for row in range(4)]
    assert torch.stack(found).tolist() == pytest.approx(torch.stack(expected).tolist(), rel=1e-8)
    parameters = list(model.parameters())
    whole = sum(weight * loss for weight, loss in zip(examples.weight, expected, strict=True))
    by_hand = torch.autograd.grad(whole, parameters)
    ours = torch.autograd.grad(loss_of(model, examples, [0, 1, 2, 3]), parameters)
    assert max(abs(one - other).max() for one, other in zip(by_hand, ours, strict=True)) < 1e-6, (
        "torch's trigamma is good to 1e-7"
    )


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("name", ["soft", "evidential, at once"])
def test_neighbours_padding_and_order_do_not_change_a_rows_loss(writing, family, name):
    model, _, targets, read = lesson(writing(family), SEEDS[1], n=9)
    model.eval()
    examples = examples_of(read, targets, OBJECTIVES[name])
    assert len(set(examples.lengths.tolist())) > 3
    alone = sum(loss_of(model, examples, [row]).item() for row in range(9))
    shuffled = np.random.default_rng(SEEDS[1]).permutation(9).tolist()
    assert loss_of(model, examples, list(range(9))).item() == pytest.approx(alone, rel=1e-9)
    assert loss_of(model, examples, shuffled).item() == pytest.approx(alone, rel=1e-9)


def test_a_source_that_is_counted_twice_at_half_the_weight_changes_nothing(writing):
    model, _, targets, read = lesson(writing("llama"), SEEDS[2])
    whole = examples_of(read, targets, OBJECTIVES["evidential"])
    item, half = np.tile(whole.item, 2), torch.cat([whole.weight / 2] * 2)
    twice = TextExamples([*read.rows, *read.rows], item, half, 0, OBJECTIVES["evidential"])
    once = loss_of(model, whole, list(range(6))).item()
    assert loss_of(model, twice, list(range(12))).item() == pytest.approx(once, rel=1e-9)


def test_certain_targets_make_plain_cross_entropy(writing):
    """Whatever the reading of the rest: a certain label leaves nothing for it."""
    model, _, targets, read = lesson(writing("llama"))
    sure = [row._replace(logprob=np.zeros_like(row.logprob)) for row in read.rows]
    weight = torch.tensor(targets.weight)
    losses = [
        loss_of(model, TextExamples(sure, np.arange(6), weight, 0, objective), list(range(6))).item()
        for objective in (CERTAIN, OBJECTIVES["soft"], OBJECTIVES["label only"], OBJECTIVES["one-hot"])
    ]
    assert losses == pytest.approx([losses[0]] * 4, rel=1e-9)


def test_hidden_states_and_output_layer_are_the_models_logits_under_an_adapter_too(writing):
    model, _, _, read = lesson(writing("llama"))
    adapted = with_adapter(model.float(), LORA, "generate")
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    row = read.rows[0]
    with torch.no_grad():
        states = answer_states(adapted, [(row.prompt, row.answer)], 0, CPU)
        logits = adapted(input_ids=torch.tensor([row.prompt + row.answer])).logits[0, len(row.prompt) - 1 : -1]
    assert torch.allclose(logits_of(states, output_layer(adapted)), logits, atol=1e-4)
    assert torch.allclose(confidences(states, output_layer(adapted)), logits.softmax(-1).amax(1), atol=1e-5)
    with adapted.disable_adapter(), torch.no_grad():
        assert not torch.allclose(answer_states(adapted, [(row.prompt, row.answer)], 0, CPU), states, atol=1e-2)


@pytest.mark.parametrize("family", ["gemma2", "cohere"])
def test_models_that_cap_or_scale_their_logits_are_refused(family):
    with pytest.raises(DataError, match=f"model `tiny {family}` scales or caps its logits"):
        require_plain_logits(fresh_model(family).eval(), f"tiny {family}")


@pytest.mark.parametrize("family", ["llama", "gpt2", "phi", "gemma3"])
def test_plain_models_are_not_refused(family):
    require_plain_logits(fresh_model(family).eval(), family)


def test_a_frozen_output_layer_is_converted_once_and_a_trained_one_every_time():
    frozen, trained = torch.nn.Linear(3, 5), torch.nn.Linear(3, 5)
    frozen.requires_grad_(False)
    first = output_matrix(frozen, torch.bfloat16)
    assert first.dtype == torch.bfloat16
    assert output_matrix(frozen, torch.bfloat16) is first
    assert output_matrix(frozen, torch.float32).equal(frozen.weight)
    before = output_matrix(trained, torch.bfloat16)
    with torch.no_grad():
        trained.weight.add_(1.0)
    after = output_matrix(trained, torch.bfloat16)
    assert after.equal(trained.weight.bfloat16())
    assert not after.equal(before)


def test_an_adapter_on_the_output_layer_is_refused():
    adapted = with_adapter(fresh_model("llama"), {**LORA, "modules": ["lm_head"]}, "generate")
    with pytest.raises(ConfigError, match=r"lora\.modules"):
        output_layer(adapted)


@pytest.mark.parametrize(
    ("loss", "own", "said"),
    [
        ({"type": "product"}, None, "classes only"),
        (PLAIN, {**OWN, "harden": "balanced"}, "by argmax only"),
    ],
)
def test_losses_that_texts_cannot_have_are_value_errors(loss, own, said):
    with pytest.raises(ValueError, match=said):
        TextLoss(loss, SOFT, own)
