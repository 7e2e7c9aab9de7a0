"""BIRD's metrics: wrong results first, soft F1 by hand, and agreement with the official verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.bird import BirdMetric, same_set, soft_f1
from txt2sql.execution.database import Database, find_database
from txt2sql.execution.execute import Limits
from txt2sql.types import Example, Outcome, Prediction, Row, Verdict

CITIES = "SELECT id, city FROM shop"
NOTHING = "SELECT id FROM shop WHERE id > 9"

EXACT, SOFT = METRICS = "bird_execution_accuracy", "bird_soft_f1"


def judged(
    database: Database,
    name: str,
    gold: str,
    sql: str | None,
    official: bool = True,
    max_rows: int = 1000,
) -> Verdict:
    metric = BirdMetric(name, official, GoldResults(Limits(max_rows=max_rows)))
    return metric(Example("e", "shop", "?", gold), Prediction("e", sql), database)


@pytest.mark.parametrize(
    ("gold", "sql", "f1"),
    [
        (CITIES, NOTHING, 0.0),
        (NOTHING, CITIES, 0.0),
        (CITIES, "SELECT id, upper(city) FROM shop", 0.5),
        (CITIES, "SELECT id, city FROM shop WHERE id < 3", 0.8),
        (CITIES, "SELECT id FROM shop", 2 / 3),
        (CITIES, "SELECT city, id FROM shop", 1.0),  # soft F1 forgives the order of columns only
        ("SELECT id FROM shop", "SELECT CAST(id AS TEXT) FROM shop", 0.0),
        ("SELECT id FROM shop", "SELECT id FROM shop ORDER BY id DESC", 1 / 3),
        ("SELECT rating FROM shop", "SELECT coalesce(rating, 0) FROM shop", 2 / 3),
    ],
)
def test_a_wrong_result_is_wrong(shop: Database, gold: str, sql: str, f1: float) -> None:
    soft = judged(shop, SOFT, gold, sql)
    assert soft.score == pytest.approx(f1)
    assert soft.correct is (f1 == 1)
    exact = judged(shop, EXACT, gold, sql)
    reordered = sql.endswith("DESC")  # the same set of rows
    assert exact.outcome is (Outcome.CORRECT if reordered else Outcome.WRONG_RESULT)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("sql", "outcome"),
    [
        ("DROP TABLE shop", Outcome.PREDICTION_ERROR),
        ("SELECT 1; SELECT 1", Outcome.PREDICTION_ERROR),
        (" ", Outcome.WRONG_RESULT),
    ],
)
def test_what_does_not_run_scores_nothing(
    shop: Database, metric: str, sql: str | None, outcome: Outcome
) -> None:
    verdict = judged(shop, metric, CITIES, sql)
    assert (verdict.outcome, verdict.score) == (outcome, 0.0)
    assert verdict.reason


@pytest.mark.parametrize("metric", METRICS)
def test_no_sql_returns_no_rows_officially(shop: Database, metric: str) -> None:
    assert judged(shop, metric, NOTHING, None).correct
    assert judged(shop, metric, NOTHING, None, official=False).outcome is Outcome.NO_SQL


@pytest.mark.parametrize("metric", METRICS)
def test_a_result_over_the_row_limit_is_never_correct(shop: Database, metric: str) -> None:
    pair = "SELECT city FROM shop", "SELECT s.city FROM shop s, shop t"
    assert judged(shop, metric, *pair, max_rows=9).correct
    verdict = judged(shop, metric, *pair, max_rows=8)
    assert (verdict.outcome, verdict.score) == (Outcome.WRONG_RESULT, 0.0)
    assert "8 rows" in verdict.reason
    assert judged(shop, metric, *pair, max_rows=2).outcome is Outcome.GOLD_ERROR


@pytest.mark.parametrize(
    ("gold", "predicted", "same", "f1"),
    [
        ([(1, 2)], [(2, 1)], False, 1.0),
        ([(1,)], [("1",)], False, 0.0),
        ([(None,)], [(0,)], False, 0.0),
        ([], [(1, 2)], False, 0.0),
        ([(0.1 + 0.2,)], [(0.3,)], False, 0.0),  # no tolerance
        ([(1,), (2,)], [(2,), (1,)], True, 0.0),  # for soft F1 rows pair by position
        ([(1, 2, 3)], [(1, 2)], False, 0.8),
        # Of 2 more cells in the prediction 2/2 are wrong.
        ([(1, 2)], [(1, 2, 3, 4)], False, 2 / 3),
        # Each repeated cell matches again, but 2 is missed: 3/2 match, 1/2 missed.
        ([(1, 2)], [(1, 1, 1)], False, 6 / 7),
        # The second 1 is a duplicate row on both sides and goes; 1, 2 against 1, 3.
        ([(1,), (1,), (2,)], [(1,), (1,), (1,), (3,)], False, 0.5),
        ([(1,)], [(1.0,), (1,)], True, 1.0),
        ([(1, None)], [(1.0, None)], True, 1.0),
        ([], [], True, 1.0),
    ],
)
def test_sets_of_rows_and_soft_f1(
    gold: list[Row], predicted: list[Row], same: bool, f1: float
) -> None:
    assert same_set(gold, predicted) is same_set(predicted, gold) is same
    assert soft_f1(gold, predicted) == pytest.approx(f1)


def test_a_sample_of_the_official_verdicts(data_root: Path) -> None:
    files = sorted((data_root / "verdicts").glob("*.jsonl"))
    if not files:
        pytest.skip("no official verdicts here")
    metrics = [BirdMetric(name) for name in METRICS]
    for number, file in enumerate(files):
        for line in file.read_text(encoding="utf-8").splitlines()[number % 12 :: 12]:
            item = json.loads(line)
            if "bird_ex" not in item or item["db_id"] == "wta_1":  # a large one
                continue
            database = find_database(data_root / "spider", item["db_id"])
            example = Example("e", item["db_id"], "?", item["gold"])
            prediction = Prediction("e", item["pred"])
            scores = [metric(example, prediction, database).score for metric in metrics]
            assert scores == [item["bird_ex"], item["bird_soft_f1"]], (file.stem, item["i"])
