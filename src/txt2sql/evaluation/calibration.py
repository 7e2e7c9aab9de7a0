"""Calibration and selective prediction: can a model's confidence be believed, and what is gained by
answering only where it is high?

Expected calibration error: Naeini and others, AAAI 2015. Risk-coverage curve and the area under it
(AURC): Geifman and El-Yaniv, NeurIPS 2017 and ICLR 2019.

>>> result = calibration([(0.95, True), (0.9, True), (0.85, False), (0.1, False)])
>>> [(level.low, level.accuracy.n, round(level.confidence, 2)) for level in result.levels]
[(0.0, 1, 0.1), (0.8, 3, 0.9)]
>>> result.auc, result.coverage["50%"].mean
(1.0, 1.0)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import ceil
from typing import NamedTuple

from txt2sql.evaluation.statistics import Estimate, wilson

LEVELS = 5
"""Of equal width. Ten say more only of thousands of answers."""

COVERAGES = {"50%": 0.5, "80%": 0.8}
_CURVE_POINTS = 100


class Level(NamedTuple):
    """Answers with a confidence in [low, high), of the last level in [low, 1]."""

    low: float
    high: float
    confidence: float
    """The mean."""
    accuracy: Estimate


class Calibration(NamedTuple):
    """Confidence against correctness."""

    levels: tuple[Level, ...]
    """Those that have answers, from low to high."""
    error: float
    """Expected calibration error: |confidence - accuracy| of the levels, weighted by their answers."""
    auc: float | None
    """Area under the ROC curve: how often a right answer has more confidence than a wrong one, ties
    half; None where all are right or all are wrong."""
    coverage: dict[str, Estimate]
    """Accuracy on the half, and the four fifths, of the questions with the highest confidence."""
    risk_area: float
    """Area under the risk-coverage curve: the mean, over all coverages, of the share of wrong answers."""
    curve: tuple[tuple[float, float], ...]
    """(coverage, share of wrong answers), at most 100 points."""


def calibration(
    answers: Iterable[tuple[float, bool]], without_answer: int = 0
) -> Calibration | None:
    """Sum up (confidence in [0, 1], right) of each answer; None without answers.

    `without_answer` questions have no SQL. They are wrong, and the last to be covered.
    """
    ranked = sorted(answers, reverse=True)
    if not ranked:
        return None
    binned: list[list[tuple[float, bool]]] = [[] for _ in range(LEVELS)]
    for confidence, right in ranked:
        binned[min(LEVELS - 1, int(confidence * LEVELS))].append((confidence, right))
    levels = []
    for i, pairs in enumerate(binned):
        if pairs:
            mean = sum(confidence for confidence, _ in pairs) / len(pairs)
            accuracy = wilson(sum(right for _, right in pairs), len(pairs))
            levels.append(Level(i / LEVELS, (i + 1) / LEVELS, mean, accuracy))
    error = sum(abs(level.confidence - level.accuracy.mean) * level.accuracy.n for level in levels)
    right_of_first = _right_of_first([*ranked, *[(-1.0, False)] * without_answer])
    n = len(right_of_first) - 1
    risks = [1 - right_of_first[k] / k for k in range(1, n + 1)]
    return Calibration(
        tuple(levels),
        error / len(ranked),
        _auc(ranked),
        {
            name: wilson(right_of_first[ceil(share * n)], ceil(share * n))
            for name, share in COVERAGES.items()
        },
        sum(risks) / n,
        tuple((k / n, risks[k - 1]) for k in range(1, n + 1) if k % ceil(n / _CURVE_POINTS) == 0),
    )


def _right_of_first(ranked: Sequence[tuple[float, bool]]) -> list[float]:
    """Right answers among the first k, for k = 0..n. Equal confidences have no order: each of them
    counts as the share of right ones among them."""
    sums = [0.0]
    for _, group in groupby(ranked, key=lambda pair: pair[0]):
        rights = [right for _, right in group]
        before, share = sums[-1], sum(rights) / len(rights)
        sums += [before + share * k for k in range(1, len(rights))] + [before + sum(rights)]
    return sums


def _auc(answers: Sequence[tuple[float, bool]]) -> float | None:
    wrong = sorted(confidence for confidence, is_right in answers if not is_right)
    right = [confidence for confidence, is_right in answers if is_right]
    if not wrong or not right:
        return None
    below = sum(bisect_left(wrong, each) + bisect_right(wrong, each) for each in right)
    return below / 2 / len(wrong) / len(right)
