"""BIRD's execution accuracy: wrong results first, and agreement with the official verdicts."""

from __future__ import annotations

import pytest

from txt2sql.evaluation.metrics.execution_accuracy import BirdExecutionAccuracy
from txt2sql.evaluation.mode import GoldResults
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.types import Example, Outcome, Prediction, Verdict

CITIES = "SELECT id, city FROM shop"
NOTHING = "SELECT id FROM shop WHERE id > 9"
IDS = "SELECT id FROM shop"


def judged(
    database: Database, gold: str, sql: str | None, official: bool = True, max_rows: int = 1000
) -> Verdict:
    metric = BirdExecutionAccuracy(official, GoldResults(Limits(max_rows=max_rows)))
    return metric(Example("e", "shop", "?", gold), Prediction("e", sql), database)


@pytest.mark.parametrize(
    ("gold", "sql", "outcome"),
    [
        (CITIES, NOTHING, Outcome.WRONG_RESULT),
        (NOTHING, CITIES, Outcome.WRONG_RESULT),
        (CITIES, "SELECT id, upper(city) FROM shop", Outcome.WRONG_RESULT),
        (CITIES, "SELECT city, id FROM shop", Outcome.WRONG_RESULT),
        (IDS, "SELECT CAST(id AS TEXT) FROM shop", Outcome.WRONG_RESULT),
        ("SELECT rating FROM shop", "SELECT coalesce(rating, 0) FROM shop", Outcome.WRONG_RESULT),
        ("SELECT 0.3", "SELECT 0.1 + 0.2", Outcome.WRONG_RESULT),  # no tolerance
        (CITIES, "DROP TABLE shop", Outcome.PREDICTION_ERROR),
        (CITIES, "SELECT 1; SELECT 1", Outcome.PREDICTION_ERROR),
        (CITIES, " ", Outcome.WRONG_RESULT),
        (IDS, f"{IDS} ORDER BY id DESC", Outcome.CORRECT),
        (IDS, f"SELECT id * 1.0 FROM shop UNION ALL {IDS}", Outcome.CORRECT),
        ("SELECT rating FROM shop", "SELECT rating FROM shop ORDER BY 1", Outcome.CORRECT),
        (NOTHING, CITIES + " WHERE 0", Outcome.CORRECT),
    ],
)
def test_sets_of_rows_are_compared(shop: Database, gold: str, sql: str, outcome: Outcome) -> None:
    verdict = judged(shop, gold, sql)
    assert (verdict.outcome, verdict.score) == (outcome, float(outcome is Outcome.CORRECT))
    assert verdict.reason or verdict.correct


def test_no_sql_returns_no_rows_officially(shop: Database) -> None:
    assert judged(shop, NOTHING, None).correct
    assert judged(shop, NOTHING, None, official=False).outcome is Outcome.NO_SQL


def test_a_result_over_the_row_limit_is_never_correct(shop: Database) -> None:
    pair = "SELECT city FROM shop", "SELECT s.city FROM shop s, shop t"
    assert judged(shop, *pair, max_rows=9).correct
    verdict = judged(shop, *pair, max_rows=8)
    assert (verdict.outcome, verdict.score) == (Outcome.WRONG_RESULT, 0.0)
    assert "8 rows" in verdict.reason
    assert judged(shop, *pair, max_rows=2).outcome is Outcome.GOLD_ERROR
