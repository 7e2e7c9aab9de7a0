"""Costs: what is no price first, then sums that can be checked by hand."""

from __future__ import annotations

import doctest

import pytest

from txt2sql import costs
from txt2sql.costs import HOURLY, Price, of_seconds, of_tokens, per_hour


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


def test_sums_by_hand() -> None:
    # 1,000 questions of 1,000 tokens in and 40 out at $30 and $60 a million.
    assert 1000 * of_tokens(Price(30.0, 60.0), 1000, 40) == pytest.approx(32.4)
    # 45 ms on hardware of $1 an hour: the price of 1,000 queries.
    assert 1000 * of_seconds(0.045, 1.0) == pytest.approx(0.0125)


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(costs).failed == 0
