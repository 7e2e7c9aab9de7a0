"""Preference pairs: which steps are compared, which never, and what a pair weighs."""

from __future__ import annotations

import json

import pytest

from txt2sql.training.trees import JudgedNode, JudgedTree, from_row, pairs, to_row


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


def test_the_margin_and_the_number_of_pairs_are_kept() -> None:
    edges = ((1, 5, 0.9), (2, 4, 0.8), (3, 3, 0.7), (4, 2, 0.4), (5, 1, -0.5), (6, 1, -0.9))
    found = tree(
        JudgedNode("", edges=edges), *(leaf(f"a{i}", True) for i in range(3)),
        *(leaf(f"b{i}", False) for i in range(3)),
    )  # fmt: skip
    assert steps(found) == [(1, 6), (1, 5), (2, 6), (2, 5)]
    assert steps(found, per_side=1) == [(1, 6)]
    assert steps(found, margin=1.5) == [(1, 6), (2, 6)]
    assert len([p for p in pairs(found) if p.kind == "answer"]) == 9


def test_steps_are_compared_under_their_own_prefix_and_answers_across_the_tree() -> None:
    found = tree(
        JudgedNode("", edges=((1, 4, 0.5), (2, 2, -1.0))),
        JudgedNode("select a", "select a", edges=((3, 2, 1.0), (4, 1, -1.0))),
        JudgedNode("select b", "select b", edges=((5, 2, -1.0),)),
        leaf("from t", True), leaf("where x", False), leaf("from u", False),
    )  # fmt: skip
    by_kind = {(p.kind, p.better, p.worse) for p in pairs(found)}
    assert by_kind == {("select", 1, 2), ("from", 3, 4), ("answer", 3, 4), ("answer", 3, 5)}


def test_the_pairs_of_a_prefix_weigh_as_much_as_one() -> None:
    edges = ((1, 5, 0.9), (2, 4, 0.8), (3, 1, -0.5), (4, 1, -0.9))
    found = tree(JudgedNode("", edges=edges), *(leaf(f"a{i}", i < 2) for i in range(4)))
    weights = [p.weight for p in pairs(found) if p.kind != "answer"]
    assert len(weights) == 4 and sum(weights) == pytest.approx(1)


def test_a_tree_survives_a_file() -> None:
    found = tree(
        JudgedNode("", edges=((1, 3, 0.25), (2, 1, -1.0))), leaf("a", False), leaf("b", True),
        JudgedNode("c", ended=True, right=False, sql=None, own=True),
    )  # fmt: skip
    assert from_row(json.loads(json.dumps(to_row(found)))) == found
    assert found.solved and found.answers == [1, 2, 3]
    failed = {b.sql: b.result.ok for b in found.ballots()}
    assert failed == {"1": True, "2": True, "3": False}
