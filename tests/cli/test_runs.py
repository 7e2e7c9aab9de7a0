"""`txt2sql runs`: nothing and broken folders first, then headline numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from txt2sql.cli.main import main
from txt2sql.cli.runs import described
from txt2sql.evaluation.statistics import wilson


def runs(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["runs", *map(str, arguments)])
    return int(caught.value.code or 0)


def made(folder: Path, started: str = "2026-01-02T10:00:00+00:00", **config: Any) -> Path:
    folder.mkdir(parents=True)
    run = {"started": started, "commit": "abc", "config": config}
    (folder / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return folder


def test_a_folder_that_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs(tmp_path / "none") == 1
    assert "give folders that hold runs" in capsys.readouterr().err


def test_no_runs_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert runs(tmp_path) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no runs yet" in captured.err
    assert runs(tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"config": 3}', '{"metrics": {"a": 1}}'])
def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path, content: str) -> None:
    folder = made(tmp_path / "run")
    (folder / "report.json").write_text(content, encoding="utf-8")
    assert described(folder / "run.json")["headline"] == ""
    (folder / "run.json").write_text(content, encoding="utf-8")
    assert described(folder / "run.json")["what"] == "run"


def test_the_newest_comes_first_with_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = made(tmp_path / "a", model="small", dataset="spider", split="dev")
    report = {"metrics": {"execution_accuracy": wilson(3, 4)._asdict()}}
    (judged / "report.json").write_text(json.dumps(report), encoding="utf-8")
    trained = made(tmp_path / "deep" / "b", "2026-03-02T10:00:00+00:00", model="phi-2")
    rows = [
        {"step": 5, "execution_accuracy/spider": 0.5},
        {"step": 9, "execution_accuracy/spider": 0.4, "loss": 1.0},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (trained / "metrics.jsonl").write_text(lines, encoding="utf-8")
    made(tmp_path / "c", "2025-01-01T10:00:00+00:00", model="new")
    assert runs(tmp_path) == 0
    head, _, *shown = capsys.readouterr().out.splitlines()
    assert head.split() == ["started", "run", "what", "result"]
    assert "EX 50.0% held out (spider) at step 5 of 9, unfinished" in shown[0]
    assert "small spider dev" in shown[1]
    assert "EX 75.0% (95% interval 30.1% to 95.4%, n = 4)" in shown[1]
    assert "unfinished" not in shown[1]
    assert shown[2].rstrip().endswith("no number yet, unfinished")
    assert runs(tmp_path, "--json") == 0
    assert [run["finished"] for run in json.loads(capsys.readouterr().out)] == [False, True, False]


def test_figures_are_drawn_of_what_was_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra figures")
    judged = made(tmp_path / "a", model="small")
    assert runs(judged, "--figures", tmp_path / "pictures") == 1
    assert "no run there has a report" in capsys.readouterr().err
    value = {"execution_accuracy": wilson(3, 4)._asdict()}
    report = {"metrics": value, "by_difficulty": {"easy": value}}
    (judged / "report.json").write_text(json.dumps(report), encoding="utf-8")
    assert runs(judged, "--figures", tmp_path / "pictures") == 0
    assert "left out: accuracy_against_latency: no run has times" in capsys.readouterr().err
    assert (tmp_path / "pictures" / "accuracy_by_hardness.png").stat().st_size > 1000
    assert runs(judged, "--figures", tmp_path / "pictures", "--metric", "exact_match") == 1
    assert "no metric 'exact_match'" in capsys.readouterr().err
