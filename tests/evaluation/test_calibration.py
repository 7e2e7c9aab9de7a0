"""Confidence against correctness: levels and error, ranking, accuracy where only a part is answered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.evaluation.calibration import calibration
from txt2sql.evaluation.statistics import wilson

ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def test_a_model_that_is_sure_of_what_is_wrong() -> None:
    result = calibration([(1.0, False), (1.0, False), (0.0, True)])
    assert result is not None
    assert [level.accuracy.mean for level in result.levels] == [1.0, 0.0]
    assert (result.error, result.auc) == (1.0, 0.0)
    assert calibration([]) is None


def test_accuracy_rises_where_the_least_confident_are_left_out() -> None:
    answers = [(0.9, True), (0.8, True), (0.7, False), (0.6, True), (0.5, False)]
    result = calibration(answers, without_answer=5)
    assert result is not None
    assert result.coverage == {"50%": wilson(3, 5), "80%": wilson(3, 8)}
    risks = [0, 0, 1 / 3, 1 / 4, 2 / 5, 3 / 6, 4 / 7, 5 / 8, 6 / 9, 7 / 10]
    assert result.risk_area == pytest.approx(sum(risks) / 10)
    assert result.curve[-1] == (1.0, pytest.approx(0.7))


@settings(max_examples=50)
@given(ANSWERS)
def test_every_answer_counts_once_and_errors_are_probabilities(
    answers: list[tuple[float, bool]],
) -> None:
    result = calibration(answers)
    assert result is not None
    assert sum(level.accuracy.n for level in result.levels) == len(answers)
    assert all(level.low <= level.confidence <= level.high for level in result.levels)
    assert 0 <= result.error <= 1
    right = [c for c, correct in answers if correct]
    wrong = [c for c, correct in answers if not correct]
    pairs = [(a > b) + (a == b) / 2 for a in right for b in wrong]
    assert result.auc == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)
    assert 0 <= result.risk_area <= 1
    assert result.curve[-1][1] == pytest.approx(1 - len(right) / len(answers))
