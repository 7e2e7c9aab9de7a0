"""Efficiency: how long the predictions took (latency) and how many came per second (throughput).

`seconds` of a prediction is its share of the wall-clock time of the batch it was made in, so that
totals add up to the time spent and throughput is examples over total.

>>> efficiency([Prediction("a", None, seconds=1.0), Prediction("b", None, seconds=3.0)])
Efficiency(median=2.0, p95=2.9, total=4.0, examples_per_second=0.5)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from txt2sql.evaluation.statistics import quantile
from txt2sql.types import Prediction


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Seconds per prediction; None where the predictions carry no times (read from a file)."""

    median: float | None
    p95: float | None
    total: float | None
    examples_per_second: float | None


def efficiency(predictions: Iterable[Prediction]) -> Efficiency:
    """Median, 95th percentile and total seconds, and predictions per second."""
    seconds = [prediction.seconds for prediction in predictions]
    total = sum(seconds)
    if total <= 0:
        return Efficiency(None, None, None, None)
    return Efficiency(quantile(seconds, 0.5), quantile(seconds, 0.95), total, len(seconds) / total)
