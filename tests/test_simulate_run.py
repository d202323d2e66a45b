"""The simulation as a person meets it: one command, a folder of files, one sentence for every mistake."""

import csv
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from xml.etree import ElementTree

import pytest
import yaml

from outgrow.config.simulation import dump_simulation, read_simulation
from outgrow.errors import ConfigError
from small_study import outgrow

RECIPE = Path(__file__).parents[1] / "examples" / "theory_mixture.yaml"
SMALL = ["name=small", "repetitions=200", "bootstrap=100", "weak_labels=16,64", "demonstrations=2,8,16,24"]
FILES = {
    "report.html",
    "results.json",
    "resolved.yaml",
    "manifest.json",
    "figures/risk.svg",
    *(f"tables/{name}.{ending}" for name in ("risk", "rates") for ending in ("md", "csv", "json", "tex")),
}


def simulate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the small simulation there: its report goes beside the file, so the file is copied first."""
    return outgrow(folder, "simulate", Path(shutil.copy(RECIPE, folder)).name, *SMALL, *words)


@cache
def finished() -> tuple[Path, str]:
    """A folder in which the small simulation was run, and what the command printed."""
    folder = Path(mkdtemp())
    done = simulate(folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "small", done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_writes_the_report_and_prints_the_tables() -> None:
    folder, said = finished()
    assert set(contents(folder)) == FILES
    assert "Excess risk" in said
    assert "refinement" in said
    assert said.rstrip().endswith("report: runs/small/report.html")


def test_the_page_is_whole_and_needs_no_network() -> None:
    page = (finished()[0] / "report.html").read_text()
    # Names of XML vocabularies are no addresses that anything is loaded from.
    assert "http" not in page.replace("http://www.w3.org/", "")
    assert "<script" not in page
    assert page.count("<svg") == 1
    assert page.count("<table") == 2
    assert "$" not in page
    tiles = re.findall(r'tile-title">(\w+)<.*?tile-what">(?:\d+ |no )(\w+)<', page, re.DOTALL)
    assert dict(tiles) == {
        "bootstrapping": "labels", "naive": "labels", "refinement": "demonstrations", "oracle": "labels"
    }  # fmt: skip


def test_the_figure_is_an_image_whose_parts_lie_inside_of_it() -> None:
    root = ElementTree.fromstring((finished()[0] / "figures" / "risk.svg").read_text())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    texts = [one for one in root.iter() if one.tag.endswith("}text")]
    words = {"".join(one.itertext()).strip() for one in texts}
    assert {"refinement", "naive fine-tuning", "floor of naive", "labels used", "penalty per label"} <= words
    for one in texts:
        if "x" in one.attrib:
            assert 0 <= float(one.attrib["x"]) <= width
            assert 0 <= float(one.attrib["y"]) <= height


def test_tables_and_results_tell_the_same() -> None:
    folder, _ = finished()
    points = json.loads((folder / "results.json").read_text())["points"]
    rows = json.loads((folder / "tables" / "risk.json").read_text())["rows"]
    with (folder / "tables" / "risk.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(points) == len(rows) == len(lines) == 1 + 2 + 2 + 4
    for point, row, line in zip(points, rows, lines, strict=True):
        assert (row["student"], row["risk"]) == (point["student"], point["risk"]["value"])
        assert float(line["risk"]) == row["risk"]
        assert point["risk"]["n"] == 200
        assert point["risk"]["low"] <= point["risk"]["value"] <= point["risk"]["high"]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    folder, _ = finished()
    assert simulate(tmp_path).returncode == 0
    assert contents(tmp_path / "runs" / "small") == contents(folder)


def test_the_resolved_file_is_the_same_simulation(tmp_path: Path) -> None:
    folder, _ = finished()
    shutil.copy(folder / "resolved.yaml", tmp_path / "again.yaml")
    assert outgrow(tmp_path, "simulate", "again.yaml", "output=runs/small").returncode == 0
    assert contents(tmp_path / "runs" / "small") == contents(folder)


def test_a_prior_that_is_not_given_is_spelled_out(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text("simulation: mixture_of_regressions\nname: plain\ncomponents: 5\n")
    assert yaml.safe_load(dump_simulation(read_simulation(path)))["prior"] == [0.2] * 5


def test_results_as_json(tmp_path: Path) -> None:
    done = simulate(tmp_path, "output=elsewhere", "--json")
    found = json.loads(done.stdout)
    assert found["report"] == "elsewhere/report.html"
    assert found["results"] == json.loads((tmp_path / "elsewhere" / "results.json").read_text())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("biass=1", "override `biass=1`: biass: unknown key; did you mean `bias`?"),
        ("prior=0.5,0.2,0.2,0.2", "prior: the shares sum to 1.1; they must sum to 1"),
        ("prior=0.5,0.5", "prior: has 2 shares for 4 components; name all"),
        ("prior=1.5,0.5,0.5,0.5", "prior.0: write a number greater than 0 and less than 1, not 1.5"),
        ("sigma=-1", "sigma: write a number at least 0.01 and at most 100, not -1"),
        ("sigma=.nan", "sigma: "),
        ("dims=3", "components: 4 orthonormal directions do not fit into 3 dimensions; raise `dims`"),
        ("refined=7", "refined: a student of 8 dims needs at least as many labels"),
        ("demonstrations=8,2", "demonstrations: the numbers must increase, not [8, 2]"),
        ("demonstrations=[]", "demonstrations: "),
        ("weak_labels=4,4", "weak_labels: the numbers must increase, not [4, 4]"),
        ("refine=median", "refine: 'median' is not one of 'mean', 'mode' or 'draw'"),
        ("simulation=mixture", "simulation: 'mixture' is not one of 'mixture_of_regressions'"),
        ("name=../up", "name: "),
        ("bias", "`bias`: an override is written key.sub=value"),
    ],
)
def test_a_bad_value_is_said_in_one_sentence(word: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_simulation(RECIPE, [word])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mistake_in_the_file_is_told_with_its_line_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(RECIPE.read_text().replace("0.15]", "0.25]"))
    line = 1 + next(number for number, text in enumerate(path.read_text().splitlines()) if text.startswith("prior"))
    done = outgrow(tmp_path, "simulate", "bad.yaml")
    assert done.returncode == 2
    assert done.stderr == f"outgrow: bad.yaml:{line}: prior: the shares sum to 1.1; they must sum to 1\n"
    assert not (tmp_path / "runs").exists()


def test_a_simulation_is_not_run_as_a_study_nor_a_study_as_a_simulation(tmp_path: Path) -> None:
    done = outgrow(tmp_path, "run", str(RECIPE))
    assert done.returncode == 2
    assert "is a simulation; use `outgrow simulate`" in done.stderr
    done = outgrow(tmp_path, "simulate", str(RECIPE.parent / "quickstart.yaml"))
    assert done.returncode == 2
    assert "no key `simulation`" in done.stderr


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    done = simulate(tmp_path, "output=taken")
    assert done.returncode == 2
    assert "output: taken cannot be made" in done.stderr


def test_a_report_of_other_settings_is_not_replaced_without_a_word(tmp_path: Path) -> None:
    """Nor is a page that is nobody's report."""
    folder = tmp_path / "runs" / "small"
    shutil.copytree(finished()[0], folder)
    before = contents(folder)
    done = simulate(tmp_path, "seed=1")
    assert done.returncode == 2
    assert "runs/small has the finished report of other settings (`seed`)" in done.stderr
    assert contents(folder) == before
    assert simulate(tmp_path, "seed=1", "--replace").returncode == 0
    assert contents(folder) != before
    (tmp_path / "report.html").write_text("mine")
    assert "has a report.html without settings" in simulate(tmp_path, "output=.").stderr
    assert (tmp_path / "report.html").read_text() == "mine"
