"""`txt2sql search`, and the --search of ask and evaluate, with the bundled model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql.cli.main import main


def run(*arguments: str) -> int:
    try:
        main(arguments)
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_a_tree_is_drawn_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "tree.html"
    question = "Which shops have more than 3 employees?"
    assert run("search", question, "--explain", "--simulations", "3", "--html", str(page)) == 0
    shown = capsys.readouterr().out
    assert "stopped: all 3 simulations" in shown
    assert "the model's own answer" in shown
    assert shown.count("● ") >= 2
    assert question in page.read_text(encoding="utf-8")


def test_a_tree_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("search", "How many shops are there?", "--json", "--simulations", "2") == 0
    tree = json.loads(capsys.readouterr().out)
    assert tree["sql"] == "SELECT COUNT(*) FROM shops"
    assert tree["simulations"] == 2


def test_evaluate_keeps_the_trees(
    shops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    arguments = ["--dataset", str(shops), "--search", "2", "--output", str(folder), "--json"]
    assert run("evaluate", *arguments, "--limit", "2") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["metrics"]["execution_accuracy"]["n"] == 2
    trees = [json.loads(line) for line in (folder / "trees.jsonl").read_text().splitlines()]
    predictions = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]  # fmt: skip
    assert [t["sql"] for t in trees] == [p["sql"] for p in predictions]
    assert all(tree["simulations"] == 2 and tree["nodes"] for tree in trees)


def test_greedy_and_search_are_two_things(shops: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", "--dataset", str(shops), "--search", "8", "--greedy") == 1
    assert "give one" in capsys.readouterr().err
