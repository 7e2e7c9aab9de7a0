"""Intervals and quantiles: a mean is never shown without how far it may be trusted.

Proportions get the Wilson score interval (Wilson 1927, JASA 22), which stays inside [0, 1] and holds
for small samples and for means near 0 or 1; graded scores get the percentile bootstrap (Efron 1979).

>>> wilson(8, 10)
Estimate(mean=0.8, n=10, low=0.490162471536642, high=0.9433178485456247)
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""The 97.5% quantile of the standard normal distribution: two-sided 95% intervals."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean in [0, 1] over `n` scores with its 95% interval; n = 0 knows nothing: [0, 1]."""

    mean: float
    n: int
    low: float
    high: float


def wilson(successes: int, n: int, z: float = Z_95) -> Estimate:
    """The Wilson score interval of a proportion."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes out of {n} is not a proportion")
    if n == 0:
        return Estimate(0.0, 0, 0.0, 1.0)
    mean = successes / n
    scale = 1 + z * z / n
    centre = (mean + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(mean, n, low, high)


def bootstrap(scores: Sequence[float], *, resamples: int = 2000, seed: int = 0) -> Estimate:
    """The percentile bootstrap interval of a mean of graded scores."""
    if not scores:
        return Estimate(0.0, 0, 0.0, 1.0)
    draw, n = random.Random(seed), len(scores)
    means = [sum(draw.choices(scores, k=n)) / n for _ in range(resamples)]
    return Estimate(sum(scores) / n, n, quantile(means, 0.025), quantile(means, 0.975))


def estimate(scores: Sequence[float]) -> Estimate:
    """The mean of the scores with its interval: Wilson when all are 0 or 1, else bootstrap."""
    if all(score in (0, 1) for score in scores):
        return wilson(round(sum(scores)), len(scores))
    return bootstrap(scores)


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile, interpolated linearly between neighbours (R type 7, NumPy's default)."""
    if not values:
        raise ValueError("no values, so no quantile")
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
