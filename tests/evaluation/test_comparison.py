"""Comparing two systems: what cannot be compared first, then counts done by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.errors import DataError
from txt2sql.evaluation.comparison import compare, read_verdicts
from txt2sql.evaluation.statistics import estimate, mcnemar, paired_difference


def row(i: int, score: float | None, **others: Any) -> dict[str, Any]:
    texts = {"db_id": "shop", "question": f"Question {i}?", "gold_sql": f"SELECT {i}"}
    made = {"sql": f"SELECT {i}, {score}", "scores": {"execution_accuracy": score}}
    return {"i": i, "example_id": f"dev-{i}", **texts, **made, **others}


def rows(*scores: float | None) -> list[dict[str, Any]]:
    return [row(i, score) for i, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (rows(1.0), [row(7, 1.0)], "no example in common"),
        (rows(1.0), [row(0, 1.0, question="Another?")], "dev-0 is not the same"),
        (rows(1.0), [row(0, 1.0, db_id="zoo")], "databases 'shop' and 'zoo'"),
        (rows(1.0), [row(0, 1.0), row(0, 0.0)], "B has several"),
        (rows(1.0), [row(0, 1.0, scores={"exact_match": 1.0})], "share no metric"),
        (rows(None), rows(1.0), "choose one of execution_accuracy"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    a: list[dict[str, Any]], b: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        compare(a, b)


def test_pairs_are_counted_and_tested() -> None:
    a = rows(1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    b = rows(1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0)
    result = compare(a, b)
    assert (result.both, result.only_a, result.only_b, result.neither) == (2, 1, 3, 1)
    assert (result.a, result.b) == (
        estimate([1, 1, 1, 0, 0, 0, 0]),
        estimate([1, 1, 0, 1, 1, 1, 0]),
    )
    assert result.difference == paired_difference(2, 1, 3, 1)
    assert result.p == mcnemar(1, 3) == 0.625
    assert [change.key for change in result.changed] == ["dev-2", "dev-3", "dev-4", "dev-5"]
    first = result.changed[0]
    assert (first.question, first.gold_sql) == ("Question 2?", "SELECT 2")
    assert (first.a_sql, first.b_sql) == ("SELECT 2, 1.0", "SELECT 2, 0.0")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_swapping_the_sides_turns_the_result(pairs: list[tuple[bool, bool]]) -> None:
    a = rows(*(float(x) for x, _ in pairs))
    b = rows(*(float(y) for _, y in pairs))
    there, back = compare(a, b), compare(b, a)
    assert (there.only_a, there.only_b, there.p) == (back.only_b, back.only_a, back.p)
    assert there.difference.mean == -back.difference.mean
    assert len(there.changed) == there.only_a + there.only_b


@pytest.mark.parametrize("line", ["no JSON", "[1]", '{"example_id": "dev-0"}', '{"i": 0'])
def test_a_line_that_is_no_verdict_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "v.jsonl"
    first = '{"example_id": "dev-0", "scores": {}}'
    file.write_text(f"{first}\n\n{line}", encoding="utf-8")
    with pytest.raises(DataError, match="line 3 of"):
        read_verdicts(file)
