"""The judge: wrong answers first, then what is right in another way of writing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlite_files import build

from txt2sql.errors import DatabaseError
from txt2sql.evaluation.metrics.execution_accuracy import (
    ExecutionAccuracy,
    TestSuiteAccuracy,
    suite,
)
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.types import Example, Outcome, Prediction, Verdict

CITIES = "SELECT city FROM shop"
COUNT = "SELECT count(*) FROM shop"
SCRIPT = "CREATE TABLE shop (id); INSERT INTO shop VALUES (1), (2), (3);"
IDS = "SELECT id FROM shop"


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
        (CITIES, "SELECT city, id FROM shop"),  # a column too many
        ("SELECT rating FROM shop", "SELECT coalesce(rating, 0) FROM shop"),  # 0 is not NULL
        ("SELECT id FROM shop ORDER BY opened", "SELECT id FROM shop ORDER BY opened DESC"),
        ("SELECT city FROM shop WHERE id = 9", CITIES),  # something where nothing is
    ],
)
def test_a_wrong_result_is_wrong(shop: Database, gold: str, sql: str) -> None:
    verdict = judged(shop, gold, sql)
    assert (verdict.outcome, verdict.score) == (Outcome.WRONG_RESULT, 0.0)
    assert verdict.reason and not verdict.correct


@pytest.mark.parametrize("mode", ["strict", "official"])
def test_other_golds_do_not_make_a_wrong_answer_right(shop: Database, mode: str) -> None:
    def outcome(gold: str, accepted: tuple[str, ...], sql: str | None) -> Outcome:
        metric = ExecutionAccuracy(Judging(mode=mode))
        example = Example("e", shop.db_id, "?", gold, accepted=accepted)
        return metric(example, Prediction("e", sql), shop).outcome

    fair = ("SELECT city, id FROM shop",)
    assert outcome(CITIES, fair, "SELECT city, opened FROM shop") is Outcome.WRONG_RESULT
    assert outcome(CITIES, fair, "SELECT town FROM shop") is Outcome.PREDICTION_ERROR
    assert outcome(CITIES, fair, None) is Outcome.NO_SQL
    assert outcome(CITIES, ("SELECT town FROM shop",), COUNT) is Outcome.WRONG_RESULT
    # A gold that fails is a fault of the set, whatever else it accepts.
    assert outcome("SELECT town FROM shop", (CITIES,), CITIES) is Outcome.GOLD_ERROR
    assert outcome(CITIES, fair, "SELECT city, id FROM shop") is Outcome.CORRECT


@pytest.mark.parametrize("sql", ["SELECT town FROM shop", "hello", "SELECT 1; DROP TABLE shop"])
def test_sql_that_fails_or_writes_is_a_prediction_error(shop: Database, sql: str) -> None:
    before = shop.path.read_bytes()
    verdict = judged(shop, CITIES, sql)
    assert verdict.outcome is Outcome.PREDICTION_ERROR and verdict.reason
    assert shop.path.read_bytes() == before


def test_sql_without_end_is_a_timeout_and_rows_without_end_are_wrong(shop: Database) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {} FROM n"
    metric = ExecutionAccuracy(Judging(limits=Limits(timeout_s=0.2)))
    assert judged(shop, CITIES, endless.format("count(*)"), metric).outcome is Outcome.TIMEOUT
    assert judged(shop, CITIES, endless.format("i")).outcome is Outcome.WRONG_RESULT


def test_a_failing_gold_is_never_the_models_fault(shop: Database) -> None:
    for sql in (CITIES, None, "SELECT town FROM shop"):
        verdict = judged(shop, "SELECT town FROM shop", sql)
        assert verdict.outcome is Outcome.GOLD_ERROR and "town" in verdict.reason


@pytest.mark.parametrize(
    ("gold", "sql"),
    [
        (CITIES, CITIES),
        (CITIES, "select s.city from shop as s order by s.id desc;"),  # gold has no order
        ("SELECT city FROM shop WHERE id = 9", "SELECT id FROM shop WHERE id > 9"),  # both empty
        ("SELECT id FROM shop ORDER BY opened", "SELECT id FROM shop ORDER BY id"),
    ],
)
def test_another_way_to_the_same_rows_is_correct(shop: Database, gold: str, sql: str) -> None:
    verdict = judged(shop, gold, sql)
    assert (verdict.outcome, verdict.score) == (Outcome.CORRECT, 1.0)


OFFICIAL = ExecutionAccuracy(Judging("official"))
KEEPING = ExecutionAccuracy(Judging("official", keep_distinct=True))


@pytest.mark.parametrize(
    ("gold", "sql", "strict", "official", "keeping"),
    [
        # DISTINCT is dropped on both sides, in strings and names it stays
        (CITIES, "SELECT DISTINCT city FROM shop", False, True, False),
        ("SELECT 'distinct'", "SELECT ''", False, False, False),
        # only the first statement is run when DISTINCT is dropped
        (CITIES, f"{CITIES}; SELECT 1", False, True, False),
        # `value` in a prediction becomes 1; gold is left alone
        ("SELECT 1", "SELECT value", False, True, True),
        ("SELECT 'value'", "SELECT 'value'", True, False, False),
        # operators with a blank are mended
        ("SELECT 3 >= 2", "SELECT 3 > = 2", False, True, True),
        ("SELECT 2020", "SELECT YEAR(CURDATE())", False, True, True),
        # two empty results are the same whatever their columns
        ("SELECT id FROM shop WHERE 0", "SELECT id, city FROM shop WHERE 0", False, True, True),
        # "order by" anywhere makes order count; with two blanks it is not seen
        (f"{IDS} WHERE id IN ({IDS} ORDER BY id)", f"{IDS} ORDER BY id DESC", True, False, False),
        ("SELECT id FROM shop ORDER  BY id", "SELECT id FROM shop ORDER BY -id", False, True, True),
        # an integer and a float are told apart in rows of several columns, in one column not
        ("SELECT 1, 10", "SELECT 1.0, 10", True, False, False),
        # no tolerance
        ("SELECT 0.3", "SELECT 0.1 + 0.2", True, False, False),
    ],
)
def test_modes_differ_where_the_official_evaluator_does(
    shop: Database, gold: str, sql: str, strict: bool, official: bool, keeping: bool
) -> None:
    verdicts = [judged(shop, gold, sql, metric) for metric in (None, OFFICIAL, KEEPING)]
    assert [verdict.correct for verdict in verdicts] == [strict, official, keeping]
    others = [(verdict.details or {})["other_mode"]["correct"] for verdict in verdicts[:2]]
    assert others == [official, strict]


@pytest.mark.parametrize(
    ("gold", "sql", "right"),
    [
        (f"{IDS} ORDER BY city", f"{IDS} ORDER BY city, id DESC", True),
        (f"{IDS} ORDER BY city", f"{IDS} ORDER BY id DESC", False),
        (f"{IDS} ORDER BY city LIMIT 1", "SELECT 3", True),  # Lisbon twice
        (f"{IDS} ORDER BY city LIMIT 1", "SELECT 2", False),
        (f"{IDS} ORDER BY city, id LIMIT 1", "SELECT 3", False),
    ],
)
def test_a_strict_order_is_free_within_ties(
    shop: Database, gold: str, sql: str, right: bool
) -> None:
    assert judged(shop, gold, sql).correct is right


def test_right_by_luck_on_one_database_is_wrong_on_a_suite(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    build(folder / "shop.sqlite", SCRIPT)
    build(folder / "shopv1.sqlite", SCRIPT, "DELETE FROM shop WHERE id = 3")
    first = Database(folder / "shop.sqlite", "shop")
    for suites in (None, tmp_path):
        metric = TestSuiteAccuracy(folder=suites)
        assert judged(first, COUNT, "SELECT 3", metric).outcome is Outcome.WRONG_RESULT
        assert judged(first, COUNT, COUNT, metric).correct
    assert judged(first, COUNT, "SELECT 3").correct
    with pytest.raises(DatabaseError, match="no test suite for 'x'"):
        suite(tmp_path, "x")
