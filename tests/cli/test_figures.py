"""`txt2sql figures`: a clear error first, then files on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql.cli.main import main
from txt2sql.evaluation.statistics import wilson


def figures(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["figures", *map(str, arguments)])
    return int(caught.value.code or 0)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of predictions from a file: no times, no costs."""
    values = {"execution_accuracy": wilson(3, 4)._asdict()}
    report = {
        "model": "predicted.txt",
        "metrics": values,
        "by_difficulty": {"easy": values},
        "seconds": {"median": None, "p95": None, "total": None},
        "cost": None,
    }
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return tmp_path


def test_what_is_not_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert figures() == 2
    assert figures(tmp_path / "none") == 1
    captured = capsys.readouterr()
    assert "no report can be read" in captured.err
    assert captured.out == ""


def test_pictures_are_written_and_gaps_explained(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra figures")
    assert figures(run, "--output", run / "pictures") == 0
    captured = capsys.readouterr()
    written = [run / "pictures" / f"accuracy_by_hardness.{kind}" for kind in ("png", "svg")]
    assert captured.out.splitlines() == [str(path) for path in written]
    assert all(path.stat().st_size > 1000 for path in written)
    assert "left out: accuracy_against_latency: no run has times" in captured.err
    assert figures(run, "--output", run / "pictures", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == [str(path) for path in written]
