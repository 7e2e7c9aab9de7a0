"""Calibration and selective prediction: can a model's confidence be believed, and what is gained by
answering only where it is high?

Expected calibration error: Naeini and others, AAAI 2015. Risk-coverage curve and the area under it
(AURC): Geifman and El-Yaniv, NeurIPS 2017 and ICLR 2019.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import ceil
from typing import NamedTuple

from txt2sql.evaluation.statistics import Estimate, wilson

LEVELS = 5  # of equal width; ten say more only of thousands of answers

COVERAGES = {"50%": 0.5, "80%": 0.8}
_CURVE_POINTS = 100


class Level(NamedTuple):
    """Answers with a confidence in [low, high), of the last level in [low, 1]; their mean confidence."""

    low: float
    high: float
    confidence: float
    accuracy: Estimate


class Calibration(NamedTuple):
    """Confidence against correctness. `levels` are those that have answers, from low to high.
    `error` is the expected calibration error: |confidence - accuracy| of the levels, weighted by
    their answers. `auc` is the area under the ROC curve, None where all are right or all are wrong.
    `coverage` is the accuracy on the half, and the four fifths, of the questions with the highest
    confidence. `risk_area` is the mean, over all coverages, of the share of wrong answers; `curve`
    has at most 100 points (coverage, that share)."""

    levels: tuple[Level, ...]
    error: float
    auc: float | None
    coverage: dict[str, Estimate]
    risk_area: float
    curve: tuple[tuple[float, float], ...]


def calibration(
    answers: Iterable[tuple[float, bool]], without_answer: int = 0
) -> Calibration | None:
    """Sum up (confidence in [0, 1], right) of each answer; None without answers. `without_answer`
    questions have no SQL. They are wrong, and the last to be covered."""
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
