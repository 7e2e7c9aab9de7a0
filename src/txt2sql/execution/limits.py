"""Limits: what one statement may use, on every engine.

>>> Limits(timeout_s=1.0).max_rows
10000
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may use.

    `timeout_s` is wall-clock; a statement that ignores it is killed 0.25 s later. Rows over
    `max_rows`, and results over `max_result_bytes` (serialised), are cut off: `truncated`. A cell or
    intermediate string over `max_cell_bytes`, or more heap than `max_memory_bytes`, is an error.
    """

    timeout_s: float = 5.0
    max_rows: int = 10_000
    max_cell_bytes: int = 1_000_000
    max_memory_bytes: int = 256_000_000
    max_result_bytes: int = 16_000_000


DEFAULT_LIMITS = Limits()
