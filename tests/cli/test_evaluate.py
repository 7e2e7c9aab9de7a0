"""`txt2sql evaluate`: bad input first, then predictions from a file, then kill -9 and resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from txt2sql.cli.main import main

GOLD = ["SELECT count(*) FROM shop", "SELECT DISTINCT city FROM shop"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs go to results/ in the working folder."""
    monkeypatch.chdir(tmp_path)


def evaluate(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", *map(str, arguments)])
    return int(caught.value.code or 0)


def report(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def predictions(folder: Path, *sql: str) -> Path:
    path = folder / "predicted.txt"
    path.write_text("".join(line + "\n" for line in sql), encoding="utf-8")
    return path


def test_wrong_predictions_are_wrong(shops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = predictions(shops, "SELECT 7", "", "SELECT town FROM shop", "DROP TABLE shop")
    database = shops / "database" / "shop" / "shop.sqlite"
    before = database.read_bytes()
    assert evaluate("--dataset", shops, "--predictions", wrong, "--json") == 0
    result = report(capsys)
    assert result["metrics"]["execution_accuracy"]["mean"] == 0.0
    assert result["outcomes"]["no_sql"] == 1
    assert result["outcomes"]["prediction_error"] == 2
    assert result["outcomes"]["wrong_result"] == 1
    assert database.read_bytes() == before
    assert sorted(p.name for p in database.parent.iterdir()) == ["shop.sqlite"]


def test_the_report_keeps_the_contract(shops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = predictions(shops, *GOLD, "SELECT 1", "SELECT 1")
    verdicts = shops / "verdicts.jsonl"
    arguments = ["--dataset", shops, "--predictions", given, "--verdicts", verdicts]
    assert evaluate(*arguments, "--json") == 0
    result = report(capsys)
    accuracy = result["metrics"]["execution_accuracy"]
    assert (accuracy["mean"], accuracy["n"]) == (0.75, 4)
    assert 0 < accuracy["low"] < 0.75 < accuracy["high"] < 1
    assert set(result["seconds"]) == {"median", "p95", "total"}
    assert result["mode"] == "strict"
    assert (result["dataset"], result["split"], result["limit"]) == ("shops", "dev", None)
    assert len(result["databases"]["shop"]) == 64
    assert {"model", "versions", "commit", "examples_per_second"} <= set(result)
    folder = Path(result["run"])
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == result
    assert "75.0%" in (folder / "report.md").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in verdicts.read_text(encoding="utf-8").splitlines()]
    assert [row["outcome"] for row in rows] == ["correct", "correct", "correct", "wrong_result"]
    assert rows[3]["question"] == "Which shops are in Lisbon?"


def test_people_read_n_and_an_interval(shops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = predictions(shops, *GOLD, "SELECT 1", "SELECT 1")
    assert evaluate("--dataset", shops, "--predictions", given) == 0
    captured = capsys.readouterr()
    assert "75.0%  (95% interval" in captured.out
    assert "n = 4" in captured.out
    assert "evaluate: 4/4  EX 75.0%" in captured.err


def test_other_predictions_never_meet_old_ones(
    shops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sql, mean in (("SELECT 7", 0.0), (GOLD[0], 0.25)):
        given = predictions(shops, sql, "", "", "")
        assert evaluate("--dataset", shops, "--predictions", given, "--json") == 0
        assert report(capsys)["metrics"]["execution_accuracy"]["mean"] == mean
    folder = shops / "run"
    assert evaluate("--dataset", shops, "--predictions", given, "--output", folder) == 0
    other = predictions(shops, "SELECT 8", "", "", "")
    capsys.readouterr()
    assert evaluate("--dataset", shops, "--predictions", other, "--output", folder) == 1
    assert "holds a run with predictions" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["missing", "text", "gold"])
def test_a_broken_database_or_gold_is_an_outcome(
    shops: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    database = shops / "database" / "shop" / "shop.sqlite"
    if damage == "missing":
        database.unlink()
    elif damage == "text":
        database.write_text("no database" * 500, encoding="utf-8")
    else:
        items = json.loads((shops / "dev.json").read_text(encoding="utf-8"))
        items = [{**item, "query": "SELECT town FROM shop"} for item in items]
        (shops / "dev.json").write_text(json.dumps(items), encoding="utf-8")
    given = predictions(shops, *GOLD, "", "")
    assert evaluate("--dataset", shops, "--predictions", given, "--json") == 1
    captured = capsys.readouterr()
    result = json.loads(captured.out)
    assert result["outcomes"]["gold_error"] == 4
    assert result["metrics"]["execution_accuracy"]["n"] == 0
    assert "no question of 'shops' dev could be judged: " in captured.err


def test_questions_without_gold_are_left_out_and_counted(
    shops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = json.loads((shops / "dev.json").read_text(encoding="utf-8"))
    right = [item["query"] for item in items]
    items[1]["query"], items[3]["query"] = "", "SELECT FROM WHERE"
    (shops / "dev.json").write_text(json.dumps(items), encoding="utf-8")
    given = predictions(shops, right[0], "SELECT 7", "SELECT 7", "SELECT 7")
    assert evaluate("--dataset", shops, "--predictions", given, "--json") == 0
    captured = capsys.readouterr()
    result = json.loads(captured.out)["metrics"]["execution_accuracy"]
    assert (result["n"], result["mean"]) == (2, 0.5)
    assert "left out 2 of 4: 1 with no gold SQL, 1 with gold that is no SELECT" in captured.err


# A run in a process of its own, with a predictor that takes its time and notes what it is asked.
SLOW_RUN = """
import json, sys, time
from pathlib import Path
from txt2sql import runs
from txt2sql.cli.evaluate import continue_run
from txt2sql.data import open_dataset
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.types import Prediction

class Slow:
    name = "slow"
    def predict(self, examples):
        for example in examples:
            with open("asked.txt", "a") as file:
                print(example.id, file=file)
            time.sleep(float(sys.argv[2]))
            yield Prediction(example.id, "SELECT count(*) FROM shop", seconds=0.1)

source = open_dataset(sys.argv[1])
examples = list(source.examples("dev"))
judged = continue_run(runs.open_run(Path("run"), {}), source, [ExecutionAccuracy()], examples, Slow)
print(json.dumps([[j.example.id, j.verdicts[0].correct] for j in judged]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_killed_run_goes_on_without_asking_twice(shops: Path) -> None:
    items = json.loads((shops / "dev.json").read_text(encoding="utf-8"))
    (shops / "dev.json").write_text(json.dumps(items * 10), encoding="utf-8")
    command = [sys.executable, "-c", SLOW_RUN, str(shops)]
    first = subprocess.Popen([*command, "0.05"], stdout=subprocess.DEVNULL)
    kept = Path("run/predictions.jsonl")
    deadline = time.monotonic() + 60
    while not (kept.exists() and kept.read_bytes().count(b"\n") >= 5):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    finished = kept.read_bytes().count(b"\n")
    assert finished < 40
    with kept.open("ab") as file:  # a row that the kill cut off
        file.write(b'{"example_id": "dev-39", "sq')
    asked_before = Path("asked.txt").read_text(encoding="utf-8").split()
    second = subprocess.run([*command, "0"], capture_output=True, text=True, check=True)
    judged = json.loads(second.stdout.splitlines()[-1])
    assert [example_id for example_id, _ in judged] == [f"dev-{i}" for i in range(40)]
    assert [correct for _, correct in judged] == [True, False, False, False] * 10
    asked_after = Path("asked.txt").read_text(encoding="utf-8").split()[len(asked_before) :]
    assert asked_after == [f"dev-{i}" for i in range(finished, 40)]
    rows = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert [row["example_id"] for row in rows] == [f"dev-{i}" for i in range(40)]
    third = subprocess.run([*command, "0"], capture_output=True, text=True, check=True)
    assert json.loads(third.stdout.splitlines()[-1]) == judged
    assert "0 examples left to ask" in third.stderr


def official_rows(shops: Path, *arguments: object) -> list[dict[str, Any]]:
    """What --verdicts writes for four predictions in official mode."""
    sql = ("select COUNT(*) from shop;", "SELECT city FROM shop", "SELECT town FROM shop", "hello")
    out = shops / "verdicts.jsonl"
    given = predictions(shops, *sql)
    common = ["--dataset", shops, "--predictions", given, "--mode", "official"]
    assert evaluate(*common, "--verdicts", out, "--json", *arguments) == 0
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_official_mode_writes_what_the_official_evaluator_says(
    shops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = official_rows(shops)
    result = report(capsys)
    assert [row["i"] for row in rows] == [0, 1, 2, 3]
    assert [row["exec"] for row in rows] == [1, 1, 0, 0]  # DISTINCT is dropped from gold
    assert [row["exact"] for row in rows] == [1, 1, 0, 0]
    assert rows[0]["hardness"] == "easy"
    assert rows[0]["partial"]["select"]["f1"] == 1
    assert set(rows[2]["partial"]["where"]) == {"acc", "rec", "f1", "label_total", "pred_total"}
    assert result["mode"] == "official"
    assert result["metrics"]["exact_match"]["mean"] == 0.5
    assert result["other_mode"]["mode"] == "strict"
    assert result["by_difficulty"]["easy"]
    assert [row["exec"] for row in official_rows(shops, "--keep-distinct")] == [1, 0, 0, 0]


def test_the_same_again_and_without_the_cache_is_the_same(
    shops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = official_rows(shops)
    assert official_rows(shops) == first
    assert official_rows(shops, "--no-cache", "--processes", 2) == first
    capsys.readouterr()


def test_a_gold_file_stands_in_for_a_split(shops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gold = shops / "gold.sql"
    gold.write_text("SELECT count(*) FROM shop\tshop\nSELECT 7\tshop\n", encoding="utf-8")
    bird = shops / "predicted.json"
    entries = {"0": "SELECT 3\t----- bird -----\tshop", "1": "SELECT 8\t----- bird -----\tshop"}
    bird.write_text(json.dumps(entries), encoding="utf-8")
    assert evaluate("--dataset", shops, "--gold", gold, "--predictions", bird, "--json") == 0
    result = report(capsys)
    assert result["metrics"]["execution_accuracy"]["mean"] == 0.5
    gold.write_text("SELECT 1\n", encoding="utf-8")
    assert evaluate("--dataset", shops, "--gold", gold, "--predictions", bird) == 1
    assert "line 1" in capsys.readouterr().err


def test_a_test_suite_is_judged_on_all_its_databases(
    shops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = shops / "suites" / "shop"
    suite.mkdir(parents=True)
    shutil.copy(shops / "database" / "shop" / "shop.sqlite", suite / "shop.sqlite")
    shutil.copy(suite / "shop.sqlite", suite / "other.sqlite")
    with closing(sqlite3.connect(suite / "other.sqlite")) as connection:
        connection.execute("DELETE FROM shop")
        connection.commit()
    given = predictions(shops, "SELECT 3", GOLD[1], "", "")
    common = ["--dataset", shops, "--predictions", given, "--json"]
    assert evaluate(*common, "--test-suite", suite.parent) == 0
    metrics = report(capsys)["metrics"]
    assert metrics["execution_accuracy"]["mean"] == 0.5
    assert metrics["test_suite_accuracy"]["mean"] == 0.25
