"""Costs: tokens and seconds -> dollars (inference cost, list prices). Pure arithmetic, no I/O.

A hosted model costs what its tokens cost, by litellm's list of prices; a local one the seconds it keeps
its hardware busy at that hardware's hourly price. Prices can be overridden in config/model_config.yaml.

>>> of_tokens(Price(2.5, 10.0), 1_000, 100)
0.0035
>>> round(of_seconds(0.1, per_hour=0.36) * 1000, 6)
0.01
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens, read and written; `as_of` is the day the price was looked up."""

    input: float
    output: float
    as_of: str = ""

    def __post_init__(self) -> None:
        if not (self.input >= 0 and self.output >= 0):
            raise ValueError(f"a price of ${self.input} and ${self.output} is not one")


HOURLY: Mapping[str, float] = {
    "cpu core": 0.05,
    "T4": 0.55,
    "L4": 0.80,
    "A10": 1.00,
    "A100": 3.00,
    "H100": 5.00,
    "H200": 6.00,
}
"""Dollars per hour of one core or one GPU: round figures of the order that clouds ask on demand. An
assumption, not a measurement; set your own under `hardware` in config/model_config.yaml."""


def of_tokens(price: Price, tokens_in: float, tokens_out: float) -> float:
    """Dollars for tokens read and written."""
    return (price.input * tokens_in + price.output * tokens_out) / 1_000_000


def of_seconds(seconds: float, per_hour: float) -> float:
    """Dollars for the time that hardware was kept busy."""
    return seconds * per_hour / 3600


def per_hour(hardware: Mapping[str, Any], hourly: Mapping[str, float] = HOURLY) -> float | None:
    """The hourly price of a machine as `runs.hardware` describes it; None where none is known.

    The GPUs where there are any, else the processor cores that may be used. A name counts when the
    GPU's has it as a word, the longest first: 'A100' is not an 'A10'.

    >>> per_hour({"cores": 2, "gpus": []})
    0.1
    >>> per_hour({"gpus": ["NVIDIA A100-SXM4-80GB, 81920 MiB"]})
    3.0
    """
    names = sorted(hourly, key=len, reverse=True)
    parts = hardware.get("gpus") or ["cpu core"] * (hardware.get("cores") or 0)
    known = [next((n for n in names if n.lower() in str(part).lower()), "") for part in parts]
    return math.fsum(hourly[name] for name in known) if parts and all(known) else None
