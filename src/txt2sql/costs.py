"""Costs: tokens and seconds -> dollars (inference cost, list prices). Pure arithmetic, no I/O.

A hosted model costs what its tokens cost; a local one the seconds it keeps its hardware busy at that
hardware's hourly price. A prediction carries all of its tokens and seconds, those of every vote and of
every search step included, so nothing is left out here. Prices are dated, and every one of them can be
overridden in config/model_config.yaml: a table of prices is out of date the day after it was made.

>>> of_tokens(Price(2.5, 10.0), 1_000, 100)
0.0035
>>> round(of_seconds(0.1, per_hour=0.36) * 1000, 6)
0.01
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens, read and written; `as_of` is the day the price was looked up."""

    input: float
    output: float
    as_of: str = ""

    def __post_init__(self) -> None:
        if not (self.input >= 0 and self.output >= 0):
            raise ValueError(f"a price of ${self.input} and ${self.output} is not one")


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars per query and per 1,000 queries, over `n` queries, with the mean tokens of each."""

    per_query: float
    per_1000: float
    total: float
    n: int
    tokens_in: float = 0.0
    tokens_out: float = 0.0


_AS_OF = "2026-11-23"
PRICES: Mapping[str, Price] = {
    "gpt-4": Price(30.0, 60.0, _AS_OF),
    "gpt-4-turbo": Price(10.0, 30.0, _AS_OF),
    "gpt-4o": Price(2.5, 10.0, _AS_OF),
    "gpt-4o-mini": Price(0.15, 0.6, _AS_OF),
    "gpt-5.6": Price(4.0, 20.0, _AS_OF),
    "gemini-pro": Price(1.25, 10.0, _AS_OF),
    "gemini-3.1-pro": Price(2.0, 12.0, _AS_OF),
    "claude-3": Price(15.0, 75.0, _AS_OF),
    "claude-sonnet-5": Price(2.0, 10.0, _AS_OF),
    "claude-opus-5": Price(5.0, 25.0, _AS_OF),
}
"""By short name of `models.catalog.HOSTED`: list prices for prompts of ordinary length, without
discounts for batches or cached prompts, as litellm 1.101.6 lists them on that day."""

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


def per_hour(hardware: Mapping[str, object], hourly: Mapping[str, float] = HOURLY) -> float | None:
    """The hourly price of a machine as `runs.hardware` describes it; None where none is known.

    The GPUs where there are any, else the processor cores that may be used. A name counts when the
    GPU's has it as a word, the longest first: 'A100' is not an 'A10'.

    >>> per_hour({"cores": 2, "gpus": []})
    0.1
    >>> per_hour({"gpus": ["NVIDIA A100-SXM4-80GB, 81920 MiB"]})
    3.0
    """
    gpus = hardware.get("gpus") or []
    if isinstance(gpus, Sequence) and gpus:
        each = [_gpu(str(name), hourly) for name in gpus]
        known = [price for price in each if price is not None]
        return sum(known) if len(known) == len(each) else None
    cores = hardware.get("cores")
    core = hourly.get("cpu core")
    return cores * core if isinstance(cores, int) and core is not None else None


def _gpu(name: str, hourly: Mapping[str, float]) -> float | None:
    for known in sorted(hourly, key=len, reverse=True):
        if known.lower() in name.lower() and known != "cpu core":
            return hourly[known]
    return None


def summarise(dollars: Sequence[float], tokens: Sequence[tuple[int, int]] = ()) -> Cost | None:
    """The cost of queries from the dollars of each; None without any.

    >>> summarise([0.25, 0.75], [(100, 10), (300, 30)])
    Cost(per_query=0.5, per_1000=500.0, total=1.0, n=2, tokens_in=200.0, tokens_out=20.0)
    """
    if not dollars:
        return None
    total, n = sum(dollars), len(dollars)
    read = sum(pair[0] for pair in tokens) / len(tokens) if tokens else 0.0
    written = sum(pair[1] for pair in tokens) / len(tokens) if tokens else 0.0
    return Cost(total / n, 1000 * total / n, total, n, read, written)
