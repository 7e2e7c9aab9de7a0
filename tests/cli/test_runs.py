"""`txt2sql runs` and `compare`: broken folders first, then headline numbers and differences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from txt2sql.evaluation.statistics import wilson

from .conftest import Command

REPORT = {"metrics": {"execution_accuracy": wilson(3, 4)._asdict()}}


def made(folder: Path, started: str = "2026-01-02T10:00:00+00:00", **config: Any) -> Path:
    folder.mkdir(parents=True)
    run = {"started": started, "commit": "abc", "config": config}
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return folder


def test_the_newest_comes_first_with_its_number(tmp_path: Path, txt2sql: Command) -> None:
    judged = made(tmp_path / "a", model="small", dataset="spider", split="dev")
    (judged / "report.json").write_text(json.dumps(REPORT), encoding="utf-8")
    trained = made(tmp_path / "deep" / "b", "2026-03-02T10:00:00+00:00", model="phi-2")
    rows = [
        {"step": 5, "execution_accuracy/spider": 0.5},
        {"step": 9, "execution_accuracy/spider": 0.4, "loss": 1.0},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (trained / "metrics.jsonl").write_text(lines, encoding="utf-8")
    made(tmp_path / "c", "2025-01-01T10:00:00+00:00", model="new")
    head, _, *shown = txt2sql("runs", tmp_path).out.splitlines()
    assert head.split() == ["started", "run", "what", "result"]
    assert "EX 50.0% held out (spider) at step 5 of 9, unfinished" in shown[0]
    assert "small spider dev" in shown[1] and "unfinished" not in shown[1]
    assert "EX 75.0% (95% interval 30.1% to 95.4%, n = 4)" in shown[1]
    assert shown[2].rstrip().endswith("no number yet, unfinished")
    runs = txt2sql("runs", tmp_path, "--json").json
    assert [run["finished"] for run in runs] == [False, True, False]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"config": 3}', '{"metrics": {"a": 1}}'])
def test_a_damaged_run_does_not_hide_the_others(
    tmp_path: Path, content: str, txt2sql: Command
) -> None:
    for name in ("report", "run"):
        folder = made(tmp_path / name, model="small")
        (folder / f"{name}.json").write_text(content, encoding="utf-8")
    made(tmp_path / "sound", model="small")
    done = txt2sql("runs", tmp_path)
    assert done.code == 0
    assert len(done.out.splitlines()) == 5  # two of them are the head
    assert all(name in done.out for name in ("report", "run", "sound"))


def run(folder: Path, scores: list[float], mode: str = "strict", **others: Any) -> Path:
    folder.mkdir()
    rows = [
        {
            "i": i,
            "example_id": f"dev-{i}",
            "db_id": "shop",
            "question": f"Question {i}?",
            "gold_sql": "SELECT\n 1",
            "sql": None if score == 0 else f"SELECT {folder.name}",
            "scores": {"execution_accuracy": score},
            **others,
        }
        for i, score in enumerate(scores)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "verdicts.jsonl").write_text(lines, encoding="utf-8")
    report = {"mode": mode, "databases": {"shop": mode}}
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return folder


def test_people_and_programs_read_difference_interval_and_p(
    tmp_path: Path, txt2sql: Command
) -> None:
    small = run(tmp_path / "small", [1, 0, 0, 0, 0, 0, 0, 1])
    large = run(tmp_path / "large", [1, 1, 1, 1, 1, 1, 1, 0])
    done = txt2sql("compare", small, large, "--changes", 1)
    assert (done.code, done.err) == (0, "")
    for part in (
        "25.0%  (95% interval 7.1% to 59.1%, n = 8)",
        "+62.5 points  (95% interval ",
        "n = 8 pairs",
        "p = 0.125",  # 2 * (1 + 7) / 2**7
        "both 1, only A 1, only B 6, neither 0",
        "dev-1 (shop), B better: Question 1?\n  gold  SELECT 1\n  A     no SQL\n",
        "  B     SELECT large\n",
        "… 6 more examples changed; --changes 7 shows all",
    ):
        assert part in done.out
    assert "dev-2" not in done.out

    result = txt2sql("compare", small, large, "--changes", 1, "--json").json
    assert (result["a"]["mean"], result["b"]["mean"], result["p"]) == (0.25, 0.875, 0.125)
    assert result["difference"]["mean"] == 0.625
    assert set(result["difference"]) == {"mean", "n", "low", "high"}
    assert result["counts"] == {"both": 1, "only_a": 1, "only_b": 6, "neither": 0, "unscored": 0}
    assert len(result["changed"]) == 7 and result["changed"][-1]["key"] == "dev-7"


def test_what_makes_a_comparison_unfair_is_told(tmp_path: Path, txt2sql: Command) -> None:
    done = txt2sql("compare", run(tmp_path / "a", [1, 0, 0]), run(tmp_path / "b", [1], "official"))
    assert done.code == 0
    assert done.err.splitlines() == [
        "warning: mode differs: A has strict, B has official",
        "warning: databases differ: the files of shop are not the same",
        "warning: compared on the 1 examples that both have; left out: 2 of A, 0 of B",
    ]
