"""Wrong predictions first; then the properties of a score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.evaluation.metrics.clause_jaccard import ClauseJaccard
from txt2sql.execution.database import Database
from txt2sql.types import Column, Example, Outcome, Prediction, Schema, Table, Verdict

SCHEMA = Schema("shop", (Table("shop", tuple(map(Column, ("id", "city", "opened", "rating")))),))
QUERIES = (
    "SELECT city FROM shop",
    "SELECT city FROM shop WHERE opened > 2000",
    "SELECT city FROM shop WHERE opened > 2000 AND rating > 4",
    "SELECT count(*) FROM shop",
    "SELECT city, count(*) FROM shop GROUP BY city ORDER BY 2 DESC LIMIT 1",
    "SELECT city FROM shop UNION SELECT city FROM shop WHERE id IN (SELECT max(id) FROM shop)",
    "SELECT a.city FROM shop a, shop b WHERE a.id = b.opened",
)


@pytest.fixture
def judge(shop: Database):  # type: ignore[no-untyped-def]
    metric = ClauseJaccard(lambda db_id: SCHEMA)

    def judged(gold: str, predicted: str | None) -> Verdict:
        return metric(Example("e", "shop", "?", gold), Prediction("e", predicted), shop)

    return judged


@pytest.mark.parametrize(
    ("gold", "predicted", "outcome"),
    [
        (QUERIES[0], None, Outcome.NO_SQL),
        (QUERIES[0], " \n", Outcome.NO_SQL),
        (QUERIES[0], "Sorry, no.", Outcome.PREDICTION_ERROR),
        (QUERIES[0], "DROP TABLE shop", Outcome.PREDICTION_ERROR),
        (QUERIES[0], "SELECT opened FROM item", Outcome.WRONG_RESULT),
        ("SELECT FROM", "SELECT FROM", Outcome.GOLD_ERROR),
        ("", "SELECT 1", Outcome.GOLD_ERROR),
    ],
)
def test_zero(judge, gold: str, predicted: str | None, outcome: Outcome) -> None:  # type: ignore[no-untyped-def]
    verdict = judge(gold, predicted)
    assert (verdict.outcome, verdict.score) == (outcome, 0.0)
    assert verdict.reason


def test_part_of_it(judge) -> None:  # type: ignore[no-untyped-def]
    verdict = judge(QUERIES[2], "SELECT city FROM shop WHERE opened > 2000 AND rating > 5")
    assert verdict.score == 0.6
    assert verdict.outcome is Outcome.WRONG_RESULT
    assert verdict.reason == "missing: where (4 < shop.rating); extra: where (5 < shop.rating)"
    verdict = judge(QUERIES[2], QUERIES[0])
    assert verdict.reason == "missing: where (2000 < shop.opened) and 1 more"
    assert verdict.score == 0.5


def test_all_of_it(judge) -> None:  # type: ignore[no-untyped-def]
    verdict = judge(QUERIES[1], "select T1.CITY from Shop as T1 where 2000.0 < T1.opened;")
    assert (verdict.outcome, verdict.score, verdict.reason) == (Outcome.CORRECT, 1.0, "")
    assert verdict.metric == "clause_jaccard"


@given(st.sampled_from(QUERIES), st.sampled_from(QUERIES))
def test_is_a_score(shop: Database, one: str, other: str) -> None:
    metric = ClauseJaccard(lambda db_id: SCHEMA)
    scores = [
        metric(Example("e", "shop", "?", gold), Prediction("e", predicted), shop).score
        for gold, predicted in ((one, other), (other, one))
    ]
    assert scores[0] == scores[1]
    assert 0 <= scores[0] <= 1
    assert (scores[0] == 1) is (one == other)
