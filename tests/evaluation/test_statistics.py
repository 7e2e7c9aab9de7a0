"""Intervals and tests against published values and their definitions."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.evaluation.statistics import (
    Estimate,
    estimate,
    graded_difference,
    mcnemar,
    paired_difference,
    wilson,
)

counts = st.integers(0, 400)
scores = st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0])


# Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_intervals(
    successes: int, n: int, low: float, high: float
) -> None:
    result = wilson(successes, n)
    assert (round(result.low, 4), round(result.high, 4)) == (low, high)
    assert (result.mean, result.n) == (successes / n, n)


def test_few_examples_say_little_and_none_say_nothing() -> None:
    assert estimate([]) == Estimate(0.0, 0, 0.0, 1.0)
    assert paired_difference(0, 0, 0, 0) == graded_difference([], []) == Estimate(0.0, 0, -1.0, 1.0)
    for few in ([0.5], [0.9, 0.9, 0.9]):
        result = estimate(few)
        assert result.high - result.low > 0.4
        assert result.mean == pytest.approx(few[0])


# Scores as component match gives them: tenths, most of them high; and with many perfect ones.
@pytest.mark.parametrize("weights", [[1, 0, 1, 2, 3, 4, 6, 10, 15, 20, 60], [40, 1, 2, 57]])
@pytest.mark.parametrize(("n", "within"), [(60, 0.006), (200, 0.003)])
def test_graded_scores_get_the_interval_of_a_bootstrap(
    weights: list[int], n: int, within: float
) -> None:
    levels = [i / (len(weights) - 1) for i in range(len(weights))]
    values = random.Random(1).choices(levels, weights, k=n)
    draw, result = random.Random(0), estimate(values)
    means = [statistics.fmean(draw.choices(values, k=n)) for _ in range(4000)]
    assert result.mean == pytest.approx(statistics.fmean(values))
    ends = statistics.quantiles(means, n=40, method="inclusive")
    interval = ends[0], ends[-1]
    assert (result.low, result.high) == pytest.approx(interval, abs=within)


@settings(max_examples=50)
@given(st.lists(scores, min_size=1, max_size=60))
def test_every_interval_holds_its_mean_and_stays_among_the_scores(values: list[float]) -> None:
    result = estimate(values)
    assert result.n == len(values)
    tiny = 1e-9
    assert -tiny <= result.low <= result.mean + tiny
    assert result.mean - tiny <= result.high <= 1 + tiny
    if len(values) >= 20 and not set(values) <= {0.0, 1.0}:
        assert min(values) - tiny <= result.low
        assert result.high <= max(values) + tiny


# By hand: 2 * (1 + 8) / 2**8, 2 * (1 + 10 + 45) / 2**10.
@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 1, 1.0), (1, 7, 9 / 128), (2, 8, 7 / 64), (0, 5000, 0.0)],
)
def test_mcnemar_agrees_with_hand_counts(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(p)
    assert 0.01 < mcnemar(4900, 5100) < 0.1


# Fagerland, Lydersen and Laake, "Recommended tests and confidence intervals for paired binomial
# proportions", 2014: airway hyper-responsiveness; and a table of Newcombe 1998. B - A here.
@pytest.mark.parametrize(
    ("table", "low", "high"), [((1, 1, 7, 12), 0.026, 0.507), ((20, 12, 2, 16), -0.3292, -0.0562)]
)
def test_paired_differences_agree_with_published_intervals(
    table: tuple[int, int, int, int], low: float, high: float
) -> None:
    result = paired_difference(*table)
    places = 3 if table[0] == 1 else 4
    assert (round(result.low, places), round(result.high, places)) == (low, high)
    assert result.mean == pytest.approx((table[2] - table[1]) / sum(table))


@settings(max_examples=50)
@given(counts, counts, counts, counts)
def test_the_paired_interval_holds_the_difference_and_turns_with_the_sides(
    both: int, only_a: int, only_b: int, neither: int
) -> None:
    result = paired_difference(both, only_a, only_b, neither)
    turned = paired_difference(both, only_b, only_a, neither)
    assert -1 <= result.low <= result.mean <= result.high <= 1
    assert (turned.low, turned.high) == pytest.approx((-result.high, -result.low))
