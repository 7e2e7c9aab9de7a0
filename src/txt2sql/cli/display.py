"""What a person sees of an answer: highlighted SQL, a table of rows, one line of facts; or JSON.

Cells come from a stranger's database, so control characters are shown as escapes and never reach
the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from textwrap import indent
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from txt2sql.types import Cell, Schema

if TYPE_CHECKING:
    from txt2sql.serving.service import Answer

_CELL_CHARS = 40
_LONG_NAME = 30
_NAMED = 8
_JSON_KEYS = (
    "question previous sql columns rows truncated seconds model error confidence certainty unknown "
    "doubt readings dropped"
).split()
_PIPE_WIDTH = 400  # characters per line where there is no terminal to fit


def terminal(to_stderr: bool = False) -> Console:
    """The console to print to; wide where it is no terminal."""
    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False)


def working(what: str) -> AbstractContextManager[object]:
    """A spinner on standard error while something takes long; nothing where it is no terminal."""
    console = terminal(to_stderr=True)
    return console.status(f"[dim]{what} …") if console.is_terminal else nullcontext()


def answer(answer: Answer, max_rows: int, echo: bool = True, guess: bool = False) -> None:
    """Print question (unless it was just typed), SQL, rows and facts; a failure in one sentence. What is
    not known is said so, with `guess` it is guessed."""
    console = terminal()
    if echo and answer.question:
        console.print(Text(printable(answer.question), style="bold"))
    if answer.previous:
        console.print(Text("  follows: " + printable(answer.previous.question), style="dim"))
    console.print()
    if answer.unknown and not guess:
        console.print(Text("  " + printable(answer.unknown), style="yellow"))
        console.print(Text("  --guess shows the best guess", style="dim"))
        _readings(console, answer)
        console.print()
        return
    if answer.sql:
        style = Syntax("", "sql", theme="ansi_dark", background_color="default")
        highlighted = style.highlight(indent(printable(answer.sql, keep="\n"), "  "))
        highlighted.rstrip()
        console.print(highlighted, soft_wrap=True)
        console.print()
    if answer.error is None:
        hidden_columns = _rows(console, answer, max_rows)
        console.print()
        console.print(Text("  " + _facts(answer, hidden_columns), style="dim"))
    else:
        console.print(Text("  error: " + printable(answer.error), style="red"))
    if answer.dropped:
        named = _listed(shorten(name) for name in answer.dropped)
        console.print(Text(f"  not shown to the model for length: {named}", style="dim"))
    _readings(console, answer)
    console.print()


def _listed(names: Iterable[str]) -> str:
    first, rest = (each := list(names))[:_NAMED], each[_NAMED:]
    return ", ".join(first) + (f" and {len(rest)} more" if rest else "")


def _readings(console: Console, answer: Answer) -> None:
    if answer.certainty == "unsure" and answer.doubt:
        console.print(Text(f"  {printable(answer.doubt)}", style="yellow"))
    if answer.readings:
        console.print(Text("  It may also mean:", style="dim"))
    for number, reading in enumerate(answer.readings, 1):
        console.print(Text(f"  {number}  {printable(reading.explanation or reading.sql)}"))


def _rows(console: Console, answer: Answer, max_rows: int) -> int:
    shown = answer.rows[:max_rows]
    headings = list(answer.columns)
    if answer.sql and any(len(name) > _LONG_NAME for name in headings):  # an expression: in words
        from txt2sql.sql.explain import labels  # imports sqlglot

        words = labels(answer.sql, headings, Schema("", ()))
        pairs = zip(headings, words, strict=True)
        headings = [word if len(name) > _LONG_NAME else name for name, word in pairs]
    names = [Text(shorten(name)) for name in headings]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    left, columns = console.width - 4, []
    for index, name in enumerate(names):
        values = [row[index] for row in shown]
        columns.append([_cell(value) for value in values])
        left -= max(text.cell_len for text in (name, *columns[-1])) + 3
        if left < 0 and index:
            break
        numeric = bool(values) and all(v is None or isinstance(v, (int, float)) for v in values)
        table.add_column(name, justify="right" if numeric else "left", no_wrap=True)
    for row in zip(*columns[: len(table.columns)], strict=True):
        table.add_row(*row)
    console.print(Padding(table, (0, 0, 0, 2), expand=False))
    if more := len(answer.rows) - len(shown):
        beyond = " or more" if answer.truncated else ""
        console.print(Text(f"  … {more:,} more row{'s' * (more != 1)}{beyond}", style="dim"))
    elif answer.truncated:
        console.print(Text("  … more rows", style="dim"))
    return len(names) - len(table.columns)


def _cell(value: Cell) -> Text:
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, bytes):
        return Text(f"<{len(value):,} bytes>", style="dim")
    exact = not isinstance(value, float) or value.is_integer()
    return Text(shorten(str(value) if exact else f"{value:.15g}"))  # 0.1 + 0.2 is 0.3


def _facts(answer: Answer, hidden: int) -> str:
    count = len(answer.rows)
    facts = [f"{count:,}{'+' * answer.truncated} row{'s' * (count != 1)}"]
    if hidden:
        facts.append(f"{hidden} more column{'s' * (hidden != 1)} did not fit")
    facts.append(f"{answer.seconds:.2f} s")
    if answer.confidence is not None:
        word = "unsure, " if answer.certainty in ("unsure", "unknown") else ""
        share = "under 1%" if answer.confidence < 0.005 else f"{answer.confidence:.0%}"
        facts.append(f"{word}confidence {share}")
    return " · ".join(facts)


def answer_json(answer: Answer, max_rows: int | None) -> str:
    """One line of JSON; bytes as SQL blob literals, infinities and NaN as strings."""
    from txt2sql.serving.service import cell

    rows = answer.rows[:max_rows]
    facts = {name: getattr(answer, name) for name in _JSON_KEYS} | {
        "previous": answer.previous.question if answer.previous else None,
        "rows": [[cell(value) for value in row] for row in rows],
        "truncated": answer.truncated or len(rows) < len(answer.rows),
        "seconds": round(answer.seconds, 4),
        "confidence": None if answer.confidence is None else round(answer.confidence, 4),
        "unknown": answer.unknown or None,
        "readings": [{"sql": r.sql, "explanation": r.explanation} for r in answer.readings],
    }
    return json.dumps(facts, allow_nan=False)


def explanation(answer: Answer, to_stderr: bool = False) -> None:
    console = terminal(to_stderr)
    if answer.prompt is not None:
        _section(console, "prompt", answer.prompt.text)
    matches = [
        f"{match.condition or f'{match.table}.{match.column} = {match.value!r}'}"
        f"  <- {match.span!r}  {match.score:.2f}"
        for match in answer.matches
    ]
    _section(console, "matched values", "\n".join(matches) or "none")
    if answer.dropped:
        _section(console, "left out of the prompt", ", ".join(answer.dropped))
    _section(console, "completion", answer.completion or "none")
    _section(console, "candidates", "\n".join(answer.candidates) or "none")


def _section(console: Console, title: str, body: str) -> None:
    console.print(Text(title, style="bold cyan"))
    console.print(Text(indent(printable(body, keep="\n\t"), "  ")), soft_wrap=True)
    console.print()


def greeting(schema: Schema, model: str) -> None:
    names = _listed(printable(table.name) for table in schema.tables)
    console = terminal()
    console.print(Text.assemble((schema.db_id, "bold"), f": {names}"))
    console.print(Text(f"model {model}; ask a question, .help for help, Ctrl-D to leave", "dim"))


def schema(schema: Schema, name: str = "") -> None:
    """Print the tables of a database with their columns, or one table with types."""
    console = terminal()
    if name:
        table = schema.table(name)
        if table is None:
            console.print(Text(f"there is no table {printable(name)}; .schema lists them"))
            return
        for column in table.columns:
            key = "  primary key" if column.primary_key else ""
            text = f"  {printable(column.name)}  {column.declared_type.lower()}"
            meaning = f"  {printable(column.comment)}" if column.comment else ""
            console.print(Text.assemble(text, (key + meaning, "dim")))
        return
    for table in schema.tables:
        columns = ", ".join(printable(column.name) for column in table.columns)
        console.print(Text.assemble(("  " + printable(table.name), "bold"), f"  {columns}"))


def shorten(text: str) -> str:
    """The text on one line, at most 40 characters."""
    line = printable(text)
    return line if len(line) <= _CELL_CHARS else line[: _CELL_CHARS - 1] + "…"


def printable(text: str, keep: str = "") -> str:
    """Control characters as escapes: a cell with ESC or a newline cannot move the cursor."""
    if text.isprintable():
        return text
    blanks = dict.fromkeys("\xa0\u2009\u202f\u3000", " ")
    return "".join(
        c if c.isprintable() or c in keep else blanks.get(c) or c.encode("unicode_escape").decode()
        for c in text
    )
