"""Python functions for votes of your own: read, trust, combine, train.

votes = outgrow.read_labels("votes.csv")
outgrow.combine(votes).to_pandas()
outgrow.combine("answers.csv", kind="texts", metric="answer_match").to_pandas()
outgrow.train("items.jsonl", votes, model="org/name", output="student")
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from outgrow.combiners.incremental import update as add_votes
from outgrow.combiners.state_file import load_state, require_state, save_state
from outgrow.config.load import read_section
from outgrow.config.messages import FileLocation
from outgrow.config.train import TrainSettings, combiner
from outgrow.config.user_code import metric_code, refusal, refuse_code
from outgrow.config.votes import VoteColumns
from outgrow.deliver.combined import Combined, combined_of
from outgrow.deliver.combined_texts import CombinedTexts
from outgrow.deliver.in_memory_tables import file_of_table
from outgrow.deliver.train import TrainedStudent, command_of, train_from_votes
from outgrow.deliver.training_data_step import TrainingFiles
from outgrow.errors import ConfigError
from outgrow.graph.output import alone
from outgrow.graph.runner import Event
from outgrow.plugins import load_plugins
from outgrow.readers.class_names import alike
from outgrow.readers.column_uses import ColumnUse, Reading
from outgrow.readers.open_table import files_in
from outgrow.readers.read_texts import read_texts
from outgrow.readers.read_votes import explain_columns, read_votes
from outgrow.texts import WeakTexts
from outgrow.trust_report.findings import Trust
from outgrow.trust_report.measure_trust import trust as look_at
from outgrow.vote_kinds import Options, combine_kind, kind_of, section_of, text_votes, votes_of
from outgrow.vote_kinds.class_votes import waiting_for
from outgrow.vote_table import VoteTable

STORE = Path("runs/steps")
log = logging.getLogger(__name__)


def read_labels(
    source: Any,
    /,
    *words: str,
    classes: Sequence[str] | None = None,
    gold: Any = None,
    renormalise: bool = False,
    **columns: Any,
) -> VoteTable:
    """Votes from a file, a data frame, an Arrow table, a data set or a matrix.

    Args:
        source: a path (.csv, .tsv, .jsonl, .json, .parquet, .arrow, .npy) or a list of paths, a pandas `DataFrame`, a
            `pyarrow.Table`, a `datasets.Dataset`, or an integer matrix with a row per item, a column per source and
            -1 = no vote.
        words: `part=column` as on the command line; `columns` are the same as keywords: `item="task_id"`,
            `source="who"`.
        classes: all classes in order; by default those that are voted for, sorted.
        gold: a file or table with the true classes of some items, or the column of `source` that has them.
        renormalise: scale probabilities that do not sum to 1.

    Raises `DataError` that names the file and the row, `ConfigError` for a column that is named wrongly.
    """
    named = read_section(VoteColumns, dict(columns), words, FileLocation("columns"))
    return read_votes(source, columns=named, classes=classes, gold=gold, renormalise=renormalise)


def read_answers(source: Any, /, *words: str, **columns: Any) -> WeakTexts:
    """Texts of several sources: like `read_labels`, with a text where a vote names a class.

    Several rows of one item and source are candidates, the best one first; empty cells are abstentions. Raises
    `DataError`, with the row, and `ConfigError`.
    """
    return read_texts(source, columns=read_section(VoteColumns, dict(columns), words, FileLocation("columns")))


def combine_answers(
    source: Any,
    /,
    method: str | Mapping[str, Any] = "answer_one_coin",
    *,
    metric: str | None = None,
    gold: Any = None,
    **columns: Any,
) -> CombinedTexts:
    """One text per item, with the share of the sources that are behind it.

    `source` is `WeakTexts`, or whatever `read_answers` takes; `method` is `answer_one_coin`, `answer_vote`,
    `slot_vote`, or a mapping with options; `metric` says when answers are the same where `method` does not:
    `exact_match`, `answer_match` …, or `FILE.py:FUNCTION` (`metrics/user_metric.py`);
    `gold` has the right texts of some items: a mapping, or a table of items and texts in any form of `source`.
    """
    texts = source if isinstance(source, WeakTexts) else read_answers(source, **columns)
    return text_votes.combine(texts, method, Options(gold=gold, metric=metric))


def explain(
    source: Any, /, *words: str, kind: str | None = None, **columns: Any
) -> list[tuple[str, tuple[ColumnUse, ...]]]:
    """How each column of a file of votes was read, with the reason and the option that changes it; for each file.

    `source` and `columns` as in `read_labels`; `kind` as in `combine`. Raises `ConfigError` and `DataError`.
    """
    record = kind_of(source, words, columns, kind=kind)
    section = section_of(record, words, columns)
    if isinstance(section, VoteColumns):
        return explain_columns(source, section)
    notes = votes_of(record, source, section, Options()).notes
    readings = [note for note in notes if isinstance(note, Reading)]
    return [(str(files_in(source)[0]), readings[-1].uses)] if readings else []


def trust(source: Any, /, *, n_next: int = 50, **reading: Any) -> Trust:
    """What can be known of votes: whom to trust, how good a combined label will be, and what to label next.

    `source` is a `VoteTable`, or whatever `read_labels` takes (`reading` are its options). Of the result, `summary`
    has the findings in sentences, `label_accuracy` how often the combined label is right, `sources` each source,
    `classes` recall and precision, `pairs` copies, `next_items` the `n_next` items to label next.
    """
    return look_at(source if isinstance(source, VoteTable) else read_labels(source, **reading), n_next=n_next)


def combine(
    source: Any,
    /,
    method: str | Mapping[str, Any] | None = None,
    *,
    kind: str | None = None,
    words: Sequence[str] = (),
    classes: Sequence[str] | None = None,
    gold: Any = None,
    renormalise: bool = False,
    calibrate: bool = True,
    metric: str | None = None,
    state: str | Path | None = None,
    code: bool = True,
    on_wait: Callable[[str], None] = log.warning,
    **columns: Any,
) -> Any:
    """Votes of several sources combined: one label per item, with how sure it is. Returns `Combined`.

    `source` is a `VoteTable`, or whatever `read_labels` takes (`words`, `columns` and the other options are those of
    `read_labels`); `method` is a combiner's name, `single:SOURCE`, or a mapping such as
    `{"type": "dawid_skene", "smoothing": 2}`; `state` is a file to write, from which `update` goes on; `on_wait` gets
    a message if another process has held it for a while; `code=False` refuses a metric `FILE.py:FUNCTION`.

    `kind` says what the votes are, where the table does not show it: `classes`, `texts`, `scores` and so on
    (`outgrow methods` lists them). Votes of another kind than classes have other columns and combiners, and the result
    is of another class, which has `about`, `to_arrow`, `to_pandas` and `save` too. Raises `ConfigError` for an option
    that is not for the kind.
    """
    own_code = [*metric_code(metric), *metric_code(method.get("metric") if isinstance(method, Mapping) else None)]
    if own_code and not code:
        raise ConfigError(refusal("combine", own_code))
    options = Options(classes, gold, renormalise, calibrate, metric, state, on_wait)
    record = kind_of(source, words, columns, kind=kind, method=method, options=options.given())
    record.check(options.given())
    votes = votes_of(record, source, section_of(record, words, columns), options)
    return combine_kind(record, votes, method, options)


def update(
    path: str | Path,
    source: Any,
    /,
    *words: str,
    calibrate: bool = True,
    overwrite: bool = False,
    near: bool = False,
    output: str | Path | None = None,
    on_wait: Callable[[str], None] = log.warning,
    **reading: Any,
) -> Combined:
    """Add votes to a kept state, which is written anew; returns the labels of all items.

    `source` and `reading` as in `combine`; the classes are the state's. Votes that are there already are ignored,
    those that contradict old ones are a `DataError` unless they are to `overwrite` them. Without `calibrate` the
    posterior is that of a combination of all votes from the start. With `near` (`one_coin` and `dawid_skene`) only
    items with new votes are estimated again, and nothing is calibrated; a note estimates how far the others are then
    from a combination of all votes.

    No other process changes the state between its reading and its writing: of several updates at once, each waits for
    its turn, and `on_wait` gets a message after a while. `output` is a file for the labels, written within that turn,
    so that it never falls behind the state.
    """
    path = Path(path)
    require_state(path)
    with alone(path, lambda: on_wait(waiting_for(path))):
        combined = _updated(path, source, words, calibrate=calibrate, overwrite=overwrite, near=near, **reading)
        if output is not None:
            combined.save(Path(output))
    return combined


def _updated(
    path: Path, source: Any, words: Sequence[str], *, calibrate: bool, overwrite: bool, near: bool, **reading: Any
) -> Combined:
    state = load_state(path)
    votes = read_labels(source, *words, classes=state.table.classes, **reading).by_group()
    added = add_votes(state, votes, overwrite=overwrite, near=near)
    save_state(added.state, path)
    note = f"Votes that were new: {added.n_new}; that were there already: {added.n_again}."
    if near:
        note += f" Only their items were looked at again: probabilities of others are off by up to {added.stale:.0e}."
    table = replace(added.state.table, notes=(note, *votes.notes))
    return combined_of(table, state.method, state.source, added.fit, calibrate=calibrate and not near)


def train(
    items: Any,
    labels: Any,
    *words: str,
    model: str | None = None,
    output: str | Path = "student",
    method: str | Mapping[str, Any] | None = None,
    gold: Any = None,
    test: Any = None,
    store: str | Path = STORE,
    plugins: Sequence[str | Path] = (),
    code: bool = True,
    on_event: Callable[[Event], None] = lambda event: None,
    **settings: Any,
) -> TrainedStudent:
    """Combine votes, train a model on the combined labels, and write it with its card.

    Args:
        items: a table with the texts: a path, a `DataFrame`, an Arrow table, a data set or a list of dicts; None: the
            texts are in the files of votes.
        labels: the votes: a path, a list of paths or a table, or a `VoteTable`.
        words: `key.sub=value` as on the command line, such as `student.training.lr=1e-4`; `settings` are the same as
            keywords.
        model: what the student starts from: `org/name`, `bundled:NAME` or a folder.
        output: the folder to write; an earlier student there is replaced.
        method: the combiner; by default the student learns the evidence of all votes, as in studies without gold.
        gold: the true classes of some items: they count as anchors.
        test: items with a column of true classes, to measure the student on.
        store: where finished steps are kept; the same call again goes on from there.
        plugins: Python files with extensions (docs/extend.md), such as the combiner or the loss that is named.
        code: whether plug-in files may run, and the model's own code (`trust_remote_code`).

    Raises `ConfigError`, `DataError`, `StepFailed` with one sentence.
    """
    if plugins and not code:
        raise ConfigError(refusal("train", map(str, plugins)))
    load_plugins(*plugins)
    tree: dict[str, Any] = {**settings}
    if model is not None:
        tree["student"] = {**tree.get("student", {}), "model": model}
    if method is not None:
        tree["combine"] = combiner(method).model_dump(exclude_unset=True)
    if isinstance(labels, VoteTable) and alike(labels.classes):  # classes that are distinct stay distinct
        tree.setdefault("classes", list(labels.classes))
    train_settings = read_section(TrainSettings, tree, words, FileLocation("train"))
    if not code:
        refuse_code(train_settings, "train")
    if train_settings.kind == "auto" and not train_settings.of_texts:
        _refuse_untaught(labels, train_settings)
    place, folder = Path(store), Path(output)
    files = TrainingFiles(
        labels=tuple(file_of_table(one, place, "labels") for one in files_in(labels)),
        items=None if items is None else file_of_table(items, place, "items"),
        gold=None if gold is None else file_of_table(gold, place, "gold"),
        test=None if test is None else file_of_table(test, place, "test"),
    )
    command = command_of(files, folder, train_settings, place if place != STORE else None, plugins)
    return train_from_votes(train_settings, files, folder, store=place, command=command, on_event=on_event)


def _refuse_untaught(labels: Any, settings: TrainSettings) -> None:
    """Raise `ConfigError` for votes that show another kind than classes, which no student learns."""
    options = [] if settings.classes is None else ["classes"]
    record = kind_of(labels, columns=settings.votes.model_dump(exclude_unset=True), options=options)
    if record.is_taught:
        return
    file = files_in(labels)[0]
    origin = str(file) if isinstance(file, str | Path) else "the table of votes"
    raise ConfigError(
        f"{origin}: has votes of kind `{record.name}` by its columns, as `outgrow combine --kind {record.name}` reads"
        " them, and a student learns classes or texts; `kind=classify` takes the labels for classes"
    )
