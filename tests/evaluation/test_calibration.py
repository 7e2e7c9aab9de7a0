"""Confidence against what is right: levels, error, and whether right answers are the surer ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.evaluation.calibration import calibration
from txt2sql.evaluation.statistics import wilson

ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def test_no_answers_say_nothing() -> None:
    assert calibration([]) is None


def test_a_model_that_is_sure_of_what_is_wrong() -> None:
    found = calibration([(1.0, False), (1.0, False), (0.0, True)])
    assert found is not None
    assert [level.right.mean for level in found.levels] == [1.0, 0.0]
    assert found.error == 1.0
    assert found.auc == 0.0


def test_levels_have_their_own_interval() -> None:
    found = calibration([(0.8, True), (0.9, False), (0.79, True), (0.19, False)])
    assert found is not None
    assert [(level.low, level.high, level.right) for level in found.levels] == [
        (0.0, 0.2, wilson(0, 1)),
        (0.6, 0.8, wilson(1, 1)),
        (0.8, 1.0, wilson(1, 2)),
    ]
    assert found.error == pytest.approx((0.19 + 0.21 + 2 * 0.35) / 4)
    assert found.auc == 0.5


def test_where_all_are_right_none_is_surer() -> None:
    found = calibration([(0.4, True), (0.6, True)])
    assert found is not None
    assert found.auc is None


@given(ANSWERS)
def test_every_answer_counts_once_and_errors_are_probabilities(
    answers: list[tuple[float, bool]],
) -> None:
    found = calibration(answers)
    assert found is not None
    assert sum(level.right.n for level in found.levels) == len(answers)
    assert all(level.low <= level.told <= level.high for level in found.levels)
    assert 0 <= found.error <= 1
    right = [c for c, correct in answers if correct]
    wrong = [c for c, correct in answers if not correct]
    pairs = [(a > b) + (a == b) / 2 for a in right for b in wrong]
    assert found.auc == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)
