"""The judge: wrong answers first, then what is right in another way of writing."""

from __future__ import annotations

import pytest

from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.types import Example, Outcome, Prediction, Verdict

CITIES = "SELECT city FROM shop"


def judged(
    database: Database, gold: str, sql: str | None, metric: ExecutionAccuracy | None = None
) -> Verdict:
    example = Example("e", database.db_id, "?", gold)
    return (metric or ExecutionAccuracy())(example, Prediction("e", sql), database)


@pytest.mark.parametrize(
    ("gold", "sql"),
    [
        (CITIES, "SELECT city FROM shop WHERE id < 3"),  # a row missing
        (CITIES, "SELECT DISTINCT city FROM shop"),  # a duplicate missing
        (CITIES, "SELECT city FROM shop UNION ALL SELECT 'Lisbon'"),  # a row too many
        (CITIES, "SELECT city FROM shop, (SELECT 1 UNION SELECT 2)"),  # every row twice
        (CITIES, "SELECT city, id FROM shop"),  # a column too many
        (CITIES, "SELECT opened FROM shop"),  # other values
        (CITIES, "SELECT lower(city) FROM shop"),  # another case
        ("SELECT rating FROM shop", "SELECT coalesce(rating, 0) FROM shop"),  # 0 is not NULL
        ("SELECT count(*) FROM shop", "SELECT count(rating) FROM shop"),
        ("SELECT id FROM shop ORDER BY opened", "SELECT id FROM shop ORDER BY opened DESC"),
        (CITIES, "SELECT city FROM shop WHERE 0"),  # nothing
        ("SELECT city FROM shop WHERE id = 9", CITIES),  # something where nothing is
    ],
)
def test_a_wrong_result_is_wrong(shop: Database, gold: str, sql: str) -> None:
    verdict = judged(shop, gold, sql)
    assert verdict.outcome is Outcome.WRONG_RESULT
    assert verdict.score == 0.0
    assert verdict.reason
    assert not verdict.correct


@pytest.mark.parametrize("sql", [None, "", "  \n"])
def test_no_sql_is_its_own_outcome(shop: Database, sql: str | None) -> None:
    assert judged(shop, CITIES, sql).outcome is Outcome.NO_SQL


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT town FROM shop",
        "SELECT",
        "hello",
        "DROP TABLE shop",
        "DELETE FROM shop",
        "SELECT city FROM shop; DROP TABLE shop",
    ],
)
def test_sql_that_fails_or_writes_is_a_prediction_error(shop: Database, sql: str) -> None:
    before = shop.path.read_bytes()
    verdict = judged(shop, CITIES, sql)
    assert verdict.outcome is Outcome.PREDICTION_ERROR
    assert verdict.reason
    assert shop.path.read_bytes() == before


def test_sql_without_end_is_a_timeout(shop: Database) -> None:
    endless = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    )
    metric = ExecutionAccuracy(Limits(timeout_s=0.2))
    assert judged(shop, CITIES, endless, metric).outcome is Outcome.TIMEOUT


def test_endless_rows_are_wrong_without_waiting_for_their_end(shop: Database) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    assert judged(shop, CITIES, endless).outcome is Outcome.WRONG_RESULT


@pytest.mark.parametrize("sql", [CITIES, None, "SELECT nothing", "SELECT town FROM shop"])
def test_a_failing_gold_is_never_the_models_fault(shop: Database, sql: str | None) -> None:
    verdict = judged(shop, "SELECT town FROM shop", sql)
    assert verdict.outcome is Outcome.GOLD_ERROR
    assert "town" in verdict.reason


def test_a_gold_of_too_many_rows_cannot_be_judged(shop: Database) -> None:
    metric = ExecutionAccuracy(Limits(max_rows=2))
    assert judged(shop, CITIES, CITIES, metric).outcome is Outcome.GOLD_ERROR


@pytest.mark.parametrize(
    ("gold", "sql"),
    [
        (CITIES, CITIES),
        (CITIES, "select s.city from shop as s order by s.id desc;"),  # gold has no order
        ("SELECT count(*) FROM shop", "SELECT sum(1) FROM shop"),
        ("SELECT city FROM shop WHERE id = 9", "SELECT id FROM shop WHERE id > 9"),  # both empty
        ("SELECT id FROM shop ORDER BY opened", "SELECT id FROM shop ORDER BY id"),
        ("SELECT max(rating) FROM shop", "SELECT rating FROM shop ORDER BY rating DESC LIMIT 1"),
    ],
)
def test_another_way_to_the_same_rows_is_correct(shop: Database, gold: str, sql: str) -> None:
    verdict = judged(shop, gold, sql)
    assert verdict == Verdict("e", "execution_accuracy", Outcome.CORRECT, 1.0)
    assert verdict.correct
