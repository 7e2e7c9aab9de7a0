"""Files of rows: no spreadsheet may run a cell, and no program may get another value."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.errors import ConfigError
from txt2sql.serving import web
from txt2sql.serving.web import csv_lines, parquet

CELL = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), st.binary(max_size=4)
)


def written(columns: list[str], rows: list[tuple[Any, ...]]) -> list[list[str]]:
    text = b"".join(csv_lines(columns, rows)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", "  =1", "＝1"])
def test_text_that_is_a_formula_to_a_spreadsheet_is_not_one_any_more(cell: str) -> None:
    [name], [value] = written([cell], [(cell,)])
    assert name == value == f"'{cell}"


def test_numbers_and_other_text_stay_as_they_are() -> None:
    cells = (-1, -2.5, None, 'say "a, b"', "line\nbreak", "a=b", b"\x00\xff", "ü")
    [_, row] = written([f"c{i}" for i in range(8)], [cells])
    assert row == ["-1", "-2.5", "", 'say "a, b"', "line\nbreak", "a=b", "x'00ff'", "ü"]


@settings(max_examples=60)
@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[CELL] * n), max_size=5)))
def test_every_row_keeps_its_cells(rows: list[tuple[Any, ...]]) -> None:
    columns = [f"c{i}" for i in range(len(rows[0]) if rows else 1)]
    read = written(columns, rows)
    assert [len(row) for row in read] == [len(columns)] * (len(rows) + 1)
    assert not any(cell[:1] in ("=", "+", "@") for row in read for cell in row)


def test_parquet_keeps_values_and_types(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet as reader

    columns = ["n", "n", "x", "text", "blob", "mixed", "large", "none"]
    rows = [
        (1, None, 1, "=1", b"\x00", 1, 2**80, None),
        (None, 2, 2.5, "\ud800", None, "a", 1, None),
    ]
    table = reader.read_table(io.BytesIO(parquet(columns, rows)))
    assert table.to_pydict() == {
        "n": [1, None],
        "n_2": [None, 2],
        "x": [1.0, 2.5],
        "text": ["=1", "?"],
        "blob": [b"\x00", None],
        "mixed": ["1", "a"],
        "large": [str(2**80), "1"],
        "none": [None, None],
    }
    assert reader.read_table(io.BytesIO(parquet(["a"], []))).num_rows == 0
    monkeypatch.setattr(web, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install"):
        parquet(["a"], [(1,)])
