"""A name stands bare only where SQLite reads the column of that name."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.identifiers import KEYWORDS, RESERVED, quote_identifier


def value_of(name: str, written: str) -> object:
    """What SQLite reads where a column `name`, whose one value is 7, is written so."""
    with closing(sqlite3.connect(":memory:")) as connection:
        double = name.replace('"', '""')
        connection.execute(f'CREATE TABLE t ("{double}" INT)')
        connection.execute("INSERT INTO t VALUES (7)")
        sql = f"SELECT {written} FROM t WHERE t.{written} > 0 ORDER BY {written}"
        return connection.execute(sql).fetchone()[0]


@pytest.mark.parametrize("word", sorted(RESERVED | {"current_date", "raise"}))
def test_a_word_that_would_be_read_otherwise(word: str) -> None:
    with suppress(sqlite3.OperationalError):
        assert value_of(word, word) != 7
    assert value_of(word, quote_identifier(word)) == 7


@pytest.mark.parametrize("word", sorted(KEYWORDS))
def test_a_keyword_is_read_as_the_column(word: str) -> None:
    assert value_of(word, quote_identifier(word)) == 7
    assert value_of(word.upper(), quote_identifier(word.upper())) == 7


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1))
def test_any_name_is_read_as_the_column(name: str) -> None:
    assert value_of(name, quote_identifier(name)) == 7
