"""The final choice among results."""

from __future__ import annotations

import pytest

from txt2sql.models.vote import ScoredAnswer, Weights, choose
from txt2sql.types import QueryResult, Row

FAILED = QueryResult(error="no such column")


def rows(*values: Row, columns: int = 1) -> QueryResult:
    return QueryResult(columns=("c",) * columns, rows=values)


def scored(sql: str, probability: float, result: QueryResult, own: bool = False) -> ScoredAnswer:
    return ScoredAnswer(sql, probability, 1, result, own)


ONE, TWO = rows((1,)), rows((2,))


@pytest.mark.parametrize(
    ("votes", "best"),
    [
        # What failed never wins over what ran.
        ([("bad", 0.9, FAILED, True), ("empty", 0.01, rows())], "empty"),
        ([("bad", 0.9, FAILED, True)], "bad"),
        # Agreement beats the likeliest.
        ([("own", 0.4, ONE, True), ("two", 0.3, TWO), ("too", 0.25, rows((2.0,)))], "two"),
        # An empty result needs much more, and so does one of nulls.
        ([("empty", 0.6, rows()), ("full", 0.2, ONE)], "full"),
        ([("nulls", 0.6, rows((None,))), ("full", 0.2, ONE)], "full"),
        ([("empty", 0.99, rows()), ("full", 0.01, ONE)], "empty"),
        # A tie goes to the model's own answer.
        ([("other", 0.3, ONE), ("own", 0.3, TWO, True)], "own"),
        ([("own", 0.3, TWO, True), ("other", 0.3, ONE)], "own"),
    ],
)
def test_the_likeliest_result_that_says_something_wins(votes: list[tuple], best: str) -> None:
    chosen = choose([scored(*vote) for vote in votes])[0]
    assert (chosen.sql, chosen.own) == (best, best in ("own", "bad"))
    assert choose([]) == []


def test_a_preference_weighs_answers_but_saves_none_that_failed() -> None:
    votes = [
        ScoredAnswer("likely", 0.5, 1, ONE, score=-0.5),
        ScoredAnswer("liked", 0.3, 1, TWO, score=0.5),
        ScoredAnswer("failed", 0.2, 1, FAILED, score=1.0),
        ScoredAnswer("empty", 0.3, 1, rows(), score=0.6),
    ]
    for preference, best in ((0.0, "likely"), (0.4, "likely"), (0.6, "liked")):
        assert choose(votes, Weights(preference=preference))[0].sql == best
    assert choose(votes, Weights(preference=50.0))[-1].sql == "failed"
    with pytest.raises(ValueError, match="negative"):
        Weights(preference=-1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (ONE, TWO, False),
        (ONE, rows((1,), (1,)), False),
        (ONE, rows(("1",)), False),
        (rows(), rows((None,)), False),
        (rows(columns=1), rows(columns=2), False),
        (rows((1, 2), (3, 4), columns=2), rows((1, 4), (3, 2), columns=2), False),
        (rows((1,), (2,)), rows((2,), (1,)), True),
        (ONE, rows((1.0,)), True),
        (rows((0.1 + 0.2,)), rows((0.3,)), True),
        (rows((1, "a"), (2, "b"), columns=2), rows(("b", 2), ("a", 1), columns=2), True),
    ],
)
def test_equal_results_are_one_candidate(one: QueryResult, other: QueryResult, same: bool) -> None:
    assert (one.key == other.key) is same
