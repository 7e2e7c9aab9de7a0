"""Efficiency: seconds (latency, throughput), tokens and dollars of predictions.

`seconds` of a prediction is its share of the wall-clock time of the batch it was made in, so that
totals add up to the time spent and throughput is examples over total.

>>> efficiency([Prediction("a", None, seconds=1.0), Prediction("b", None, seconds=3.0)])
Efficiency(median=2.0, p95=2.9, total=4.0, examples_per_second=0.5)
>>> spending([Prediction("a", None, cost=0.25), Prediction("b", None, cost=0.75)])
Spending(total=1.0, per_query=0.5, per_1000=500.0, n=2)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from txt2sql.evaluation.statistics import quantile
from txt2sql.types import Prediction


class Efficiency(NamedTuple):
    """Seconds per prediction; None where the predictions carry no times (read from a file)."""

    median: float | None
    p95: float | None
    total: float | None
    examples_per_second: float | None


class Tokens(NamedTuple):
    """Tokens read and written, over the `n` predictions that count them."""

    prompt: int
    completion: int
    per_query: float
    n: int


class Spending(NamedTuple):
    """Dollars, over the `n` predictions that carry a cost."""

    total: float
    per_query: float
    per_1000: float
    n: int


def efficiency(predictions: Iterable[Prediction]) -> Efficiency:
    """Median, 95th percentile and total seconds, and predictions per second."""
    seconds = [prediction.seconds for prediction in predictions]
    total = sum(seconds)
    if total <= 0:
        return Efficiency(None, None, None, None)
    return Efficiency(quantile(seconds, 0.5), quantile(seconds, 0.95), total, len(seconds) / total)


def token_use(predictions: Iterable[Prediction]) -> Tokens | None:
    """Tokens in all and per query; None when no prediction counts them."""
    counted = [prediction.tokens for prediction in predictions if any(prediction.tokens)]
    if not counted:
        return None
    prompt, completion = map(sum, zip(*counted, strict=True))
    return Tokens(prompt, completion, (prompt + completion) / len(counted), len(counted))


def spending(predictions: Iterable[Prediction]) -> Spending | None:
    """Dollars in all, per query and per 1,000 queries; None when no prediction carries a cost."""
    costs = [prediction.cost for prediction in predictions if prediction.cost is not None]
    if not costs:
        return None
    total = sum(costs)
    return Spending(total, total / len(costs), 1000 * total / len(costs), len(costs))
