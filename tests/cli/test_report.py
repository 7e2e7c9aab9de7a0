"""A report in the terminal: no mean without its interval and n."""

from __future__ import annotations

from pathlib import Path

import pytest

from txt2sql.cli.report import print_report
from txt2sql.evaluation.report import Judged, summarise
from txt2sql.types import Example, Outcome, Prediction, Verdict


def judged(name: str, outcome: Outcome, difficulty: str, reason: str = "") -> Judged:
    score = float(outcome is Outcome.CORRECT)
    return Judged(
        Example(name, "shop", "?", difficulty=difficulty),
        Prediction(name, "SELECT 1", seconds=0.5),
        (Verdict(name, "execution_accuracy", outcome, score, reason),),
    )


def test_people_read_every_mean_with_n_and_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    items = [
        judged("a", Outcome.CORRECT, "hard"),
        judged("b", Outcome.PREDICTION_ERROR, "easy", "no such column: x"),
        judged("c", Outcome.CORRECT, "easy"),
        judged("d", Outcome.CORRECT, "easy"),
    ]
    print_report(summarise(items, "official"), "m on shops dev", Path("results/x"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "m on shops dev (mode: official)"
    assert lines[2:] == [
        "execution accuracy  75.0%  (95% interval 30.1% to 95.4%, n = 4)",
        "  easy              66.7%  (95% interval 20.8% to 93.9%, n = 3)",
        "  hard              100.0%  (95% interval 20.7% to 100.0%, n = 1)",
        "outcomes            3 correct, 1 unknown column",
        "speed               2.00 examples per second, median 0.500 s, 95th percentile 0.500 s",
        f"run                 {Path('results/x')}",
    ]


def test_a_terminal_sees_the_same_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    report = summarise([judged("a", Outcome.CORRECT, "easy")])
    print_report(report, "[b]m[/b] on shops", Path("run"))
    shown = capsys.readouterr().out
    assert "[b]m[/b] on shops (mode: strict)" in shown
    assert "100.0%  (95% interval 20.7% to 100.0%, n = 1)" in shown
    assert "1 correct" in shown
