"""Costs: what is no price first, then sums that can be checked by hand."""

from __future__ import annotations

import doctest
import math

import pytest

from txt2sql import costs
from txt2sql.costs import HOURLY, Price, of_seconds, of_tokens, per_hour


@pytest.mark.parametrize(("read", "written"), [(-1.0, 1.0), (1.0, -0.1), (math.nan, 1.0)])
def test_what_is_no_price_is_refused(read: float, written: float) -> None:
    with pytest.raises(ValueError, match="is not one"):
        Price(read, written)


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


def test_the_examples_of_the_module_hold() -> None:
    assert doctest.testmod(costs).failed == 0
