"""`txt2sql compare`: what cannot be compared first, then what people and programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from txt2sql.cli.main import main


def compare(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["compare", *map(str, arguments)])
    return int(caught.value.code or 0)


def run(folder: Path, scores: list[float], mode: str = "strict", **others: Any) -> Path:
    """The folder of a run with one verdict per score."""
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


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return run(tmp_path / "small", [1, 0, 0, 0, 0, 0, 0, 1])


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return run(tmp_path / "large", [1, 1, 1, 1, 1, 1, 1, 0])


def test_people_read_difference_interval_and_p(
    small: Path, large: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(small, large, "--changes", 1) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    out = captured.out
    assert "25.0%  (95% interval 7.1% to 59.1%, n = 8)" in out
    assert "+62.5 points  (95% interval " in out
    assert "n = 8 pairs" in out
    assert "p = 0.125" in out  # 2 * (1 + 7) / 2**7
    assert "both 1, only A 1, only B 6, neither 0" in out
    assert "dev-1 (shop), B better: Question 1?\n  gold  SELECT 1\n  A     no SQL\n" in out
    assert "  B     SELECT large\n" in out
    assert "dev-2" not in out
    assert "… 6 more examples changed; --changes 7 shows all" in out


def test_programs_read_everything(
    small: Path, large: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(small, large, "--json", "--changes", 1) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["metric"] == "execution_accuracy"
    assert (result["a"]["mean"], result["b"]["mean"]) == (0.25, 0.875)
    assert result["difference"]["mean"] == 0.625
    assert set(result["difference"]) == {"mean", "n", "low", "high"}
    assert result["p"] == 0.125
    assert result["counts"] == {"both": 1, "only_a": 1, "only_b": 6, "neither": 0, "unscored": 0}
    assert result["unmatched"] == {"a": 0, "b": 0}
    assert result["warnings"] == []
    assert len(result["changed"]) == 7
    assert result["changed"][-1]["key"] == "dev-7"


def test_what_makes_a_comparison_unfair_is_told(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = run(small.parent / "other", [1, 1], mode="official")
    assert compare(small, other) == 0
    errors = capsys.readouterr().err.splitlines()
    assert errors == [
        "warning: mode differs: A has strict, B has official",
        "warning: databases differ: the files of shop are not the same",
        "warning: compared on the 2 examples that both have; left out: 6 of A, 0 of B",
    ]


def test_control_characters_never_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = {"question": "\x1b[2J?", "gold_sql": "\x9b31m", "db_id": "\x07"}
    a, b = run(tmp_path / "a", [1], **hostile), run(tmp_path / "b", [0], **hostile)
    assert compare(a, b) == 0
    assert all(char.isprintable() or char == "\n" for char in capsys.readouterr().out)
