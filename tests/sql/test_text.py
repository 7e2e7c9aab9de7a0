"""Completions of each kind that models give are in `tests/fixtures/sql/extract/*.txt`.

A case is the completion, a line of `=====`, and the SQL expected (or NONE).
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.sql import extract_sql, is_ordered, normalise

CASES = sorted((Path(__file__).parents[1] / "fixtures" / "sql" / "extract").glob("*.txt"))
PIECES = ["SELECT ", "a", " FROM t", "'", '"', "`", "```sql\n", "```", "--", "/*", "*/", ";", "(",
          ")", "\n", "\n\n", " WITH x AS (", "ORDER BY ", "{", '{"sql": ', "<think>", "|>", "é"]  # fmt: skip
completions = st.text() | st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_extracts_the_statement_and_nothing_else(case: Path) -> None:
    completion, expected = case.read_text(encoding="utf-8").split("\n=====\n")
    assert (extract_sql(completion) or "NONE") == expected.rstrip("\n")


@given(completions)
def test_any_completion_is_read(completion: str) -> None:
    sql = extract_sql(completion)
    assert sql is None or (sql and sql in completion) or "{" in completion or "<think" in completion
    if sql is not None and "```" not in sql and not sql.lower().startswith(("with", "{")):
        assert extract_sql(sql) is not None
    is_ordered(completion)
    once = normalise(completion)
    assert normalise(once) == once


@pytest.mark.parametrize("piece", ["/*", "'", '"', "(", "SELECT ", "```", "\n", "WITH a AS (", "{"])
def test_a_runaway_completion_costs_little(piece: str) -> None:
    started = time.process_time()
    extract_sql(piece * 20_000)
    extract_sql("SELECT 1 " + piece * 20_000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("sql", "ordered"),
    {
        "": False,
        "SELECT a FROM t WHERE b = ' ORDER BY a'": False,
        'SELECT a FROM t WHERE b = "x ORDER BY a"': False,
        "SELECT a FROM t -- ORDER BY a": False,
        "SELECT a FROM t /* ORDER BY a */": False,
        "SELECT rank() OVER (ORDER BY a) FROM t": False,
        "WITH x AS (SELECT a FROM t ORDER BY a) SELECT a FROM x": False,
        "SELECT order_by FROM t": False,
        "SELECT a FROM t; SELECT b FROM t ORDER BY b": False,
        "select a from t order\n  by a desc limit 3": True,
        "SELECT a FROM t UNION SELECT b FROM u ORDER BY 1": True,
        "WITH x AS (SELECT a FROM t) SELECT a FROM x ORDER BY a": True,
        "SELECT a FROM t ORDER /* up */ BY a;": True,
    }.items(),
)
def test_only_an_order_of_the_whole_counts(sql: str, ordered: bool) -> None:
    assert is_ordered(sql) is ordered


def test_normalise_keeps_what_is_quoted_and_folds_what_does_not_parse() -> None:
    assert normalise("select a\nfrom t where b='X  y';") == "SELECT a FROM t WHERE b = 'X  y'"
    assert normalise("SELECT a FROM t WHERE b = 'x'") != normalise("SELECT a FROM t WHERE b = 'X'")
    assert normalise("SELECT  a FROM  WHERE 'x  y' >\n ;") == "SELECT a FROM WHERE 'x  y' >"
