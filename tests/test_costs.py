"""Costs: what is no price first, then sums that can be checked by hand."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql import costs
from txt2sql.costs import HOURLY, PRICES, Price, of_seconds, of_tokens, per_hour, summarise


@pytest.mark.parametrize(("read", "written"), [(-1.0, 1.0), (1.0, -0.1), (math.nan, 1.0)])
def test_what_is_no_price_is_refused(read: float, written: float) -> None:
    with pytest.raises(ValueError, match="is not one"):
        Price(read, written)


def test_nothing_asked_has_no_cost() -> None:
    assert summarise([]) is None


@pytest.mark.parametrize(
    ("hardware", "hourly"),
    [
        ({"cores": 4, "gpus": ["Some Accelerator 9000"]}, HOURLY),
        ({"cores": 4, "gpus": ["NVIDIA T4", "Some Accelerator 9000"]}, HOURLY),
        ({"cores": 4, "gpus": []}, {"T4": 0.5}),
        ({}, HOURLY),
    ],
)
def test_hardware_without_a_known_price_has_none(
    hardware: dict[str, object], hourly: dict[str, float]
) -> None:
    assert per_hour(hardware, hourly) is None


def test_the_longest_name_of_a_gpu_counts() -> None:
    assert per_hour({"gpus": ["NVIDIA A100 80GB PCIe"]}, {"A10": 1.0, "A100": 3.0}) == 3.0
    assert per_hour({"gpus": ["NVIDIA A10G"]}, {"A10": 1.0, "A100": 3.0}) == 1.0
    assert per_hour({"cores": 8, "gpus": ["NVIDIA T4", "NVIDIA T4"]}, {"T4": 0.5}) == 1.0


def test_sums_by_hand() -> None:
    # 1,000 questions of 1,000 tokens in and 40 out at $30 and $60 a million.
    assert 1000 * of_tokens(Price(30.0, 60.0), 1000, 40) == pytest.approx(32.4)
    # 45 ms on hardware of $1 an hour: the price of 1,000 queries.
    assert 1000 * of_seconds(0.045, 1.0) == pytest.approx(0.0125)


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), min_size=1),
    st.floats(0, 100),
    st.floats(0, 100),
)
def test_the_whole_costs_what_its_parts_cost(
    tokens: list[tuple[int, int]], read: float, written: float
) -> None:
    price = Price(read, written)
    found = summarise([of_tokens(price, *pair) for pair in tokens], tokens)
    assert found is not None
    together = of_tokens(price, sum(t[0] for t in tokens), sum(t[1] for t in tokens))
    assert found.total == pytest.approx(together)
    assert found.per_1000 == pytest.approx(1000 * found.total / len(tokens))


def test_every_price_is_dated() -> None:
    assert all(price.as_of.count("-") == 2 for price in PRICES.values())


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(costs).failed == 0
