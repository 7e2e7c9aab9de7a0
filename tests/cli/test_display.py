"""What reaches the terminal: hostile and awkward cells first."""

from __future__ import annotations

import json
import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txt2sql.cli import display, progress
from txt2sql.serving.service import Answer
from txt2sql.types import Prompt, Row, Schema, ValueMatch


def shown(capsys: pytest.CaptureFixture[str], answer: Answer, max_rows: int = 20) -> str:
    display.answer(answer, max_rows)
    return capsys.readouterr().out


def answer(*rows: Row, columns: tuple[str, ...] = ("name",), **others: object) -> Answer:
    fields = {"sql": "SELECT name FROM shop", "seconds": 0.25, "model": "m", **others}
    return Answer("Which?", columns=columns, rows=rows, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hostile", ["\x1b[2Jgone", "\x1b]0;title\x07", "a\rb", "a\nb", "\x9b31m", "\u202eabc", "\x00"]
)
def test_control_characters_never_reach_the_terminal(
    capsys: pytest.CaptureFixture[str], hostile: str
) -> None:
    text = shown(capsys, answer((hostile,), columns=(hostile,), sql=f"SELECT '{hostile}'"))
    text += shown(capsys, answer(error=hostile))
    left = {c for c in text if not c.isprintable()} - {"\n"}
    assert not left
    assert "a\nb" not in text.replace("SELECT 'a\nb'", "")


def test_markup_in_a_cell_is_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert "[bold]x[/bold] [/]" in shown(capsys, answer(("[bold]x[/bold] [/]",)))


def test_long_cells_are_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, answer(("x" * 10_000,)))
    assert "x" * 39 + "…" in text
    assert "x" * 40 not in text


def test_rows_beyond_the_limit_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(f"shop {i}",) for i in range(25)]
    text = shown(capsys, answer(*rows), max_rows=3)
    assert "shop 2" in text
    assert "shop 3" not in text
    assert "… 22 more rows" in text
    assert "25 rows · 0.25 s" in text
    assert "… 1 more row\n" in shown(capsys, answer(*rows[:4]), max_rows=3)
    assert "… 22 more rows or more" in shown(capsys, answer(*rows, truncated=True), max_rows=3)


def test_columns_that_do_not_fit_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    columns = tuple(f"column_{i}" for i in range(60))
    text = shown(capsys, answer(tuple(range(60)), columns=columns))
    assert "column_0" in text
    assert "column_59" not in text
    assert "more columns did not fit" in text
    assert "0 more columns" not in text


def test_null_bytes_and_numbers_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    row = (None, b"\x00\x01", 1.5, "")
    text = shown(capsys, answer(row, columns=("a", "b", "c", "d")))
    assert "NULL" in text
    assert "<2 bytes>" in text
    assert "1.5" in text


def test_an_empty_result_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "0 rows" in shown(capsys, answer())


def test_an_error_takes_the_place_of_rows(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, answer(columns=(), error="no such column: town"))
    assert "no such column: town" in text
    assert "rows" not in text


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (b"\x00\xff", "x'00ff'"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "NaN"),
        (None, None),
        (2**62, 2**62),
        ("é\x1b", "é\x1b"),
    ],
)
def test_json_carries_every_cell(cell: object, expected: object) -> None:
    line = display.answer_json(answer((cell,)), None)  # type: ignore[arg-type]
    assert json.loads(line)["rows"] == [[expected]]
    assert line.isascii()


@given(
    st.lists(
        st.tuples(st.none() | st.integers() | st.floats() | st.text() | st.binary()), max_size=5
    )
)
def test_json_is_always_one_valid_line(rows: list[Row]) -> None:
    line = display.answer_json(answer(*rows), None)
    assert "\n" not in line
    assert len(json.loads(line, parse_constant=pytest.fail)["rows"]) == len(rows)


def test_json_has_exactly_the_promised_keys() -> None:
    result = json.loads(display.answer_json(answer(("x",), confidence=0.5), None))
    assert list(result) == [
        *("question", "previous", "sql", "columns", "rows", "truncated", "seconds", "model"),
        *("error", "confidence", "certainty", "unknown", "doubt", "readings", "dropped"),
    ]
    assert result["dropped"] == []


def test_what_the_model_was_not_shown_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    names = tuple(f"t{n}\x1b.c" for n in range(9))
    display.answer(answer(("x",), dropped=names), 20)
    text = capsys.readouterr().out
    assert "not shown to the model for length: t0\\x1b.c" in text and "and 3 more" in text
    assert json.loads(display.answer_json(answer(dropped=names), None))["dropped"] == list(names)
    display.answer(answer(("x",)), 20)
    assert "not shown" not in capsys.readouterr().out


def test_an_explanation_shows_what_the_model_was_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = answer(
        prompt=Prompt("the prompt\x1b\non two lines"),
        dropped=("log.line",),
        matches=(ValueMatch("shop", "city", "Lisbon", "lisbon", 0.9),),
        candidates=("SELECT 1", "SELECT 2"),
    )
    display.explanation(given)
    text = capsys.readouterr().out
    for part in (
        "the prompt\\x1b\n  on two lines",
        "shop.city = 'Lisbon'",
        "log.line",
        "SELECT 2",
    ):
        assert part in text
    display.explanation(given, to_stderr=True)
    captured = capsys.readouterr()
    assert (captured.out, "SELECT 2" in captured.err) == ("", True)


def test_a_table_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    display.schema(Schema("shop", ()), "nothing")
    assert "no table nothing" in capsys.readouterr().out


def test_a_bar_on_a_terminal_has_no_thread_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Judging forks, which only a process with one thread may do."""
    before = threading.active_count()
    with progress._bars("judged", in_bytes=False) as show:
        for done in range(3):
            show("", done + 1, 3, "EX 50.0%")
            assert threading.active_count() == before
    assert "EX 50.0%" in capsys.readouterr().err
