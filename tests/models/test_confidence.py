"""Confidence: the signs of an answer, and the probability that is made of them."""

from __future__ import annotations

import importlib.util
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
    unmatched_words,
)
from txt2sql.types import Column, Prediction, QueryResult, Schema, Table, ValueMatch

VIP = Column("vip", comment="1 for those who subscribe to the newsletter")
COLUMNS = (Column("id"), Column("firstName"), Column("cntry", words="country"), VIP)
ITEMS = Table("order_items", (Column("price"), Column("state", samples=("shipped", "on hold"))))
SCHEMA = Schema("shop", (Table("Customers", COLUMNS), ITEMS))


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("How many customers are there in each country?", ()),
        ("What is the average pricing of the order items on hold?", ()),
        ("List first names of subscribers, the 10 most recent shipments first.", ()),
        ("Which customers' first-name isn't known?", ()),
        ("How many employees got a refund in 2023?", ("employees", "refund")),
        ("", ()),
    ],
)
def test_words_that_nothing_explains_are_left(question: str, left: tuple[str, ...]) -> None:
    assert unmatched_words(question, SCHEMA, ()) == left
    cell = "Which customers live in the Netherlands?"
    assert unmatched_words(cell, SCHEMA, ()) == ("live", "netherlands")
    match = ValueMatch("Customers", "cntry", "NL", "Netherlands")
    assert unmatched_words(cell, SCHEMA, [match]) == ("live",)


def named(
    *made: object, more: dict[str, object] | None = None, **signs: object
) -> dict[str, float]:
    values = features(Prediction("1", *made, **signs), ("refunds", "employee"), **(more or {}))
    return dict(zip(NAMES, values, strict=True))


def test_an_answer_has_signs_and_what_is_unknown_is_taken_as_usual() -> None:
    signs = {"candidates": ("SELECT 1", "SELECT 2"), "dropped": ("stock", "log.at")}
    more = {"logprobs": (-0.1, -0.7, -0.2), "result": QueryResult()}
    full = named("SELECT 1", tokens=(500, 60), confidence=0.8, repaired=True, more=more, **signs)
    expected = {"probability": math.log(4), "least_token": -0.7, "tokens": 3, "failed": 0}
    expected |= {"empty": 1, "repaired": 1, "dropped": math.log(3), "candidates": 2}
    assert full == pytest.approx({**expected, "unmatched_words": 2, "none": -8})
    none = named(None, tokens=(500, 60))
    assert (none["probability"], none["least_token"], none["tokens"]) == (0, 0, 60)
    assert (none["failed"], none["empty"]) == (1, 0)
    assert math.isfinite(named("SELECT 1", confidence=1.0)["probability"])
    results = (QueryResult(error="no such column: x"), QueryResult(rows=((1,),)), None)
    for result, failed in zip(results, (1, 0, 0), strict=True):
        signs = named("SELECT 1", more={"result": result})
        assert (signs["failed"], signs["empty"]) == (failed, 0)


def judged(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of very different size, how likely each is right, and whether it is."""
    chance = np.random.default_rng(7)
    rows = chance.normal(size=(count, len(NAMES)))
    likely = 1 / (1 + np.exp(-(0.5 + rows @ np.linspace(-1, 1, len(NAMES)))))
    right = chance.random(count) < likely
    rows = rows * np.logspace(-3, 3, len(NAMES)) + 5
    rows[:, 0] = 1.0  # says nothing
    return rows, likely, right


FILE = Path(__file__).parents[2] / "benchmarks" / "confidence.py"
spec = importlib.util.spec_from_file_location("confidence_benchmark", FILE)
assert spec and spec.loader
benchmark = importlib.util.module_from_spec(spec)
spec.loader.exec_module(benchmark)


def test_fitted_weights_give_probabilities_that_can_be_believed() -> None:
    rows, _, right = judged(2000)
    weights = benchmark.fit(rows[:1000].tolist(), right[:1000].tolist())
    given = [weights.probability(row) for row in rows[1000:].tolist()]
    result = calibration(zip(given, right[1000:].tolist(), strict=True))
    assert result is not None and result.auc is not None
    assert result.error < 0.05 and result.auc > 0.75


def test_an_answer_of_weight_two_counts_as_two() -> None:
    rows, _, right = judged(60)
    twice = benchmark.fit(
        [*rows.tolist(), *rows[:20].tolist()], [*right.tolist(), *right[:20].tolist()]
    )
    weighed = benchmark.fit(rows.tolist(), right.tolist(), [2.0] * 20 + [1.0] * 40)
    assert weighed.slope == pytest.approx(twice.slope) and weighed.bias == pytest.approx(twice.bias)


@pytest.mark.parametrize("right", [[True] * 4, [False] * 4, [False, False, True, True]])
def test_answers_that_can_be_told_apart_without_fault_are_fitted(right: list[bool]) -> None:
    rows = [[x, 1.0] for x in (0.0, 1.0, 100.0, 101.0)]
    weights = benchmark.fit(rows, right)
    given = [weights.probability(row) for row in rows]
    assert [p > 0.5 for p in given] == right
    assert all(0 < p < 1 for p in given)
    assert 0 <= weights.probability((1e9, 1.0)) <= 1
    with pytest.raises(ValueError, match="no answers"):
        benchmark.fit([], [])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names": ["probability"]}, "other features"),
        ({"slope": [1.0]}, "other features"),
        ({"bias": "much"}, "cannot read"),
    ],
)
def test_weights_come_back_from_their_file_and_others_are_refused(
    tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    file = tmp_path / "confidence.json"
    ones = (1.0,) * len(NAMES)
    weights = Weights(ones, ones, ones, 0.5)
    weights.save(file)
    assert Weights.load(file) == weights
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=sentence):
        Weights.load(file)
    with pytest.raises(ModelError, match="cannot read"):
        Weights.load(tmp_path / "nothing")


def test_a_probability_is_sure_unsure_or_unknown() -> None:
    levels = [certainty(p) for p in (1.0, SURE, SURE - 1e-9, KNOWN, KNOWN - 1e-9, 0.0)]
    assert levels == "sure sure unsure unsure unknown unknown".split()
