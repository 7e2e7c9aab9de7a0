"""Whether a model's confidence can be believed: of the answers that it was so sure of, how many are right?

>>> found = calibration([(0.95, True), (0.9, True), (0.85, False), (0.1, False)])
>>> [(level.low, level.right.n, round(level.told, 2)) for level in found.levels]
[(0.0, 1, 0.1), (0.8, 3, 0.9)]
>>> found.auc
1.0
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from txt2sql.evaluation.statistics import Estimate, wilson

LEVELS = 5
"""Of equal width. Ten say more only of thousands of answers."""


class Level(NamedTuple):
    """Answers with a confidence in [low, high), of the last level in [low, 1]."""

    low: float
    high: float
    told: float
    """Their mean confidence."""
    right: Estimate


class Calibration(NamedTuple):
    """Confidence against what was right."""

    levels: tuple[Level, ...]
    """Those that have answers, from low to high."""
    error: float
    """How far the levels' mean confidence is from their accuracy, weighed by answers: the expected
    calibration error (Naeini and others 2015, AAAI)."""
    auc: float | None
    """How often a right answer is surer than a wrong one, ties half (area under the ROC curve); None
    where all are right or all are wrong."""


def calibration(answers: Iterable[tuple[float, bool]]) -> Calibration | None:
    """What (confidence in [0, 1], right) of each answer come to; None without answers."""
    kept: list[list[tuple[float, bool]]] = [[] for _ in range(LEVELS)]
    for confidence, right in answers:
        kept[min(LEVELS - 1, int(confidence * LEVELS))].append((confidence, right))
    n = sum(map(len, kept))
    if not n:
        return None
    levels = tuple(
        Level(
            i / LEVELS,
            (i + 1) / LEVELS,
            sum(confidence for confidence, _ in some) / len(some),
            wilson(sum(right for _, right in some), len(some)),
        )
        for i, some in enumerate(kept)
        if some
    )
    error = sum(abs(level.told - level.right.mean) * level.right.n for level in levels) / n
    return Calibration(levels, error, _auc([pair for some in kept for pair in some]))


def _auc(answers: list[tuple[float, bool]]) -> float | None:
    wrong = sorted(confidence for confidence, right in answers if not right)
    surer = [confidence for confidence, right in answers if right]
    if not wrong or not surer:
        return None
    below = sum(bisect_left(wrong, each) + bisect_right(wrong, each) for each in surer)
    return below / 2 / len(wrong) / len(surer)
