"""`txt2sql evaluate`: bad input first, then predictions from a file, then kill -9 and resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Command

GOLD = ["SELECT count(*) FROM shop", "SELECT DISTINCT city FROM shop"]

Evaluate = Callable[..., Any]


def predictions(folder: Path, *sql: str) -> Path:
    path = folder / "predicted.txt"
    path.write_text("".join(line + "\n" for line in sql), encoding="utf-8")
    return path


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def evaluate(shops: Path, txt2sql: Command) -> Evaluate:
    """Judge predictions of the four questions: the report, and what stands beside it."""

    def run(*sql: str, options: tuple[object, ...] = (), code: int = 0) -> tuple[Any, str]:
        given = predictions(shops, *sql)
        command = ("evaluate", "--dataset", shops, "--predictions", given, "--json", *options)
        done = txt2sql(*command)
        assert done.code == code
        return done.json if done.out else None, done.err

    return run


def test_wrong_predictions_are_wrong(shop: Path, evaluate: Evaluate) -> None:
    before = shop.read_bytes()
    result, _ = evaluate("SELECT 7", "", "SELECT town FROM shop", "DROP TABLE shop")
    assert result["metrics"]["execution_accuracy"]["mean"] == 0.0
    outcomes = ("no_sql", "prediction_error", "wrong_result")
    assert [result["outcomes"][name] for name in outcomes] == [1, 2, 1]
    assert shop.read_bytes() == before
    assert [path.name for path in shop.parent.iterdir()] == ["shop.sqlite"]


def test_the_report_holds_what_it_promises(
    shops: Path, evaluate: Evaluate, txt2sql: Command
) -> None:
    sql = (*GOLD, "SELECT 1", "SELECT 1")
    result, _ = evaluate(*sql, options=("--verdicts", "verdicts.jsonl"))
    accuracy = result["metrics"]["execution_accuracy"]
    assert 0 < accuracy["low"] < accuracy["mean"] == 0.75 < accuracy["high"] < 1
    assert set(result["seconds"]) == {"median", "p95", "total"}
    assert len(result["databases"]["shop"]) == 64
    folder = Path(result["run"])
    assert json.loads((folder / "report.json").read_text(encoding="utf-8")) == result
    assert "75.0%" in (folder / "report.md").read_text(encoding="utf-8")
    rows = lines(Path("verdicts.jsonl"))
    assert [row["outcome"] for row in rows] == ["correct", "correct", "correct", "wrong_result"]
    assert rows[3]["question"] == "Which shops are in Lisbon?"
    shown = txt2sql("evaluate", "--dataset", shops, "--predictions", predictions(shops, *sql))
    assert "75.0%  (95% interval" in shown.out and "n = 4" in shown.out
    assert "evaluate: 4/4  EX 75.0%" in shown.err


@pytest.mark.parametrize("damage", ["text", "gold"])
def test_a_broken_database_or_gold_is_an_outcome(
    shops: Path, shop: Path, damage: str, evaluate: Evaluate
) -> None:
    if damage == "text":
        shop.write_text("no database" * 500, encoding="utf-8")
    else:
        items = json.loads((shops / "dev.json").read_text(encoding="utf-8"))
        items = [{**item, "query": "SELECT town FROM shop"} for item in items]
        (shops / "dev.json").write_text(json.dumps(items), encoding="utf-8")
    result, err = evaluate(*GOLD, "", "", code=1)
    assert result["outcomes"]["gold_error"] == 4
    assert result["metrics"]["execution_accuracy"]["n"] == 0
    assert "no question of 'shops' dev could be judged: " in err


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
    file, ids = Path("run/predictions.jsonl"), [f"dev-{i}" for i in range(40)]
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_bytes().count(b"\n") >= 5):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    finished = file.read_bytes().count(b"\n")
    assert finished < 40
    with file.open("ab") as rows:  # a row that the kill cut off
        rows.write(b'{"example_id": "dev-39", "sq')
    before = Path("asked.txt").read_text(encoding="utf-8").split()
    second = subprocess.run([*command, "0"], capture_output=True, text=True, check=True)
    correct = [True, False, False, False] * 10
    assert json.loads(second.stdout.splitlines()[-1]) == [list(pair) for pair in zip(ids, correct)]
    assert f"going on with run: {40 - finished} examples left to ask" in second.stderr
    after = Path("asked.txt").read_text(encoding="utf-8").split()[len(before) :]
    assert after == ids[finished:]
    assert [row["example_id"] for row in lines(file)] == ids


def test_official_mode_writes_what_the_official_evaluator_says(evaluate: Evaluate) -> None:
    sql = ("select COUNT(*) from shop;", "SELECT city FROM shop", "SELECT town FROM shop", "hello")

    def official(*options: object) -> tuple[Any, list[Any]]:
        common = ("--mode", "official", "--verdicts", "verdicts.jsonl")
        result, _ = evaluate(*sql, options=(*common, *options))
        return result, lines(Path("verdicts.jsonl"))

    result, rows = official()
    assert [row["exec"] for row in rows] == [1, 1, 0, 0]  # DISTINCT is dropped from gold
    assert [row["exact"] for row in rows] == [1, 1, 0, 0]
    assert rows[0]["hardness"] == "easy" and rows[0]["partial"]["select"]["f1"] == 1
    assert (result["mode"], result["other_mode"]["mode"]) == ("official", "strict")
    assert official()[1] == official("--processes", 2)[1] == rows
    assert [row["exec"] for row in official("--keep-distinct")[1]] == [1, 0, 0, 0]


def test_a_gold_file_stands_in_for_a_split(shops: Path, txt2sql: Command) -> None:
    gold, bird = shops / "gold.sql", shops / "predicted.json"
    gold.write_text("SELECT count(*) FROM shop\tshop\nSELECT 7\tshop\n", encoding="utf-8")
    entries = {"0": "SELECT 3\t----- bird -----\tshop", "1": "SELECT 8\t----- bird -----\tshop"}
    bird.write_text(json.dumps(entries), encoding="utf-8")
    command = ("evaluate", "--dataset", shops, "--gold", gold, "--predictions", bird, "--json")
    assert txt2sql(*command).json["metrics"]["execution_accuracy"]["mean"] == 0.5
