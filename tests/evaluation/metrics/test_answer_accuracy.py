"""Answers and rows: what is no answer first, then each way in which the same thing is written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.evaluation.metrics.answer_accuracy import AnswerAccuracy, answers_match
from txt2sql.execution.database import Database
from txt2sql.types import Cell, Example, Outcome, Prediction, Row


def column(*cells: Cell) -> list[Row]:
    return [(cell,) for cell in cells]


@pytest.mark.parametrize(
    ("rows", "answers"),
    [
        ([], ["x"]),
        (column("x"), []),
        (column("Ann", "Bob"), ["Ann"]),  # more than was asked for
        (column("Ann"), ["Ann", "Bob"]),
        ([("Ann", 3)], ["Ann"]),  # a column that nobody asked for
        (column(12467), ["12,468"]),
        (column("5 km"), ["5%"]),
        (column(0.34), ["0.33"]),
        (column(1), ["0.6"]),
        (column("13 august"), ["13"]),
        (column("1991-06-05"), ["June 6, 1991"]),
        (column("june 1991"), ["June 1992"]),
        (column("99/99/91"), ["June 5, 1991"]),
        (column("1,2,3"), ["123"]),
        (column("c#"), ["C"]),
        (column("yes"), ["1"]),
        (column("nan"), ["inf"]),
        (column("Apollo 11"), ["11"]),
        (column(*map(str, range(2000))), ["5"]),
        (column("Ann, Bob and Zoë"), ["Ann", "Bob"]),
    ],
)
def test_another_thing_is_no_answer(rows: list[Row], answers: list[str]) -> None:
    assert not answers_match(rows, answers)


@pytest.mark.parametrize(
    ("cell", "answer"),
    [
        # case, accents, punctuation, quotes, white space, notes
        ("derby county", "Derby County"),
        ("l'enfant que j'etais", "\"L'enfant que j'étais\""),
        ("st. john's", "St. John’s"),
        ("sweden (37 pts)", "Sweden"),
        ("10-12", "10–12"),
        (b"Ann", "Ann"),
        # numbers: thousands, types, decimals, ordinals, signs
        (12467, "12,467"),
        (0.067, ".067"),
        (0.3333333, "0.33"),
        ("1st", "1"),
        (2, "2nd"),
        (-5, "−5"),
        # units, currencies, percent
        (9, "9 years"),
        (0.11, "0.11 mts"),
        (28000, "$28,000"),
        ("£174,000", "174000"),
        (5, "5%"),
        (0.05, "5%"),
        # dates
        ("1991-06-05", "June 5, 1991"),
        ("1991-06-05 00:00:00", "5 June 1991"),
        ("06/05/91", "June 5, 1991"),
        ("june 5th, 1991", "Jun. 5, 1991"),
        ("1991-06", "June 1991"),
        ("may 3", "3 May"),
    ],
)
def test_the_same_thing_in_another_form_is_the_answer(cell: Cell, answer: str) -> None:
    assert answers_match([(cell,)], [answer])


@pytest.mark.parametrize(
    "rows",
    [
        column("ann", "bob"),
        column("Bob", "Ann"),
        [("Bob", "Ann")],
        column("Ann, Bob"),
        column("Ann\nBob"),
    ],
)
def test_lists_have_no_order_and_no_duplicates(rows: list[Row]) -> None:
    assert answers_match(rows, ["Ann", "Bob"])


cells = st.none() | st.integers() | st.floats() | st.text() | st.binary()


@settings(max_examples=40)
@given(st.lists(st.text(alphabet="abcxyz 0123456789.,%$-").filter(str.strip), min_size=1))
def test_an_answer_is_its_own_answer(answers: list[str]) -> None:
    assert answers_match(column(*answers), answers)


@pytest.mark.parametrize(
    ("sql", "outcome"),
    [
        (None, Outcome.NO_SQL),
        ("DROP TABLE shop", Outcome.PREDICTION_ERROR),
        ("SELECT city FROM shop WHERE id = 2", Outcome.WRONG_RESULT),
        ("SELECT DISTINCT city FROM shop", Outcome.WRONG_RESULT),
        ("SELECT upper(city) FROM shop WHERE opened = 1999", Outcome.CORRECT),
    ],
)
def test_the_metric_runs_the_prediction(shop: Database, sql: str | None, outcome: Outcome) -> None:
    example = Example("train-0", "shop", "Where was the first shop?", answers=("Lisbon",))
    verdict = AnswerAccuracy()(example, Prediction("train-0", sql), shop)
    assert (verdict.outcome, verdict.score) == (outcome, outcome is Outcome.CORRECT)
    for answers in (None, ()):  # not the fault of the model
        unknown = AnswerAccuracy()(replace(example, answers=answers), Prediction("", sql), shop)
        assert unknown.outcome is Outcome.GOLD_ERROR


@settings(max_examples=40)
@given(st.lists(st.tuples(cells) | st.tuples(cells, cells)), st.lists(st.text()))
def test_no_rows_and_no_answers_raise(rows: list[Row], answers: list[str]) -> None:
    assert answers_match(rows, answers) in (True, False)
