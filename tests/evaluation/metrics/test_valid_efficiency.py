"""VES and R-VES with a clock that the tests wind: no time is measured but in the last test."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest

from txt2sql.evaluation.metrics.valid_efficiency import (
    RewardEfficiency,
    ValidEfficiencyScore,
    mean_ratio,
    reward,
    stopwatch,
)
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.types import Example, Outcome, Prediction, Verdict

GOLD = "SELECT id FROM shop"
FAST = "SELECT id FROM shop WHERE id > 0"
WRONG = "SELECT id FROM shop WHERE id > 1"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

Metric = RewardEfficiency | ValidEfficiencyScore


def judged(database: Database, metric: Metric, sql: str | None) -> Verdict:
    return metric(Example("e", "shop", "?", GOLD), Prediction("e", sql), database)


def clock(gold: list[float], predicted: list[float]) -> Callable[[Database, str], float]:
    """A timer whose runs of gold and of all else take these seconds in turn."""
    times: dict[bool, Iterator[float]] = {True: cycle(gold), False: cycle(predicted)}
    return lambda database, sql: next(times[sql == GOLD])


def never(database: Database, sql: str) -> float:
    raise AssertionError("a wrong prediction was timed")


@pytest.mark.parametrize("metric", [RewardEfficiency, ValidEfficiencyScore])
@pytest.mark.parametrize(
    ("sql", "outcome"),
    [
        (None, Outcome.WRONG_RESULT),
        (WRONG, Outcome.WRONG_RESULT),
        ("SELECT town FROM shop", Outcome.PREDICTION_ERROR),
    ],
)
def test_what_is_wrong_scores_nothing_and_is_not_timed(
    shop: Database, metric: type[Metric], sql: str | None, outcome: Outcome
) -> None:
    verdict = judged(shop, metric(timer=never), sql)
    assert (verdict.outcome, verdict.score, verdict.details) == (outcome, 0.0, None)


@pytest.mark.parametrize(
    ("ratio", "worth"),
    [
        (0.0, 0.25),
        (0.2499, 0.25),
        (0.25, 0.5),
        (0.4999, 0.5),
        (0.5, 0.75),
        (0.9999, 0.75),
        (1.0, 1.0),
        (1.9999, 1.0),
        (2.0, 1.25),
        (100.0, 1.25),
    ],
)
def test_the_table_of_rewards(ratio: float, worth: float) -> None:
    assert reward(ratio) == worth


@pytest.mark.parametrize(
    ("ratios", "official", "strict"),
    [
        ([], None, None),
        ([1.0], None, 1.0),  # officially no ratio lies within three times no deviation
        ([2.0] * 100, None, 2.0),
        ([1.0, 3.0], 2.0, 2.0),
        ([1.0] * 50 + [3.0] * 50, 2.0, 2.0),
        # One of ten is at exactly three standard deviations, and goes.
        ([0.0] * 9 + [10.0], 0.0, 0.0),
        ([0.0] * 8 + [10.0], 10 / 9, 10 / 9),
        ([1.0, 3.0] * 50 + [1000.0], 2.0, 2.0),
        ([1.0, 3.0] * 50 + [-1000.0], 2.0, 2.0),
    ],
)
def test_the_rule_of_three_standard_deviations(
    ratios: list[float], official: float | None, strict: float | None
) -> None:
    assert mean_ratio(ratios, official=True) == pytest.approx(official)
    assert mean_ratio(ratios, official=False) == pytest.approx(strict)


@pytest.mark.parametrize(
    ("gold", "predicted", "ratio", "ves", "r_ves"),
    [
        ([8.0, 10.0], [1.0, 1.0], 9.0, 3.0, 1.25**0.5),
        ([1.0, 1.0], [1.0, 0.8], 1.125, 1.125**0.5, 1.0),
        ([1.0, 1.0], [2.0, 1.6], 0.5625, 0.75, 0.75**0.5),
        ([1.0, 1.0], [4.0, 3.0], 7 / 24, (7 / 24) ** 0.5, 0.5**0.5),
        ([1.0, 1.0], [8.0, 10.0], 0.1125, 0.1125**0.5, 0.5),
    ],
)
def test_scores_are_square_roots(
    shop: Database,
    gold: list[float],
    predicted: list[float],
    ratio: float,
    ves: float,
    r_ves: float,
) -> None:
    for metric, score in ((ValidEfficiencyScore, ves), (RewardEfficiency, r_ves)):
        verdict = judged(shop, metric(repeats=4, timer=clock(gold, predicted)), FAST)
        assert verdict.outcome is Outcome.CORRECT
        assert verdict.score == pytest.approx(score)
        assert verdict.details == {"time_ratio": pytest.approx(ratio)}


def test_equal_ratios_are_worth_nothing_officially(shop: Database) -> None:
    timer = clock([1.0], [1.0])
    assert judged(shop, RewardEfficiency(timer=timer), FAST).score == 0.0
    assert judged(shop, RewardEfficiency(official=False, timer=timer), FAST).score == 1.0


def test_gold_and_predicted_run_in_turn(shop: Database) -> None:
    runs: list[str] = []

    def timer(database: Database, sql: str) -> float:
        runs.append(sql)
        return float(len(runs))

    judged(shop, ValidEfficiencyScore(repeats=3, timer=timer), FAST)
    assert runs == [FAST, GOLD] * 3


def test_a_clock_that_does_not_move_divides_by_nothing(shop: Database) -> None:
    metric = RewardEfficiency(official=False, timer=clock([0.0], [0.0]))
    assert judged(shop, metric, FAST).score == 1.0


def test_the_time_of_all_runs_is_limited(shop: Database) -> None:
    metric = RewardEfficiency(repeats=2, limits=Limits(timeout_s=1.0), timer=clock([0.6], [0.6]))
    verdict = judged(shop, metric, FAST)
    assert (verdict.outcome, verdict.score) == (Outcome.TIMEOUT, 0.0)


def test_the_stopwatch_stops_what_does_not_end(shop: Database) -> None:
    for fetch in (True, False):
        assert 0 < stopwatch(1.0, fetch)(shop, GOLD) < 1
        with pytest.raises(sqlite3.Error):
            stopwatch(0.05, fetch)(shop, ENDLESS)


def test_a_prediction_that_runs_out_of_time_while_timed(shop: Database) -> None:
    def timer(database: Database, sql: str) -> float:
        raise sqlite3.OperationalError("interrupted")

    assert judged(shop, RewardEfficiency(timer=timer), FAST).outcome is Outcome.TIMEOUT


def test_real_runs_are_scored(shop: Database) -> None:
    for metric in (RewardEfficiency(repeats=3), ValidEfficiencyScore(repeats=3)):
        verdict = judged(shop, metric, FAST)
        assert verdict.correct
        assert verdict.score > 0
