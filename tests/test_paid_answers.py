"""What servers were paid for outlives what can be computed again."""

import json
import shutil
from copy import deepcopy
from pathlib import Path

from loopback import Body, choice, serving
from small_study import FILE, STUDY, outgrow, report_bytes, write


def first_choice(body: Body) -> list[dict[str, object]]:
    return [choice("A", number) for number in range(body.get("n", 1))]


def test_deleting_runs_deletes_no_answer_that_was_paid_for(tmp_path: Path) -> None:
    study = deepcopy(STUDY)
    study["task"]["sizes"] = {"half_a": 30, "half_b": 10, "test": 20}
    study["methods"], study["variants"] = ["naive"], ["plain"]
    file = Path("answers/answers.sqlite")
    with serving(first_choice) as server:
        far = {"type": "endpoint", "url": server.url, "model": "far"}
        write(tmp_path, {**study, "supervisors": {"words": study["supervisors"]["words"], "far": far}})
        assert f"{file}; keep that file" in outgrow(tmp_path, "plan", FILE).stdout
        assert outgrow(tmp_path, "run", FILE, "-q").returncode == 0
        asked, before = len(server.requests), report_bytes(tmp_path)
        assert asked == 60
        shutil.rmtree(tmp_path / "runs")
        assert (tmp_path / file).stat().st_size
        assert outgrow(tmp_path, "run", FILE, "-q").returncode == 0
        assert len(server.requests) == asked
        assert report_bytes(tmp_path) == before

        moved = tmp_path / "elsewhere"
        (tmp_path / "answers").rename(moved)
        shutil.rmtree(tmp_path / "runs")
        assert outgrow(tmp_path, "run", FILE, f"answers={moved}", "-q").returncode == 0
        assert len(server.requests) == asked, "where the file lies is no part of a step"
    assert not (tmp_path / "answers").exists()


def test_the_doctor_says_where_answers_are(tmp_path: Path) -> None:
    found = json.loads(outgrow(tmp_path, "doctor", "--json").stdout)
    assert found["paid responses here"] == "none (answers/answers.sqlite)"
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "answers.sqlite").write_bytes(bytes(2_000_000))
    found = json.loads(outgrow(tmp_path, "doctor", "--json").stdout)
    assert found["paid responses here"] == "answers/answers.sqlite (2.0 MB; keep it)"
