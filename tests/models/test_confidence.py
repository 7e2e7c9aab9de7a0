"""Confidence: the signs of an answer, and the probability that is made of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from txt2sql.errors import ModelError
from txt2sql.models.confidence import (
    NAMES,
    Weights,
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
