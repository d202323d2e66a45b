"""Logs of evaluations of language models: the answers of each model are votes, the targets are gold.

promptfoo results  {"results": {"results": [{"testIdx": 0, "provider": {"id": …}, "vars": {…}, "success": true,
                   "response": {"output": "yes"}}]}}: the source is the provider (and the prompt, if there are several)
Inspect log        {"eval": {"model": …}, "samples": [{"id": 1, "epoch": 1, "input": …, "target": "A",
                   "output": {"completion": "A"}, "scores": {"choice": {"value": "C", "answer": "A"}}}]}
lm-eval samples    JSON lines: {"doc_id": 0, "doc": {…}, "target": 1, "filtered_resps": [["-3.2", "False"], …]}

`label=answer` (the default) reads answers. `label=correct` reads whether an answer was judged right: promptfoo's
`success`, the value of Inspect's scorer, lm-eval's `acc` or `exact_match`. An epoch is a repeated vote: `repeats`
decides. lm-eval's file is of one model, whose name is the source: give it by `one_source`. Of multiple-choice tasks
the answer is the number of the option with the highest log-likelihood; its confidence is the softmax of these.
"""

from math import exp
from typing import Any

from outgrow.config.votes import VoteColumns
from outgrow.errors import ConfigError
from outgrow.readers.platforms.export import (
    Answer,
    Export,
    Object,
    Platform,
    first_rows,
    has,
    item_of,
    made,
    mapping,
    objects,
    scalar,
    scalars,
)
from outgrow.readers.source_table import SourceTable, stem_of
from outgrow.text_format import listed

ANSWER, CORRECT = "answer", "correct"
SCORES = ("acc", "exact_match")
INPUTS = ("question", "query", "text", "input", "passage", "problem")
PATHS_OF_PROMPTFOO = [
    ("item", "results.results[].testIdx"),
    ("source", "results.results[].provider"),
    ("label", "results.results[].response.output"),
    ("seconds", "results.results[].latencyMs"),
    ("gold", "results.results[].testCase.assert[]"),
]
PATHS_OF_INSPECT = [
    ("item", "samples[].id"),
    ("source", "eval.model"),
    ("label", "samples[].scores"),
    ("gold", "samples[].target"),
]
PATHS_OF_LM_EVAL = [("item", "doc_id"), ("label", "filtered_resps"), ("gold", "target")]


def _asked(origin: str, columns: VoteColumns) -> str:
    label = columns.label or ANSWER
    if label not in (ANSWER, CORRECT):
        raise ConfigError(f"{origin}: `label` is `{ANSWER}` or `{CORRECT}` in a log of models, not `{label}`")
    return label


def _read_promptfoo(table: SourceTable, columns: VoteColumns) -> Export:
    asked, results = _asked(table.origin, columns), _results(table)
    several = len({_prompt(result) for result in results}) > 1
    answers = []
    for index, result in enumerate(results, 1):
        place = f"{table.origin}, result {index}"
        case = mapping(result.get("testCase"))
        values = scalars(result.get("vars")) or scalars(case.get("vars"))
        number = result.get("testIdx", case.get("description"))
        item = item_of(values, columns.item, number if number is not None else str(values), place, usual="testIdx")
        source = _provider(result) + (f", prompt {_prompt(result)}" if several else "")
        said, expected = scalar(mapping(result.get("response")).get("output")), _expected(case)
        if asked == CORRECT:
            said, expected = result.get("success"), None
        seconds = result.get("latencyMs")
        taken = seconds / 1000 if isinstance(seconds, int | float) else None
        answers.append(Answer(place, item, source, said, seconds=taken, gold=expected, about=values))
    return made(table, answers, columns, f"results of promptfoo, `{asked}`", paths=PATHS_OF_PROMPTFOO)


def _results(table: SourceTable) -> list[Object]:
    rows = table.rows
    within = mapping(rows[0].get("results")).get("results") if len(rows) == 1 else None
    return objects(within) or (objects(rows[0].get("results")) if rows else [])


def _provider(result: Object) -> str:
    provider = result.get("provider")
    if isinstance(provider, dict):
        return str(provider.get("label") or provider.get("id"))
    return str(provider)


def _prompt(result: Object) -> Any:
    return scalar(result.get("promptIdx", result.get("promptId")))


def _expected(case: Object) -> Any:
    """The answer that a test asserts by equality."""
    equal = [check.get("value") for check in objects(case.get("assert")) if check.get("type") == "equals"]
    return scalar(equal[0]) if len(equal) == 1 else None


