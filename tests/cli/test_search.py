"""`txt2sql search`, and the --search of evaluate, with the bundled model."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Command


def test_a_tree_is_written(txt2sql: Command) -> None:
    question = "Which shops have more than 3 employees?"
    options = ("--simulations", "3", "--html", "tree.html")
    done = txt2sql("search", question, *options)
    assert done.code == 0
    assert "SELECT" in done.out
    assert question in Path("tree.html").read_text(encoding="utf-8")


def test_evaluate_keeps_the_trees(shops: Path, txt2sql: Command) -> None:
    options = ("--search", "2", "--output", "run", "--json", "--limit", "2")
    done = txt2sql("evaluate", "--dataset", shops, *options)
    assert done.code == 0
    assert done.json["metrics"]["execution_accuracy"]["n"] == 2
    trees, predictions = (
        [json.loads(line) for line in Path("run", name).read_text().splitlines()]
        for name in ("trees.jsonl", "predictions.jsonl")
    )
    assert [tree["sql"] for tree in trees] == [each["sql"] for each in predictions]
    assert all(tree["simulations"] == 2 and tree["nodes"] for tree in trees)
