"""The one table writer: the same rows for a terminal, as Markdown and as CSV.

An `Estimate` is one cell of a text ("75.0% (30.1 to 95.4)") and three columns of a CSV file: mean, low
and high.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from txt2sql.evaluation.statistics import Estimate

_PIPE_WIDTH = 200  # characters of a line where there is no terminal to fit


def show(value: Any) -> str:
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
        lines = []
        for row in self.rows:
            shown = (
                show(cell) if cell is None or isinstance(cell, str) else column.show(cell)
                for column, cell in zip(self.columns, row, strict=True)
            )
            lines.append([" ".join(text.split()) for text in shown])
        return lines

    def numeric(self) -> list[bool]:
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
    import csv
    from io import StringIO

    wide = [
        any(isinstance(row[i], Estimate) for row in table.rows) for i in range(len(table.columns))
    ]
    page = StringIO()
    write = csv.writer(page, lineterminator="\n").writerow
    ends = [("", "_low", "_high") if is_wide else ("",) for is_wide in wide]
    write(f"{column.name}{end}" for column, of in zip(table.columns, ends) for end in of)
    for row in table.rows:
        cells: list[Any] = []
        for cell, is_wide in zip(row, wide, strict=True):
            if is_wide:
                known = isinstance(cell, Estimate)
                cells += (cell.mean, cell.low, cell.high) if known else ("", "", "")
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
