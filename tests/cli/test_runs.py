"""`txt2sql runs`: nothing and broken folders first, then headline numbers."""

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
