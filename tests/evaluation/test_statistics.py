"""Intervals against published values, and quantiles against their definition."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.evaluation.statistics import bootstrap, estimate, quantile, wilson


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10), (1, 0)])
def test_what_is_no_proportion_is_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="not a proportion"):
        wilson(successes, n)


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


def test_no_examples_tell_nothing() -> None:
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)
    assert estimate([]).n == 0


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_interval_holds_the_mean_and_mirrors(successes: int, n: int) -> None:
    successes = min(successes, n)
    result, mirrored = wilson(successes, n), wilson(n - successes, n)
    assert 0 <= result.low <= result.mean <= result.high <= 1
    assert result.low == pytest.approx(1 - mirrored.high)


def test_graded_scores_get_a_bootstrap_and_zeros_and_ones_do_not() -> None:
    scores = [0.0, 0.5, 1.0] * 40
    graded = estimate(scores)
    assert graded == bootstrap(scores)
    assert graded.mean == 0.5
    # Half the width of the normal approximation's interval on either side, within a tenth.
    half = 1.96 * statistics.pstdev(scores) / len(scores) ** 0.5
    assert graded.high - graded.low == pytest.approx(2 * half, rel=0.1)
    assert estimate([1.0, 0.0, 1.0]) == wilson(2, 3)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_the_median_is_the_half_quantile(values: list[float]) -> None:
    assert quantile(values, 0.5) == pytest.approx(statistics.median(values))
    assert (quantile(values, 0), quantile(values, 1)) == (min(values), max(values))


def test_quantiles_interpolate_between_neighbours() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0, 5.0], 0.9) == pytest.approx(4.6)
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)
