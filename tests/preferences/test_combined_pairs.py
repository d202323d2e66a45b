"""What is handed on of combined preferences: the table, the ranking, lines for trainers, a study of choices."""

import json
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats
from simulated_judges import Simulated, simulate
from typer.testing import CliRunner

import outgrow
import small_study
from drawn_seeds import SEEDS
from outgrow.cli.verbs import app
from outgrow.config.votes import VoteColumns
from outgrow.preferences.fit_pairs import fit_pairs
from outgrow.readers.read_votes import read_votes

TREATS = ("a warm loaf of bread", "a rusty iron nail")


def rows_of(simulated: Simulated) -> list[dict[str, Any]]:
    """The votes as people have them: a row per vote, the two texts in the order in which they were shown."""
    votes, rows = simulated.votes, []
    for v in range(votes.n_votes):
        q, turned = votes.pair[v], votes.place[v] < 0
        sides = votes.pair_system[q][::-1] if turned else votes.pair_system[q]
        lead = votes.lead[v] * votes.place[v]
        rows.append(
            {
                "prompt": f"question {votes.items[votes.pair_item[q]]}",
                "model_a": votes.systems[sides[0]],
                "model_b": votes.systems[sides[1]],
                "response_a": f"text of {votes.systems[sides[0]]}",
                "response_b": f"text of {votes.systems[sides[1]]}",
                "winner": {1: "model_a", -1: "model_b", 0: "tie"}[int(lead)],
                "judge": votes.judges[votes.judge[v]],
            }
        )
    return rows


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    return simulate(np.random.default_rng(SEEDS[0]), n_items=60)


@pytest.fixture(scope="module")
def combined(simulated):
    return outgrow.combine(rows_of(simulated))


def test_the_table_has_the_fits_preferences_and_the_better_text(simulated, combined):
    frame = combined.to_pandas()
    preference = fit_pairs(simulated.votes).posterior().preference
    votes = simulated.votes
    assert len(frame) == votes.n_pairs
    found = {}
    for row in frame.to_dict("records"):
        low = min(row["a"], row["b"])
        found[row["prompt"], low, max(row["a"], row["b"])] = row["p_A"] if row["a"] == low else row["p_B"]
        better, worse = (row["a"], row["b"]) if row["p_A"] >= 0.5 else (row["b"], row["a"])
        assert row["better"] == better
        assert row["chosen"] == f"text of {better}"
        assert row["rejected"] == f"text of {worse}"
        assert {row["text_a"], row["text_b"]} == {row["chosen"], row["rejected"]}
        assert row["flip"] == pytest.approx(min(row["p_A"], row["p_B"], 0.499))
        assert row["difference"] >= -0.05
    for q in range(votes.n_pairs):
        a, b = (votes.systems[s] for s in votes.pair_system[q])
        p = found[f"question {votes.items[votes.pair_item[q]]}", min(a, b), max(a, b)]
        assert p == pytest.approx(preference[q] if a < b else 1 - preference[q], abs=1e-4)
    assert frame["pair"].is_unique


def test_the_ranking_is_that_of_the_skills(simulated, combined):
    assert [system.name for system in combined.ranking] == [f"system {s}" for s in range(4)]
    assert [system.rank for system in combined.ranking] == [1, 2, 3, 4]
    for system, skill in zip(combined.ranking, fit_pairs(simulated.votes).skill, strict=True):
        assert system.skill == pytest.approx(skill, abs=1e-3)
        assert system.skill_low < system.skill < system.skill_high
        assert system.rank_low <= system.rank <= system.rank_high
    skills = np.array([system.skill for system in combined.ranking])
    for s, system in enumerate(combined.ranking):
        others = np.delete(skills, s)
        assert system.wins == pytest.approx(stats.norm.cdf(skills[s] - others).mean())
    assert combined.about["votes"]["ranking"][0]["name"] == "system 0"
    json.dumps(combined.about, allow_nan=False)


