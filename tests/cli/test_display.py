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
from txt2sql.types import Prompt, Row, ValueMatch


def answer(*rows: Row, columns: tuple[str, ...] = ("name",), **others: object) -> Answer:
    fields = {"sql": "SELECT name FROM shop", "seconds": 0.25, "model": "m", **others}
    return Answer("Which?", columns=columns, rows=rows, **fields)  # type: ignore[arg-type]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What is printed of an answer."""

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


def test_null_bytes_numbers_and_long_text_are_told_apart(shown: Callable[..., str]) -> None:
    row = (None, b"\x00\x01", 1.5, "", "x" * 10_000)
    text = shown(answer(row, columns=tuple("abcde")))
    assert all(part in text for part in ("NULL", "<2 bytes>", "1.5", "x" * 39 + "…"))
    assert "x" * 40 not in text


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


def test_what_the_model_was_not_shown_is_said(shown: Callable[..., str]) -> None:
    names = tuple(f"t{n}\x1b.c" for n in range(9))
    text = shown(answer(("x",), dropped=names))
    assert "not shown to the model for length: t0\\x1b.c" in text and "and 3 more" in text
    assert json.loads(display.answer_json(answer(dropped=names), None))["dropped"] == list(names)
    assert "not shown" not in shown(answer(("x",)))


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
    assert "the prompt\\x1b\n  on two lines" in text
    assert all(part in text for part in ("shop.city = 'Lisbon'", "log.line", "SELECT 2"))
    display.explanation(given, to_stderr=True)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", text)


def test_a_bar_on_a_terminal_has_no_thread_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Judging forks, which only a process with one thread may do."""
    before = threading.active_count()
    with progress._bars("judged", in_bytes=False) as show:
        for done in range(3):
            show("", done + 1, 3, "EX 50.0%")
            assert threading.active_count() == before
    assert "EX 50.0%" in capsys.readouterr().err
