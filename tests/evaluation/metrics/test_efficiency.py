"""Times of predictions."""

from __future__ import annotations

import pytest

from txt2sql.evaluation.metrics.efficiency import (
    Spending,
    Tokens,
    efficiency,
    spending,
    token_use,
)
from txt2sql.types import Prediction


@pytest.mark.parametrize("count", [0, 3])
def test_predictions_without_times_have_no_speed(count: int) -> None:
    times = efficiency([Prediction(str(i), None) for i in range(count)])
    assert (times.median, times.p95, times.total, times.examples_per_second) == (None,) * 4


def test_throughput_is_examples_over_total() -> None:
    times = efficiency([Prediction(str(i), None, seconds=i / 10) for i in range(1, 21)])
    assert times.total == pytest.approx(21.0)
    assert times.examples_per_second == pytest.approx(20 / 21)
    assert times.median == pytest.approx(1.05)
    assert times.p95 == pytest.approx(1.905)


def test_predictions_that_count_nothing_have_no_tokens_and_no_cost() -> None:
    silent = [Prediction("a", None), Prediction("b", "SELECT 1")]
    assert token_use(silent) is None
    assert spending(silent) is None
    assert token_use([]) is spending([]) is None


def test_tokens_and_dollars_are_shared_among_those_that_count_them() -> None:
    mixed = [
        Prediction("a", None, tokens=(100, 20), cost=0.25),
        Prediction("b", None, tokens=(50, 10), cost=0.0),
        Prediction("c", None),
    ]
    assert token_use(mixed) == Tokens(150, 30, 90.0, 2)
    assert spending(mixed) == Spending(0.25, 0.125, 125.0, 2)
