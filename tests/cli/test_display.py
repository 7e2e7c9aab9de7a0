"""What reaches the terminal: hostile and awkward cells first."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from txt2sql.cli import display, progress
from txt2sql.serving.service import Answer
from txt2sql.types import Row


def answer(*rows: Row, columns: tuple[str, ...] = ("name",), **others: object) -> Answer:
    fields = {"sql": "SELECT name FROM shop", "seconds": 0.25, "model": "m", **others}
    return Answer("Which?", columns=columns, rows=rows, **fields)  # type: ignore[arg-type]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def show(answer: Answer, max_rows: int = 20) -> str:
        display.answer(answer, max_rows)
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize(
    "hostile", ["\x1b[2Jgone", "a\rb", "a\nb", "\x9b31m", "\u202eabc", "\x00", "[bold]x[/bold] [/]"]
)
def test_control_characters_and_markup_never_reach_the_terminal(
    shown: Callable[..., str], hostile: str
) -> None:
    text = shown(answer((hostile,), columns=(hostile,), sql=f"SELECT '{hostile}'"))
    text += shown(answer(error=hostile))
    assert {char for char in text if not char.isprintable()} <= {"\n"}
    assert "a\nb" not in text.replace("SELECT 'a\nb'", "")
    assert text.count(hostile) == 4 or not hostile.isprintable()


def test_long_expressions_and_fractions_are_shown_as_people_write_them(
    shown: Callable[..., str],
) -> None:
    expression = "SUM(CAST(REPLACE(price, ',', '') AS REAL))"
    row = (78349.07999999999, 0.1 + 0.2, 43.0, 1e-7)
    columns = (expression, "b", "c", "d")
    text = shown(answer(row, columns=columns, sql=f"SELECT {expression}, b, c, d FROM t"))
    assert "Sum of price" in text and "REPLACE(price, ',', '') AS…" not in text
    assert ["78349.08", "0.3", "43.0", "1e-07"] in [line.split() for line in text.splitlines()]


def test_rows_and_columns_beyond_the_limits_are_counted(shown: Callable[..., str]) -> None:
    rows = [(f"shop {i}",) for i in range(25)]
    text = shown(answer(*rows), max_rows=3)
    assert "shop 2" in text and "shop 3" not in text
    assert "… 22 more rows\n" in text and "25 rows · 0.25 s" in text
    assert "… 1 more row\n" in shown(answer(*rows[:4]), max_rows=3)
    assert "… 22 more rows or more" in shown(answer(*rows, truncated=True), max_rows=3)
    assert "0 rows" in shown(answer())
    text = shown(answer(tuple(range(60)), columns=tuple(f"column_{i}" for i in range(60))))
    assert "column_0" in text and "column_59" not in text
    assert "more columns did not fit" in text and "0 more columns" not in text


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.none() | st.integers() | st.floats() | st.text() | st.binary()), max_size=5
    )
)
def test_json_is_always_one_valid_line(rows: list[Row]) -> None:
    line = display.answer_json(answer(*rows), None)
    assert "\n" not in line
    assert len(json.loads(line, parse_constant=pytest.fail)["rows"]) == len(rows)


def test_a_bar_on_a_terminal_has_no_thread_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    before = threading.active_count()
    with progress._bars("judged", in_bytes=False) as show:
        for done in range(3):
            show("", done + 1, 3, "EX 50.0%")
            assert threading.active_count() == before
    assert "EX 50.0%" in capsys.readouterr().err
