"""The one table writer: the same rows for a terminal, as Markdown and as CSV.

Text forms show values as people read them (a mean with its interval, 1,034, $0.02); CSV holds the
numbers themselves. An `Estimate` is three columns of a CSV file: mean, low and high.

>>> table = Table((Column("model"), Column("EX")), [("bundled", Estimate(0.75, 4, 0.3006, 0.9544))])
>>> print(as_markdown(table))
| model | EX |
| --- | ---: |
| bundled | 75.0% (30.1 to 95.4) |
>>> print(as_csv(table), end="")
model,EX,EX_low,EX_high
bundled,0.75,0.3006,0.9544
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from txt2sql.evaluation.statistics import Estimate

_PIPE_WIDTH = 200
"""Characters of a line where there is no terminal to fit."""


def show(value: Any) -> str:
    """A cell as text."""
    if value is None:
        return ""
    if isinstance(value, Estimate):
        return f"{value.mean:.1%} ({value.low * 100:.1f} to {value.high * 100:.1f})"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


class Column(NamedTuple):
    """A column: its name, and how its numbers are shown."""

    name: str
    show: Callable[[Any], str] = show


class Table(NamedTuple):
    """Columns, and rows with a value for each; a text in place of a number says why there is none."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]

    def texts(self) -> list[list[str]]:
        """The rows as they are shown, each cell on one line."""
        return [
            [
                " ".join(
                    (show if cell is None or isinstance(cell, str) else column.show)(cell).split()
                )
                for column, cell in zip(self.columns, row, strict=True)
            ]
            for row in self.rows
        ]

    def numeric(self) -> list[bool]:
        """Which columns hold numbers."""
        return [
            any(isinstance(row[i], (int, float, Estimate)) for row in self.rows)
            for i in range(len(self.columns))
        ]


def as_markdown(table: Table) -> str:
    """The table for a page; "" without rows."""
    if not table.rows:
        return ""
    rule = ["---:" if numeric else "---" for numeric in table.numeric()]
    lines = [[column.name for column in table.columns], rule, *table.texts()]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def as_csv(table: Table) -> str:
    """The table for a program."""
    import csv
    from io import StringIO

    places = range(len(table.columns))
    wide = [any(isinstance(row[i], Estimate) for row in table.rows) for i in places]
    page = StringIO()
    write = csv.writer(page, lineterminator="\n").writerow
    write(
        f"{table.columns[i].name}{end}"
        for i in places
        for end in (("", "_low", "_high") if wide[i] else ("",))
    )
    for row in table.rows:
        cells: list[Any] = []
        for cell, is_wide in zip(row, wide, strict=True):
            if isinstance(cell, Estimate):
                cells += (cell.mean, cell.low, cell.high)
            elif is_wide:
                cells += ("", "", "")
            else:  # a bare carriage return is a new row to some readers
                cells.append(cell.replace("\r", " ") if isinstance(cell, str) else cell)
        write(cells)
    return page.getvalue()


def print_table(table: Table, title: str = "") -> None:
    """Print the table on standard output, as wide as the terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column, numeric in zip(table.columns, table.numeric(), strict=True):
        drawn.add_column(Text(column.name), justify="right" if numeric else "left")
    for row in table.texts():
        drawn.add_row(*map(Text, row))
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
    if title:
        console.print(Text(title, style="bold"))
    console.print(drawn)
