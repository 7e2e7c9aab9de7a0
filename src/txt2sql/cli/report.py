"""A report in the terminal: every mean with its interval and n, then what qualifies it.

predicted.txt on spider dev (mode: official)

execution accuracy  81.8%  (95% interval 79.4% to 84.0%, n = 1,034)
  easy              92.7%  (95% interval 88.8% to 95.4%, n = 248)
outcomes            846 correct, 103 wrong values, 2 unknown column
run                 results/evaluate-predicted.txt-spider-dev-1f0c2a9b
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from txt2sql.evaluation.pages import remarks, shown, words

if TYPE_CHECKING:
    from txt2sql.evaluation.report import Report


def print_report(report: Report, title: str, folder: Path) -> None:
    """Print the report of the run in `folder` on standard output."""
    lines = [*_lines(report), ("run", str(folder))]
    print_facts(f"{title} (mode: {report.mode})", lines)


def _lines(report: Report) -> Iterator[tuple[str, str]]:
    for name, value in report.metrics.items():
        yield words(name), shown(value)
        for difficulty, values in report.by_difficulty.items():
            if name in values:
                yield f"  {difficulty}", shown(values[name])
    if components := report.components.get("all"):
        yield "component F1", ", ".join(f"{name} {c.f1:.1%}" for name, c in components.items())
    yield "outcomes", ", ".join(f"{n:,} {words(name)}" for name, n in report.categories.items())
    yield from remarks(report).items()


def print_facts(title: str, lines: Sequence[tuple[str, str]]) -> None:
    """A title, then names with what they are; names dim and long lines wrapped on a terminal."""
    if not sys.stdout.isatty():  # plain text needs no rich, which takes longer than a whole report
        width = max(len(name) for name, _ in lines)
        print(title, "", *(f"{name:{width}}  {text}" for name, text in lines), sep="\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, text in lines:
        table.add_row(Text(name, style="dim", no_wrap=True), Text(text))
    console = Console(highlight=False)
    console.print(Text(title, style="bold"), "", table, sep="\n")