def test_the_file_of_lines_is_what_preference_trainers_take(combined, tmp_path):
    from datasets import Dataset

    combined.save(tmp_path / "pairs.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "pairs.jsonl").read_text().splitlines()]
    data = Dataset.from_list(rows)
    assert all(isinstance(data[0][name], str) for name in ("prompt", "chosen", "rejected"))
    assert list(rows[0])[:3] == ["prompt", "chosen", "rejected"]
    combined.save(tmp_path / "pairs.parquet")
    assert pq.read_table(tmp_path / "pairs.parquet").equals(combined.to_arrow())


def test_messages_are_handed_on_as_messages(tmp_path):
    def answer(word):
        return [{"role": "assistant", "content": word}]

    rows = [
        {
            "prompt": [{"role": "user", "content": f"q{i}"}],
            "chosen": answer("yes"),
            "rejected": answer("no"),
            "judge": j,
        }
        for i in range(4)
        for j in ("ann", "ben")
    ]
    outgrow.combine(rows).save(tmp_path / "pairs.jsonl")
    row = json.loads((tmp_path / "pairs.jsonl").read_text().splitlines()[0])
    assert row["prompt"] == [{"role": "user", "content": "q0"}]
    assert row["chosen"] == answer("yes")


def test_the_soft_preferences_teach_a_study_of_choices(tmp_path):
    rng = np.random.default_rng(SEEDS[0])
    rows, items = [], []
    for i in range(180):
        order = rng.permutation(2)
        texts = [f"{TREATS[k]}, number {i}" for k in order]
        items.append(
            {
                "id": f"dish {i}",
                "question": "what is good to eat?",
                "text_a": texts[0],
                "text_b": texts[1],
                "gold": "AB"[int(order[1] == 0)],
            }
        )
        for judge, right in (("ann", 0.94), ("ben", 0.92), ("cem", 0.9)):
            good = rng.random() < right
            winner = "a" if (order[0] == 0) == good else "b"
            rows.append({"id": f"dish {i}", "text_a": texts[0], "text_b": texts[1], "winner": winner, "judge": judge})
    outgrow.combine(rows).save(tmp_path / "pairs.jsonl")
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    study = {
        **small_study.STUDY,
        "task": {
            "name": "dishes",
            "path": "items.jsonl",
            "columns": {"id": "id", "text": "question", "options": ["text_a", "text_b"], "label": "gold"},
            "sizes": {"half_a": 50, "half_b": 70, "test": 50},
        },
        "supervisors": {"jury": {"votes": "pairs.jsonl", "columns": {"item": "pair", "probability": ["p_A", "p_B"]}}},
        "methods": ["naive"],
        "variants": ["plain"],
    }
    small_study.write(tmp_path, study)
    done = small_study.outgrow(tmp_path, "run", small_study.FILE, "-q")
    assert done.returncode == 0, done.stderr
    scores = small_study.accuracies(tmp_path)
    assert scores["jury"] > 0.75
    assert scores["naive"] > 0.7


def test_the_table_is_read_again_as_votes_on_a_and_b(combined, tmp_path):
    combined.save(tmp_path / "pairs.csv")
    columns = VoteColumns(item="pair", probability=("p_A", "p_B"), one_source="jury")
    votes = read_votes(tmp_path / "pairs.csv", columns=columns, classes=("A", "B"))
    assert votes.probs is not None
    np.testing.assert_allclose(votes.probs[:, 0], combined.to_arrow()["p_A"].to_numpy(), atol=1e-9)


def test_the_command_shows_ranking_and_judges(simulated, tmp_path):
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(simulated)))
    out = tmp_path / "pairs.parquet"
    shown = CliRunner().invoke(app, ["combine", str(path), "-o", str(out)])
    assert shown.exit_code == 0, shown.output
    for name in ("system 0", "judge 3", "bias to the first", str(out)):
        assert name in shown.output
    report = CliRunner().invoke(app, ["labels", str(path), "--json"])
    assert report.exit_code == 0, report.output
    about = json.loads(report.output)
    assert [system["rank"] for system in about["votes"]["ranking"]] == [1, 2, 3, 4]
    assert {judge["name"] for judge in about["votes"]["sources"]} == set(simulated.votes.judges)


def test_skills_as_prior_by_name(simulated):
    plain = outgrow.combine(rows_of(simulated)).to_pandas()
    by_skill = outgrow.combine(rows_of(simulated), {"type": "bradley_terry", "by_skill": True}).to_pandas()
    best = (plain["a"] == "system 0") & (plain["b"] == "system 3")
    assert best.any()
    assert by_skill["p_A"][best].mean() > plain["p_A"][best].mean()


def test_without_systems_and_texts_the_places_are_named():
    rows = [{"item": i, "source": j, "label": 1 + (i + k) % 3 % 2} for i in range(9) for k, j in enumerate("uvw")]
    combined = outgrow.combine(rows, kind="pairs")
    assert combined.ranking == ()
    assert set(combined.to_pandas()["better"]) <= {"first", "second"}
    assert "chosen" not in combined.to_arrow().column_names
