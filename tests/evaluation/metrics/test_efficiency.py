"""Times of predictions."""

from __future__ import annotations

import pytest

from txt2sql.evaluation.metrics.efficiency import efficiency
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
