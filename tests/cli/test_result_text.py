"""What the terminal shows of a finished study."""

from outgrow.cli.result_text import STAR, compact
from outgrow.metrics.estimate import Estimate, undefined
from outgrow.render.table import Cell, Column, Line, Table


def made(*cells: Cell, seeds: int = 3) -> list[str]:
    columns = [Column("name", ""), *(Column(f"c{number}", "PGR") for number in range(len(cells)))]
    return compact(Table("t", "T", "", tuple(columns), (Line(("naive", *cells)),), seeds)).splitlines()


def test_a_number_with_a_caveat_has_a_star_and_the_caveat_stands_below() -> None:
    plain, noted = Estimate(0.475, 0.4, 0.5, 9, 3), Estimate(0.565, 0.5, 0.6, 9, 3, "without words (undefined)")
    few, lost = Estimate(0.1, 0.0, 0.2, 9, 2), undefined("the gap to the ceiling is within noise: 0.1")
    lines = made(plain, noted, few, lost)
    assert lines[1].split() == ["naive", "0.475", f"0.565{STAR}", f"0.100{STAR}", f"undefined{STAR}"]
    assert lines[2:] == [
        f"{STAR} without words (undefined)",
        f"{STAR} 2 of 3 seeds",
        f"{STAR} the gap to the ceiling is within noise: 0.1",
    ]


def test_without_caveats_there_is_no_star() -> None:
    lines = made(Estimate(0.475, 0.4, 0.5, 9, 3), 7, "text", None)
    assert len(lines) == 2
    assert STAR not in "".join(lines)