def _read_inspect(table: SourceTable, columns: VoteColumns) -> Export:
    asked, log = _asked(table.origin, columns), table.rows[0]
    model = str(mapping(log.get("eval")).get("model") or stem_of(table.origin))
    answers = []
    for index, sample in enumerate(objects(log.get("samples")), 1):
        place = f"{table.origin}, sample {sample.get('id', index)}"
        item = item_of(scalars(sample) | scalars(sample.get("metadata")), columns.item, sample.get("id", index), place)
        score = next(iter(objects(list(mapping(sample.get("scores")).values()))), {})
        output = mapping(sample.get("output"))
        said = score.get("answer") if score.get("answer") is not None else _completion(output)
        target = sample.get("target")
        gold = scalar(target[0] if isinstance(target, list) and len(target) == 1 else target)
        if asked == CORRECT:
            said, gold = score.get("value"), None
        about = {"text": sample["input"]} if isinstance(sample.get("input"), str) else {}
        answers.append(Answer(place, item, columns.one_source or model, scalar(said), gold=gold, about=about))
    used = columns.model_copy(update={"one_source": None})
    return made(table, answers, used, f"a log of Inspect, model `{model}`, `{asked}`", paths=PATHS_OF_INSPECT)


def _completion(output: Object) -> Any:
    """The text of a model's first completion."""
    if isinstance(output.get("completion"), str):
        return output["completion"]
    return scalar(mapping(next(iter(objects(output.get("choices"))), {}).get("message")).get("content"))


def _read_lm_eval(table: SourceTable, columns: VoteColumns) -> Export:
    asked, rows = _asked(table.origin, columns), table.rows
    source = columns.one_source or stem_of(table.origin)
    filters = list(dict.fromkeys(str(row.get("filter")) for row in rows))
    wanted = columns.where.get("filter", (filters[0],))
    notes = [
        f"Answers of the filter `{wanted[0]}` count, of the filters {listed(filters)}; `where=filter=…` names another."
    ]
    counted = [(index, row) for index, row in enumerate(rows) if str(row.get("filter")) in wanted]
    answers = [_lm_eval_answer(table.place(index), row, asked, source, columns) for index, row in counted]
    used = columns.model_copy(
        update={
            "one_source": None,
            "where": {name: values for name, values in columns.where.items() if name != "filter"},
        }
    )
    form = f"samples of lm-eval, all by one source, `{source}`, `{asked}`"
    return made(table, answers, used, form, *(notes if len(filters) > 1 else []), paths=PATHS_OF_LM_EVAL)


def _lm_eval_answer(place: str, row: Object, asked: str, source: str, columns: VoteColumns) -> Answer:
    doc = scalars(row.get("doc"))
    item = item_of(doc, columns.item, row.get("doc_id"), place, usual="doc_id")
    about = {"text": next((doc[name] for name in INPUTS if name in doc), None), **doc}
    if asked == CORRECT:
        right = next((row[name] for name in SCORES if row.get(name) is not None), None)
        return Answer(place, item, source, None if right is None else right == 1, about=about)
    said, confidence = _said(row.get("filtered_resps", row.get("resps")))
    return Answer(place, item, source, said, confidence, gold=scalar(row.get("target")), about=about)


def _said(responses: Any) -> tuple[Any, float | None]:
    """The answer and its confidence: the most likely option's number, or the generated text."""
    each = responses if isinstance(responses, list) else [responses]
    log_probs = [_log_prob(response) for response in each]
    if len(log_probs) > 1 and all(value is not None for value in log_probs):
        values = [value for value in log_probs if value is not None]
        best = max(range(len(values)), key=values.__getitem__)
        return str(best), 1 / sum(exp(value - values[best]) for value in values)
    first = each[0] if each else None
    return scalar(first[0] if isinstance(first, list) and first else first), None


def _log_prob(response: Any) -> float | None:
    """The log-likelihood in `["-3.2", "False"]`, perhaps within one more list; None for a text."""
    inner = response[0] if isinstance(response, list) and len(response) == 1 else response
    if not isinstance(inner, list) or len(inner) != 2:
        return None
    try:
        return float(inner[0])
    except (TypeError, ValueError):
        return None


def _is_promptfoo(table: SourceTable) -> bool:
    rows = first_rows(table) if has(table, "results") else []
    return len(rows) == 1 and any("provider" in result for result in _results(table)[:1])


def _is_inspect(table: SourceTable) -> bool:
    rows = first_rows(table) if has(table, "eval", "samples") else []
    return len(rows) == 1 and isinstance(rows[0]["samples"], list)


PROMPTFOO = Platform("promptfoo", "results of promptfoo", _is_promptfoo, _read_promptfoo)
INSPECT = Platform("inspect", "a log of Inspect", _is_inspect, _read_inspect)
LM_EVAL = Platform(
    "lm_eval",
    "samples of lm-eval",
    lambda table: has(table, "doc_id", "doc", "target") and (has(table, "filtered_resps") or has(table, "resps")),
    _read_lm_eval,
)
