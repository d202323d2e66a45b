"""The tables about the weak sources: how good they are, how alike, and whether students copy their errors."""

from outgrow.render.table import Cell, Column, Line, Table
from outgrow.reporting.results import MEAN_VOTE, Results, SupervisorResult
from outgrow.reporting.tables.of_results import INTERVALS, results_table

PLACES = {"half_b": "on the items it labels", "test": "on test items"}


def supervisors(results: Results) -> Table:
    """The weak sources; how often one is silent only if one of them ever is."""
    columns = [Column("supervisor", "")]
    columns += [Column(part, title, results.about.metric_title) for part, title in PLACES.items()]
    silent = any(one.ever_silent for one in results.supervisors)
    if silent:
        columns += [Column(f"silent_{part}", title, _nothing(results)) for part, title in PLACES.items()]
    lines = [Line((one.name, one.half_b, one.test, *(_silence(one) if silent else ()))) for one in results.supervisors]
    mean = any(one.name == MEAN_VOTE for one in results.supervisors)
    vote = "Mean vote: the most probable class of the supervisors' mean. " if mean else ""
    told = "No supervisor left an item without an answer. "
    if silent:
        told = f"{_nothing(results).capitalize()}: such an item {_counts(results)}, and teaches nothing. "
    return results_table(results, "supervisors", "The supervisors", f"{vote}{told}{INTERVALS}", columns, lines)


def _nothing(results: Results) -> str:
    return "no answer" if results.about.of_texts else "no vote"


def _counts(results: Results) -> str:
    """What silence is to the score; a supervisor that is a file is measured on what it answered."""
    silent = [one for one in results.supervisors if one.ever_silent]
    wrong = [one.name for one in silent if one.silence_is_wrong]
    if len(wrong) == len(silent):
        return "counts as wrong"
    return f"counts as wrong of {', '.join(wrong)}, else it does not count" if wrong else "does not count"


def _silence(one: SupervisorResult) -> list[Cell]:
    return [str(one.silent[part]) if part in one.silent else None for part in PLACES]


def agreement(results: Results) -> Table:
    """Pairs of supervisors."""
    columns = [
        Column("first", ""),
        Column("second", ""),
        Column("agreement", "similarity" if results.about.of_texts else "agreement"),
    ]
    lines = [Line((pair.first, pair.second, pair.agreement)) for pair in results.pairs]
    caption = (
        f"Mean over the test items that both answered of 1 − edit distance / length of the longer text. {INTERVALS}"
    )
    if not results.about.of_texts:
        columns.append(Column("error_correlation", "correlation of errors", signed=True))
        lines = [Line((*line.cells, pair.error_correlation)) for line, pair in zip(lines, results.pairs, strict=True)]
        caption = (
            "Among the test items that both answered: the share with the same answer, and the phi coefficient of being"
            f" wrong. {INTERVALS}"
        )
    return results_table(results, "agreement", "Agreement of the supervisors", caption, columns, lines)


PART_TITLES = {"test": "test items", "half_b": "items that the student was trained on"}


def error_copying(results: Results) -> Table:
    """Whom the student follows where the weak label is wrong."""
    columns = [
        Column("row", ""),
        Column("weak", "weak label"),
        Column("gold", "gold", "student agrees with"),
        Column("copied", "the weak label", "student agrees with"),
        Column("neither", "neither", "student agrees with"),
    ]
    lines = [
        Line((one.row, one.weak, one.follows_gold, one.follows_weak, one.neither), PART_TITLES[one.part])
        for one in results.copying
    ]
    caption = f"Among the items on which the weak label is wrong. {INTERVALS}"
    return results_table(results, "error_copying", "Did the student copy the error?", caption, columns, lines)
