"""Completions of each kind that models give are in `tests/fixtures/sql/extract/*.txt`.

A case is the completion, a line of `=====`, and the SQL expected (or NONE).
"""

from __future__ import annotations

import subprocess
import sys
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


def test_there_are_cases() -> None:
    assert len(CASES) >= 10


@given(completions)
def test_no_completion_raises(completion: str) -> None:
    sql = extract_sql(completion)
    assert sql is None or (sql and sql in completion) or "{" in completion or "<think" in completion
    is_ordered(completion)
    normalise(completion)


@given(completions)
def test_what_is_extracted_is_extracted_again(completion: str) -> None:
    sql = extract_sql(completion)
    if sql is not None and "```" not in sql and not sql.lower().startswith(("with", "{")):
        assert extract_sql(sql) is not None


@pytest.mark.parametrize("piece", ["/*", "'", '"', "(", "SELECT ", "```", "\n", "WITH a AS (", "{"])
def test_a_runaway_completion_costs_little(piece: str) -> None:
    started = time.process_time()
    extract_sql(piece * 20_000)
    extract_sql("SELECT 1 " + piece * 20_000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t",
        "SELECT * FROM (SELECT a FROM t ORDER BY a)",
        "SELECT a FROM t WHERE b = ' ORDER BY a'",
        'SELECT a FROM t WHERE b = "x ORDER BY a"',
        "SELECT a FROM t -- ORDER BY a",
        "SELECT a FROM t /* ORDER BY a */",
        "SELECT rank() OVER (ORDER BY a) FROM t",
        "WITH x AS (SELECT a FROM t ORDER BY a) SELECT a FROM x",
        "SELECT a FROM t WHERE b IN (SELECT b FROM u ORDER BY c LIMIT 1)",
        "SELECT order_by FROM t",
        "SELECT a FROM t; SELECT b FROM t ORDER BY b",
        "",
    ],
)
def test_not_ordered(sql: str) -> None:
    assert not is_ordered(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM t ORDER BY a",
        "select a from t order\n  by a desc limit 3",
        "SELECT a FROM t UNION SELECT b FROM u ORDER BY 1",
        "WITH x AS (SELECT a FROM t) SELECT a FROM x ORDER BY a",
        "SELECT a FROM t GROUP BY a ORDER BY count(*) DESC",
        "SELECT a FROM t ORDER /* up */ BY a;",
    ],
)
def test_ordered(sql: str) -> None:
    assert is_ordered(sql)


def test_normalise_keeps_what_is_quoted() -> None:
    assert normalise("select a\nfrom t where b='X  y';") == "SELECT a FROM t WHERE b = 'X  y'"
    assert normalise("SELECT a FROM t WHERE b = 'x'") != normalise("SELECT a FROM t WHERE b = 'X'")


def test_normalise_folds_what_does_not_parse() -> None:
    assert normalise("SELECT  a FROM  WHERE 'x  y' >\n ;") == "SELECT a FROM WHERE 'x  y' >"


@given(completions)
def test_normalise_is_stable(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


def test_importing_costs_no_sqlglot() -> None:
    code = "import sys, txt2sql.sql; sys.exit('sqlglot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
