"""Wrong answers first; then any order of rows and columns, tolerance, and a brute-force oracle."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.execution.compare import same_as_official, same_result
from txt2sql.types import QueryResult, Row


def result(*rows: Row, width: int | None = None, **fields: object) -> QueryResult:
    columns = len(rows[0]) if width is None else width
    return QueryResult(tuple("c" * columns), rows, **fields)  # type: ignore[arg-type]


DIFFERENT = {
    "null and empty text": (result((None,)), result(("",))),
    "case": (result(("Ann",)), result(("ann",))),
    "a column more": (result((1, 2)), result((1, 2, 2))),
    "empty and NULL": (result(width=1), result((None,))),
    "empty, other width": (result(width=1), result(width=2)),
    "large integers": (result((10**17,)), result((10**17 + 1,))),
    "ten-digit numbers stored as floats": (result((5551234567.0,)), result((5551234568.0,))),
    "rounded": (result((3.14159,)), result((3.14,))),
    "tiny and zero": (result((1e-17,)), result((0,))),
    "infinity and a number": (result((float("inf"),)), result((1.7e308,))),
    "cut off": (result((1,), truncated=True), result((1,))),
    "two errors": (QueryResult(error="a"), QueryResult(error="a")),
}


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_different_results(pair: tuple[QueryResult, QueryResult]) -> None:
    for sides, ordered in itertools.product((pair, pair[::-1]), (False, True)):
        assert not same_result(*sides, ordered=ordered)


SAME = {
    "empty": (result(width=2), result(width=2)),
    "sum in another order": (result((0.1 + 0.2,)), result((0.3,))),
    "infinity": (result((float("inf"),)), result((float("inf"),))),
    "both cut off": (result((1,), truncated=True), result((1,), truncated=True)),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_same_results(pair: tuple[QueryResult, QueryResult]) -> None:
    for sides, ordered in itertools.product((pair, pair[::-1]), (False, True)):
        assert same_result(*sides, ordered=ordered)


def test_close_numbers_do_not_mix_up_rows() -> None:
    tiny = 1.5 + 2e-16
    gold = result((tiny, "b"), (1.5, "a"))
    predicted = result((1.5, "b"), (tiny, "a"))
    assert same_result(gold, predicted, ordered=False)
    assert same_result(gold, predicted, ordered=True)


def brute_force(gold: QueryResult, predicted: QueryResult, ordered: bool) -> bool:
    """Every permutation of the columns, cells compared as Python compares them."""
    if len(gold.columns) != len(predicted.columns):
        return False
    for order in itertools.permutations(range(len(predicted.columns))):
        rows = tuple(tuple(row[i] for i in order) for row in predicted.rows)
        if gold.rows == rows if ordered else Counter(gold.rows) == Counter(rows):
            return True
    return False


cells = st.sampled_from([0, 1, 2, 1.0, 0.5, "1", "a", None, b"a"])


@st.composite
def pairs(draw: st.DrawFn) -> tuple[QueryResult, QueryResult]:
    """A small result, and the same one shuffled and perhaps changed in one cell."""
    width, height = draw(st.integers(1, 4)), draw(st.integers(0, 5))
    row = st.tuples(*[draw(st.sampled_from([cells, st.sampled_from([0, 1])]))] * width)
    rows = draw(st.lists(row, min_size=height, max_size=height))
    order = draw(st.permutations(range(width)))
    other = [[r[i] for i in order] for r in draw(st.permutations(rows))]
    if other and draw(st.booleans()):
        other[draw(st.integers(0, height - 1))][draw(st.integers(0, width - 1))] = draw(cells)
    predicted = [tuple(r) for r in other]
    return result(*rows, width=width), result(*predicted, width=width)


@settings(max_examples=150)
@given(pairs(), st.booleans())
def test_agrees_with_brute_force(pair: tuple[QueryResult, QueryResult], ordered: bool) -> None:
    same = brute_force(*pair, ordered=ordered)
    assert same_result(*pair, ordered=ordered) == same
    assert same_result(*reversed(pair), ordered=ordered) == same


def shuffled(gold: QueryResult) -> QueryResult:
    rng = random.Random(1)
    order = rng.sample(range(len(gold.columns)), len(gold.columns))
    rows = [tuple(row[i] for i in order) for row in gold.rows]
    rng.shuffle(rows)
    return QueryResult(gold.columns, tuple(rows))


def wide(kind: str) -> list[Row]:
    """Twenty columns, and as many rows as make a search of all orders endless."""
    rng = random.Random(7)
    columns = {
        "identical": lambda: [[i % 50 for i in range(2000)]] * 20,
        "permuted": lambda: [rng.sample(range(2000), 2000) for _ in range(20)],
        "flags": lambda: [rng.sample([0, 1] * 1000, 2000) for _ in range(20)],
        # Any order of columns fits, and only the last row classes show it.
        "identity": lambda: [[int(i == j) for j in range(20)] for i in range(20)],
    }[kind]()
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize("kind", ["identical", "permuted", "flags", "identity"])
def test_wide_results_are_quick(kind: str) -> None:
    gold = result(*wide(kind))
    same = shuffled(gold)
    rows = list(same.rows)
    rows[0] = (rows[0][1], rows[0][0], *rows[0][2:-1], -1)
    start = time.process_time()
    assert same_result(gold, same, ordered=False)
    assert not same_result(gold, QueryResult(same.columns, tuple(rows)), ordered=False)
    if kind == "flags":  # the same bag of cells in every column: only whole rows tell them apart
        columns = list(zip(*gold.rows, strict=True))
        columns[3] = columns[3][1:] + columns[3][:1]
        assert not same_result(gold, result(*zip(*columns, strict=True)), ordered=False)
    assert time.process_time() - start < 5


def test_official_comparison_tells_some_integers_from_floats() -> None:
    """It sorts the cells of each row as text with their type: 1, 10 goes the other way than 1.0, 10."""
    assert not same_as_official(result((1, 10)), result((1.0, 10)), ordered=False)
    assert not same_as_official(result((1, 10)), result((1.0, 10)), ordered=True)
    assert same_as_official(result((1, 10)), result((1, 10.0)), ordered=False)
    assert same_as_official(result((10,)), result((10.0,)), ordered=True)
    assert same_as_official(result((10.0, "a")), result(("a", 10.0)), ordered=True)
    assert same_as_official(result(width=1), result(width=3), ordered=True)
    assert not same_as_official(result((None,)), result(width=1), ordered=False)


few_rows = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 1, "a", None])), max_size=4)


@given(few_rows, few_rows, st.booleans())
def test_without_floats_both_comparisons_agree(
    gold: list[Row], predicted: list[Row], ordered: bool
) -> None:
    sides = result(*gold, width=2), result(*predicted, width=2)
    assert same_as_official(*sides, ordered) == same_result(*sides, ordered)
