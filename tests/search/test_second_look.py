"""Which candidate of a second look is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from txt2sql.models.channel import Exponents
from txt2sql.models.predictor import Tried
from txt2sql.search.second_look import ReadingBack
from txt2sql.types import QueryResult, Schema

QUESTION = "How many shops are there?"
SHOPS, NAMES = QueryResult(("n",), ((3,),)), QueryResult(("name",), (("a",), ("b",)))
COUNT, NAME, BROKEN = "SELECT count(*) FROM shop", "SELECT name FROM shop", "SELECT x FROM shop"


@dataclass
class Reader:
    """Stands for a channel model: the question follows from a count."""

    exponents: Exponents = field(default_factory=lambda: Exponents(0.5, 0.4, 0.1))
    read: list[tuple[str, list[str], str]] = field(default_factory=list)

    def scores(self, question: str, queries: Sequence[str], schema: Schema) -> list[float]:
        self.read.append((question, list(queries), schema.db_id))
        return [-2.0 if "count" in sql else -12.0 for sql in queries]


def chooser(reader: Any) -> ReadingBack:
    return ReadingBack(lambda: reader, {"shop": Schema("shop", ())}.__getitem__)


@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        # Half of the model's probability less, and yet the question can only be read from the count.
        ([Tried(NAME, 0.6, NAMES), Tried(COUNT, 0.1, SHOPS)], COUNT),
        ([Tried(NAME, 0.6, NAMES), Tried(COUNT, 1e-9, SHOPS)], NAME),
        ([Tried(NAME, 0.6, NAMES), Tried(COUNT, 0.3, QueryResult(error="no such table"))], NAME),
        ([Tried(BROKEN, 0.9, QueryResult(error="no")), Tried(NAME, 0.01, NAMES)], NAME),
        ([Tried(BROKEN, 0.9, QueryResult(error="no"))], BROKEN),
    ],
)
def test_the_question_is_read_back(tried: list[Tried], expected: str) -> None:
    assert chooser(Reader())(QUESTION, "shop", tried) == expected


def test_only_what_ran_is_read_and_the_model_is_opened_once() -> None:
    opened: list[Reader] = []

    def load() -> Any:
        opened.append(Reader())
        return opened[-1]

    choose = ReadingBack(load, {"shop": Schema("shop", ())}.__getitem__)
    assert not opened
    tried = [Tried(NAME, 0.6, NAMES), Tried(COUNT, 0.1, SHOPS), Tried(BROKEN, 0.2, QueryResult(error="no"))]  # fmt: skip
    for _ in range(2):
        choose(QUESTION, "shop", tried)
    (reader,) = opened
    assert reader.read == [(QUESTION, [NAME, COUNT], "shop")] * 2


def test_equal_results_are_one_candidate() -> None:
    same, number = "SELECT count(id) FROM shop", "SELECT count(name) FROM shop"
    tried = [Tried(number, 0.3, NAMES), Tried(COUNT, 0.2, SHOPS), Tried(same, 0.2, SHOPS)]
    assert chooser(Reader())(QUESTION, "shop", tried) in (COUNT, same)
    assert chooser(Reader())(QUESTION, "shop", tried[:2]) == number
