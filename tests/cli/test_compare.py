"""`txt2sql compare`: what cannot be compared first, then what people and programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .conftest import Command


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
