"""Intervals and paired tests: a mean is never shown without how far it may be trusted.

Proportions get the Wilson score interval (Wilson 1927, JASA 22). Graded scores get the percentile
bootstrap (Efron 1979) in its limit of infinitely many resamples: the quantiles of a mean of n draws, by
the Cornish-Fisher expansion (1938). Two systems on the same examples are compared by pairs: McNemar's
exact test (1947) and Newcombe's interval for the difference of paired proportions (1998, Statistics
in Medicine 17: 2635, method 10).

>>> [round(end, 4) for end in wilson(8, 10)[2:]]
[0.4902, 0.9433]
>>> mcnemar(1, 7)
0.0703125
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

Z_95 = 1.959963984540054
"""The 97.5% quantile of the standard normal distribution: two-sided 95% intervals."""

_FEW = 20  # graded scores, below which a bootstrap knows too little: of one, it has no width at all


class Estimate(NamedTuple):
    """A mean, mostly in [0, 1], over `n` scores with its 95% interval; n = 0 knows nothing: [0, 1].
    A difference of two means is an Estimate in [-1, 1]."""

    mean: float
    n: int
    low: float
    high: float


def wilson(successes: float, n: int) -> Estimate:
    """The Wilson score interval of a proportion. `successes` may be a sum of graded scores: no
    scores in [0, 1] vary more than zeros and ones of the same mean, so the interval is then too
    wide, never too narrow."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes out of {n} is not a proportion")
    if n == 0:
        return Estimate(0.0, 0, 0.0, 1.0)
    mean, z = successes / n, Z_95
    scale = 1 + z * z / n
    centre = (mean + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(mean, n, low, high)


def estimate(scores: Sequence[float]) -> Estimate:
    """The mean of scores in [0, 1] with its interval, which never leaves the range of the scores.
    For graded scores, where there are enough, within 0.2 points of a bootstrap of 20,000 resamples
    for the component scores of real systems on 50 examples of Spider, within 0.03 on 1,034."""
    n, z = len(scores), Z_95
    if n < _FEW or set(scores) <= {0.0, 1.0}:
        return wilson(min(math.fsum(scores), n), n)
    mean = math.fsum(scores) / n
    away = [score - mean for score in scores]
    variance = sum(x * x for x in away) / n
    error = math.sqrt(variance / n)
    if error < 1e-12:
        return Estimate(mean, n, mean, mean)
    # Skewness and excess kurtosis of the mean of n draws from these scores.
    skew = sum(x * x * x for x in away) / n / error**3 / (n * n)
    tails = (sum(x * x * x * x for x in away) / n / (variance * variance) - 3) / n
    straight = z + tails * (z**3 - 3 * z) / 24 - skew * skew * (2 * z**3 - 5 * z) / 36
    bent = skew * (z * z - 1) / 6
    low = mean + error * min(0.0, bent - straight)
    high = mean + error * max(0.0, bent + straight)
    return Estimate(mean, n, max(low, min(scores)), min(high, max(scores)))


def mcnemar(only_a: int, only_b: int) -> float:
    """The two-sided exact p of McNemar's test, from the pairs that only A, or only B, got right.
    Were A and B equally good, each such pair would be a throw of a fair coin."""
    if only_a < 0 or only_b < 0:
        raise ValueError(f"{min(only_a, only_b)} pairs is not a count")
    throws, fewer = only_a + only_b, min(only_a, only_b)
    ways = term = 1
    for k in range(fewer):
        term = term * (throws - k) // (k + 1)
        ways += term
    # Integers to the end: with thousands of pairs 2**throws is beyond any float.
    return min(1.0, ways / (1 << throws) * 2)


def paired_difference(both: int, only_a: int, only_b: int, neither: int) -> Estimate:
    """B's proportion minus A's over the same examples, with Newcombe's interval."""
    n = both + only_a + only_b + neither
    if n == 0:
        return Estimate(0.0, 0, -1.0, 1.0)
    a, b = wilson(both + only_a, n), wilson(both + only_b, n)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    agreement = float(both * neither - only_a * only_b)
    if agreement > 0:  # the continuity correction of method 10
        agreement = max(agreement - n / 2, 0.0)
    correlation = agreement / math.sqrt(margins) if margins else 0.0
    mean = (only_b - only_a) / n
    below, above = (
        math.sqrt(max(x * x - 2 * correlation * x * y + y * y, 0.0))
        for x, y in ((b.mean - b.low, a.high - a.mean), (b.high - b.mean, a.mean - a.low))
    )
    return Estimate(mean, n, max(mean - below, -1.0), min(mean + above, 1.0))


def graded_difference(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """B's mean minus A's over the same examples of graded scores, by bootstrap of the pairs."""
    # A difference in [-1, 1] is a score in [0, 1] after a shift.
    halves = estimate([(y - x + 1) / 2 for x, y in zip(a, b, strict=True)])
    mean, low, high = (2 * value - 1 for value in (halves.mean, halves.low, halves.high))
    return Estimate(mean if halves.n else 0.0, halves.n, low, high)
