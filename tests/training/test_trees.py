"""Preference pairs: which steps are compared, which never, and what a pair weighs."""

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
    from_row,
    pairs,
    to_row,
    traces,
    write_traces,
)
from txt2sql.types import Example, QueryResult


def leaf(step: str, right: bool | None, probability: float = 0.1) -> JudgedNode:
    result = None if right is None else int(right)
    return JudgedNode(step, step, True, right, step, probability, False, result, right is not None)


def tree(*nodes: JudgedNode) -> JudgedTree:
    return JudgedTree("q", "shop", nodes)


def steps(found: JudgedTree, margin: float = 0.5, per_side: int = 2) -> list[tuple[int, int]]:
    return [(p.better, p.worse) for p in pairs(found, margin, per_side) if p.kind != "answer"]


def test_nothing_is_compared_with_what_was_never_reached_or_is_alike() -> None:
    assert pairs(tree(JudgedNode(""))) == []
    unvisited = tree(
        JudgedNode("", edges=((1, 3, 1.0), (2, 0, 0.0))), leaf("a", True), leaf("b", None)
    )
    assert pairs(unvisited) == []
    for right in (True, False):
        alike = tree(
            JudgedNode("", edges=((1, 3, 1.0), (2, 1, -1.0))), leaf("a", right), leaf("b", right)
        )
        assert pairs(alike) == []


def test_steps_are_compared_under_their_own_prefix_and_answers_across_the_tree() -> None:
    found = tree(
        JudgedNode("", edges=((1, 4, 0.5), (2, 2, -1.0))),
        JudgedNode("select a", "select a", edges=((3, 2, 1.0), (4, 1, -1.0))),
        JudgedNode("select b", "select b", edges=((5, 2, -1.0),)),
        leaf("from t", True), leaf("where x", False), leaf("from u", False),
    )  # fmt: skip
    by_kind = {(p.kind, p.better, p.worse) for p in pairs(found)}
    assert by_kind == {("select", 1, 2), ("from", 3, 4), ("answer", 3, 4), ("answer", 3, 5)}


def test_a_tree_survives_a_file() -> None:
    found = tree(
        JudgedNode("", edges=((1, 3, 0.25), (2, 1, -1.0))), leaf("a", False), leaf("b", True),
        JudgedNode("c", ended=True, right=False, sql=None, own=True),
    )  # fmt: skip
    assert from_row(json.loads(json.dumps(to_row(found)))) == found
    assert found.solved and found.answers == [1, 2, 3]
    failed = {b.sql: b.result.ok for b in found.ballots()}
    assert failed == {"1": True, "2": True, "3": False}


QUESTION = Example("q", "shop_0", "How many?", gold_sql="SELECT count(*) FROM shop")


def answer(step: str, right: bool | None, sql: str | None, probability: float = 0.1) -> JudgedNode:
    return JudgedNode(step, step, True, right, sql, probability)


def test_of_the_right_answers_the_best_are_kept_and_each_once() -> None:
    edges = ((1, 5, 0.9), (2, 4, 0.8), (3, 3, 1.0), (4, 2, 0.95), (5, 0, 0.99), (6, 1, 1.0))
    tree = JudgedTree("q", "shop_0", (
        JudgedNode("", edges=edges), answer("a", True, "SELECT 1"), answer("b", True, "SELECT 2"),
        answer("c", False, "SELECT 3"), answer("d", True, "select  1"), answer("e", True, "SELECT 5"),
        answer("f", True, None),
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


def drawn(number: int, source: str = "search") -> Trace:
    return Trace(f"q{number}", "shop_0", "?", "", f"SELECT {number}", ("SELECT",), source)


def test_gold_comes_last_and_every_question_before_one_twice() -> None:
    every = [drawn(n) for n in range(50)] + [drawn(n, "gold") for n in range(50, 80)]
    kept = chosen_traces(every, 40, 0)
    assert len(kept) == 40 and all(t.source == "search" for t in kept)
    assert chosen_traces(every, 40, 0) == kept != chosen_traces(every, 40, 1)
    assert len(chosen_traces(every, 1000, 0)) == 80
    twice = [drawn(0), drawn(0), drawn(1), drawn(2)]
    assert {t.question_id for t in chosen_traces(twice, 3, 0)} == {"q0", "q1", "q2"}


def test_traces_are_a_data_set_with_their_provenance(tmp_path: Path, tiny_spider: Path) -> None:
    kept = [drawn(1), drawn(2, "gold")]
    write_traces(kept, open_dataset(tiny_spider), tmp_path / "traces")
    found = open_dataset(tmp_path / "traces")
    assert [(e.db_id, e.gold_sql) for e in found.examples("train")] == [("shop_0", "SELECT 1"), ("shop_0", "SELECT 2")]  # fmt: skip
    assert found.splits == ("train",)
    assert found.schema("shop_0").tables[0].columns
    rows = [json.loads(line) for line in (tmp_path / "traces" / "traces.jsonl").read_text().splitlines()]  # fmt: skip
    assert [(row["question_id"], row["source"]) for row in rows] == [("q1", "search"), ("q2", "gold")]  # fmt: skip
