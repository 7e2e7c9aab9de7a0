"""Verified traces: what is kept of a tree, of gold queries, and of each level of hardness."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql.data import open_dataset
from txt2sql.execution.execute import execute
from txt2sql.training.trees import (
    JudgedNode,
    JudgedTree,
    Trace,
    bootstrap,
    chosen_traces,
    traces,
    write_traces,
)
from txt2sql.types import Example, QueryResult

QUESTION = Example("q", "shop_0", "How many?", gold_sql="SELECT count(*) FROM shop")


def leaf(step: str, right: bool | None, sql: str | None, probability: float = 0.1) -> JudgedNode:
    return JudgedNode(step, step, True, right, sql, probability)


def test_of_the_right_answers_the_best_are_kept_and_each_once() -> None:
    edges = ((1, 5, 0.9), (2, 4, 0.8), (3, 3, 1.0), (4, 2, 0.95), (5, 0, 0.99), (6, 1, 1.0))
    tree = JudgedTree("q", "shop_0", (
        JudgedNode("", edges=edges), leaf("a", True, "SELECT 1"), leaf("b", True, "SELECT 2"),
        leaf("c", False, "SELECT 3"), leaf("d", True, "select  1"), leaf("e", True, "SELECT 5"),
        leaf("f", True, None),
    ))  # fmt: skip
    found = traces(tree, QUESTION, 2)
    assert [(t.query, t.steps, t.q) for t in found] == [("select  1", ("d",), 0.95), ("SELECT 2", ("b",), 0.8)]  # fmt: skip
    assert len(traces(tree, QUESTION, 1)) == 1
    assert traces(JudgedTree("q", "shop_0", (JudgedNode(""),)), QUESTION, 2) == []


@pytest.mark.parametrize("gold", [
    "SELECT nothing FROM shop", "SELECT town FROM nowhere", "SELECT town FROM shop WHERE sise > 1",
    "not SQL",
])  # fmt: skip
def test_a_gold_query_with_a_step_that_fails_is_no_trace(gold: str, tiny_spider: Path) -> None:
    dataset = open_dataset(tiny_spider)
    example = Example("q", "shop_0", "?", gold_sql=gold)

    def run(sql: str) -> QueryResult:
        return execute(dataset.database("shop_0"), sql)

    assert bootstrap(example, dataset.schema("shop_0"), run) is None


def test_a_gold_query_is_cut_into_clauses(tiny_spider: Path) -> None:
    dataset = open_dataset(tiny_spider)
    gold = "SELECT town FROM shop WHERE size > 1 ORDER BY size LIMIT 1"
    example = Example("q", "shop_0", "?", gold_sql=gold)
    schema = dataset.schema("shop_0")
    found = bootstrap(example, schema, lambda sql: execute(dataset.database("shop_0"), sql))
    assert found is not None and found.source == "gold"
    assert [step.split()[0].upper() for step in found.steps] == ["SELECT", "FROM", "WHERE", "ORDER", "LIMIT"]  # fmt: skip


def trace(number: int, source: str = "search") -> Trace:
    return Trace(f"q{number}", "shop_0", "?", "", f"SELECT {number}", ("SELECT",), source)


def test_gold_comes_last_and_every_question_before_one_twice() -> None:
    every = [trace(n) for n in range(50)] + [trace(n, "gold") for n in range(50, 80)]
    kept = chosen_traces(every, 40, 0)
    assert len(kept) == 40 and all(t.source == "search" for t in kept)
    assert chosen_traces(every, 40, 0) == kept != chosen_traces(every, 40, 1)
    assert len(chosen_traces(every, 1000, 0)) == 80
    twice = [trace(0), trace(0), trace(1), trace(2)]
    assert {t.question_id for t in chosen_traces(twice, 3, 0)} == {"q0", "q1", "q2"}


def test_traces_are_a_data_set_with_their_provenance(tmp_path: Path, tiny_spider: Path) -> None:
    kept = [trace(1), trace(2, "gold")]
    write_traces(kept, open_dataset(tiny_spider), tmp_path / "traces")
    found = open_dataset(tmp_path / "traces")
    assert [(e.db_id, e.gold_sql) for e in found.examples("train")] == [("shop_0", "SELECT 1"), ("shop_0", "SELECT 2")]  # fmt: skip
    assert found.splits == ("train",)
    assert found.schema("shop_0").tables[0].columns
    rows = [json.loads(line) for line in (tmp_path / "traces" / "traces.jsonl").read_text().splitlines()]  # fmt: skip
    assert [(row["question_id"], row["source"]) for row in rows] == [("q1", "search"), ("q2", "gold")]  # fmt: skip
