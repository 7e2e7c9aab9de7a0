"""What the generators of databases draw with: items, numbers and days.

Made of `random()` alone, whose numbers are the same in every version of Python.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def pick(rng: Random, items: Sequence[T]) -> T:
    """One of the items."""
    return items[int(rng.random() * len(items))]


def between(rng: Random, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return low + int(rng.random() * (high - low + 1))


def day(rng: Random, first: str, last: str) -> str:
    """An ISO date from first to last, both included."""
    start, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    return (start + datetime.timedelta(between(rng, 0, (end - start).days))).isoformat()
