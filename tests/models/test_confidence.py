"""Confidence: the signs of an answer, and the probability that is made of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from txt2sql.errors import ModelError
from txt2sql.evaluation.calibration import calibration
from txt2sql.models.confidence import (
    KNOWN,
    NAMES,
    SURE,
    Weights,
    certainty,
    features,
    fit,
    unmatched_words,
)
from txt2sql.types import Column, Prediction, QueryResult, Schema, Table, ValueMatch

SCHEMA = Schema(
    "shop",
    (
        Table(
            "Customers",
            (
                Column("id", primary_key=True),
                Column("firstName"),
                Column("cntry", words="country"),
                Column("vip", comment="1 for those who subscribe to the newsletter"),
            ),
        ),
        Table("order_items", (Column("price"), Column("state", samples=("shipped", "on hold")))),
    ),
)


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("How many customers are there in each country?", ()),
        ("What is the average pricing of the order items on hold?", ()),
        ("List first names of subscribers, the 10 most recent shipments first.", ()),
        ("Top 3 orderitems by price, by FirstName", ()),
        ("Which customers' first-name isn't known?", ()),
        ("How many employees got a refund in 2023?", ("employees", "refund")),
        ("Refunds and refunds by country", ("refunds",)),
        ("", ()),
    ],
)
def test_words_that_nothing_explains(question: str, left: tuple[str, ...]) -> None:
    assert unmatched_words(question, SCHEMA, ()) == left


def test_a_cell_that_is_mentioned_explains_its_words() -> None:
    question = "Which customers live in the Netherlands?"
    assert unmatched_words(question, SCHEMA, ()) == ("live", "netherlands")
    match = ValueMatch("Customers", "cntry", "NL", "Netherlands")
    assert unmatched_words(question, SCHEMA, [match]) == ("live",)


def named(prediction: Prediction, **more: object) -> dict[str, float]:
    question = "How many refunds did each employee get?"
    found = features(prediction, question, SCHEMA, (), **more)  # type: ignore[arg-type]
    return dict(zip(NAMES, found, strict=True))


def test_signs_of_an_answer() -> None:
    prediction = Prediction(
        "1", "SELECT 1", candidates=("SELECT 1", "SELECT 2"), tokens=(500, 60), confidence=0.8,
        dropped=("stock", "log.at"), repaired=True,
    )  # fmt: skip
    found = named(prediction, logprobs=(-0.1, -0.7, -0.2), result=QueryResult())
    assert found == pytest.approx(
        {
            "probability": math.log(4), "least_token": -0.7, "tokens": 3, "failed": 0, "empty": 1,
            "repaired": 1, "dropped": math.log(3), "candidates": 2,
            "unmatched_words": 2,
        }
    )  # fmt: skip


def test_what_is_not_known_of_an_answer_is_taken_as_usual() -> None:
    none = named(Prediction("1", None, tokens=(500, 60)))
    assert (none["probability"], none["least_token"], none["tokens"]) == (0, 0, 60)
    assert (none["failed"], none["empty"]) == (1, 0)
    unknown = named(Prediction("1", "SELECT 1", confidence=1.0))
    assert (unknown["failed"], unknown["empty"]) == (0, 0)
    assert math.isfinite(unknown["probability"])
    failing = named(Prediction("1", "SELECT 1"), result=QueryResult(error="no such column: x"))
    assert (failing["failed"], failing["empty"]) == (1, 0)
    full = named(Prediction("1", "SELECT 1"), result=QueryResult(rows=((1,),)))
    assert (full["failed"], full["empty"]) == (0, 0)


def judged(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of very different size, how likely each is right, and whether it is."""
    chance = np.random.default_rng(7)
    rows = chance.normal(size=(count, len(NAMES)))
    likely = 1 / (1 + np.exp(-(0.5 + rows @ np.linspace(-1, 1, len(NAMES)))))
    right = chance.random(count) < likely
    rows = rows * np.logspace(-3, 3, len(NAMES)) + 5
    rows[:, 0] = 1.0  # says nothing
    return rows, likely, right


def test_fitted_weights_give_probabilities_that_can_be_believed() -> None:
    rows, _, right = judged(2000)
    weights = fit(rows[:1000].tolist(), right[:1000].tolist())
    given = [weights.probability(row) for row in rows[1000:].tolist()]
    found = calibration(zip(given, right[1000:].tolist(), strict=True))
    assert found is not None and found.auc is not None
    assert found.error < 0.05
    assert found.auc > 0.75


def test_the_fit_is_the_minimum_and_the_penalty_holds_it_back() -> None:
    rows, _, right = judged(300)
    weights = fit(rows.tolist(), right.tolist(), penalty=2.0)
    x = (rows - weights.mean) / weights.deviation
    off = np.array([weights.probability(row) for row in rows.tolist()]) - right
    assert x.T @ off + 2.0 * np.array(weights.slope) == pytest.approx(0, abs=1e-6)
    strict = fit(rows.tolist(), right.tolist(), penalty=1000.0)
    assert np.abs(strict.slope).max() < np.abs(weights.slope).max() / 3


@pytest.mark.parametrize("right", [[True] * 4, [False] * 4, [False, False, True, True]])
def test_answers_that_can_be_told_apart_without_fault_are_fitted(right: list[bool]) -> None:
    rows = [[x, 1.0] for x in (0.0, 1.0, 100.0, 101.0)]
    weights = fit(rows, right)
    given = [weights.probability(row) for row in rows]
    assert [p > 0.5 for p in given] == right
    assert all(0 < p < 1 for p in given)
    assert 0 <= weights.probability((1e9, 1.0)) <= 1


def test_no_answers_cannot_be_fitted() -> None:
    with pytest.raises(ValueError, match="no answers"):
        fit([], [])


def test_weights_are_kept(tmp_path: Path) -> None:
    rows, _, right = judged(50)
    weights, file = fit(rows.tolist(), right.tolist()), tmp_path / "confidence.json"
    weights.save(file)
    assert Weights.load(file) == weights


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names": ["probability"]}, "other features"),
        ({"slope": [1.0]}, "other features"),
        ({"slope": None}, "cannot read"),
        ({"bias": "much"}, "cannot read"),
    ],
)
def test_other_weights_are_refused(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    file = tmp_path / "confidence.json"
    ones = (1.0,) * len(NAMES)
    Weights(ones, ones, ones, 0.5).save(file)
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=sentence):
        Weights.load(file)
    with pytest.raises(ModelError, match="cannot read"):
        Weights.load(tmp_path / "nothing")


def test_what_people_are_told() -> None:
    assert [certainty(p) for p in (1.0, SURE, SURE - 1e-9, KNOWN, KNOWN - 1e-9, 0.0)] == [
        "sure", "sure", "unsure", "unsure", "unknown", "unknown",
    ]  # fmt: skip
