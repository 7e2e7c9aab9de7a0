"""`txt2sql evaluate --json` on the sample: a file of predictions in both modes, and a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.cli.evaluate import PredictorOptions
from txt2sql.cli.main import main
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import build_predictor

FOLDER = sample.folder()
VARYING = {
    "versions": "<versions>",
    "hardware": "<hardware>",
    "commit": "<commit>",
    "run": "<folder>",
    "seconds": "<median, p95, total>",
    "examples_per_second": "<number>",
    "databases": "<hashes>",
    "questions": "<hash>",
    "predictions": "<hash>",
}
VERDICT = ("hardness", "outcome", "category", "reason")

Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture
def evaluate(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mask: Callable[..., Any],
) -> Evaluate:
    """Run the command on the sample: its report, and what each example got."""
    monkeypatch.chdir(tmp_path)

    def run(*options: object) -> dict[str, Any]:
        verdicts = tmp_path / "verdicts.jsonl"
        command = ["evaluate", "--dataset", FOLDER, "--json", "--verdicts", verdicts, *options]
        with pytest.raises(SystemExit) as ended:
            main([str(part) for part in command])
        report = json.loads(capsys.readouterr().out)
        rows = [json.loads(line) for line in verdicts.read_text(encoding="utf-8").splitlines()]
        return {
            "exit code": ended.value.code,
            "report": mask(report, VARYING),
            "verdict keys": list(rows[0]),
            "verdicts": {
                "of": [*VERDICT, *rows[0]["scores"]],
                **{
                    row["example_id"]: [*(row[key] for key in VERDICT), *row["scores"].values()]
                    for row in rows
                },
            },
        }

    return run


@pytest.mark.parametrize("mode", ["strict", "official"])
def test_a_file_of_predictions(
    mode: str,
    golden: Callable[[str, Any], None],
    evaluate: Evaluate,
    completions: dict[str, Any],
    tmp_path: Path,
) -> None:
    first = [each if isinstance(each, str) else each[0] for each in completions.values()]
    plain = [" ".join(sql.split()) if sql.startswith("SELECT") else "" for sql in first]
    file = tmp_path / "predictions.txt"
    file.write_text("".join(f"{sql}\n" for sql in plain), encoding="utf-8")
    golden(f"evaluate_file_{mode}", evaluate("--predictions", file, "--mode", mode))


def test_a_model(
    golden: Callable[[str, Any], None],
    evaluate: Evaluate,
    completions: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def scripted(options: PredictorOptions, source: Any) -> Any:
        script = ScriptedGenerator(completions)
        load = lambda: build_predictor(script, source.schema, source.database)  # noqa: E731
        return {"model": options.model}, load

    monkeypatch.setattr("txt2sql.cli.evaluate.of_model", scripted)
    golden("evaluate_model", evaluate("--model", "scripted"))
