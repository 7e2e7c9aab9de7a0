"""The final choice among results."""

from __future__ import annotations

import pytest

from txt2sql.models.vote import ScoredAnswer, Weights, choose
from txt2sql.types import QueryResult, Row


def rows(*values: Row, columns: int = 1) -> QueryResult:
    return QueryResult(columns=("c",) * columns, rows=values)


def scored(sql: str, probability: float, result: QueryResult, own: bool = False) -> ScoredAnswer:
    return ScoredAnswer(sql, probability, 1, 0.0, result, own)


def test_what_failed_never_wins() -> None:
    failed = scored("bad", 0.9, QueryResult(error="no such column"), own=True)
    empty = scored("empty", 0.01, rows())
    assert choose([failed, empty])[0].sql == "empty"
    assert choose([failed])[0].sql == "bad"
    assert choose([]) == []


def test_agreement_beats_the_likeliest() -> None:
    votes = [
        scored("own", 0.4, rows((1,)), own=True),
        scored("two", 0.3, rows((2,))),
        scored("too", 0.25, rows((2.0,))),
    ]
    best = choose(votes)[0]
    assert best.sql == "two"
    assert not best.own


def test_an_empty_result_needs_much_more() -> None:
    assert choose([scored("empty", 0.6, rows()), scored("full", 0.2, rows((1,)))])[0].sql == "full"
    nulls = scored("nulls", 0.6, rows((None,)))
    assert choose([nulls, scored("full", 0.2, rows((1,)))])[0].sql == "full"
    assert choose([scored("empty", 0.99, rows()), scored("full", 0.01, rows((1,)))])[0].sql == "empty"  # fmt: skip


def test_a_preference_weighs_answers_but_saves_none_that_failed() -> None:
    votes = [
        ScoredAnswer("likely", 0.5, 1, 0.0, rows((1,)), score=-0.5),
        ScoredAnswer("liked", 0.3, 1, 0.0, rows((2,)), score=0.5),
        ScoredAnswer("failed", 0.2, 1, 0.0, QueryResult(error="no such table"), score=1.0),
        ScoredAnswer("empty", 0.3, 1, 0.0, rows(), score=0.6),
    ]
    assert choose(votes)[0].sql == "likely"
    assert choose(votes, Weights(preference=0.4))[0].sql == "likely"
    assert choose(votes, Weights(preference=0.6))[0].sql == "liked"
    assert choose(votes, Weights(preference=50.0))[-1].sql == "failed"
    with pytest.raises(ValueError, match="negative"):
        Weights(preference=-1)


def test_a_tie_goes_to_the_models_own_answer() -> None:
    votes = [scored("other", 0.3, rows((1,))), scored("own", 0.3, rows((2,)), own=True)]
    assert choose(votes)[0].sql == "own"
    assert choose(votes[::-1])[0].sql == "own"


def test_visits_and_values_can_decide() -> None:
    one = ScoredAnswer("one", 0.5, 1, -0.5, rows((1,)))
    two = ScoredAnswer("two", 0.4, 9, 0.5, rows((2,)))
    assert choose([one, two])[0].sql == "one"
    assert choose([one, two], Weights(probability=0, visits=1))[0].sql == "two"
    assert choose([one, two], Weights(probability=0, value=1))[0].sql == "two"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rows((1,)), rows((2,))),
        (rows((1,)), rows((1,), (1,))),
        (rows((1,)), rows(("1",))),
        (rows(), rows((None,))),
        (rows(columns=1), rows(columns=2)),
        (rows((1, 2), (3, 4), columns=2), rows((1, 4), (3, 2), columns=2)),
    ],
)
def test_other_results_are_other_candidates(one: QueryResult, other: QueryResult) -> None:
    assert one.key != other.key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (rows((1,), (2,)), rows((2,), (1,))),
        (rows((1,)), rows((1.0,))),
        (rows((0.1 + 0.2,)), rows((0.3,))),
        (rows((1, "a"), (2, "b"), columns=2), rows(("b", 2), ("a", 1), columns=2)),
    ],
)
def test_equal_results_are_one_candidate(one: QueryResult, other: QueryResult) -> None:
    assert one.key == other.key
