"""Progress of long work on standard error: a bar on a terminal, else a plain line now and then.

>>> with steps("dev", total=1034) as advance:  # doctest: +SKIP
...     for item in work:
...         advance("EX 61.2%")
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PLAIN_EVERY_S = 5.0
BAR_EVERY_S = 0.1


@contextmanager
def steps(label: str, total: int) -> Iterator[Callable[[str], None]]:
    """Yield a function to call after each step with a note."""
    shown = _bar(label, total) if sys.stderr.isatty() else _lines(label, total)
    with shown as advance:
        yield advance


@contextmanager
def _bar(label: str, total: int) -> Iterator[Callable[[str], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("[dim]{task.fields[note]}"),
    )
    # A bar that redraws itself has a thread for it, and a process with threads cannot be forked to
    # judge (execution/pool.py): this one is drawn by the steps.
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        task = progress.add_task(label, total=total, note="")
        drawn = 0.0

        def advance(note: str) -> None:
            nonlocal drawn
            progress.update(task, advance=1, note=note)
            if time.monotonic() - drawn > BAR_EVERY_S:
                progress.refresh()
                drawn = time.monotonic()

        yield advance
        progress.refresh()


@contextmanager
def _lines(label: str, total: int) -> Iterator[Callable[[str], None]]:
    start = last = time.monotonic()
    made = made_before = 0

    def advance(note: str) -> None:
        nonlocal made, last, made_before
        made += 1
        now = time.monotonic()
        if made < total and now - last < PLAIN_EVERY_S:
            return
        # By the speed since the last line: the first steps of a resumed run take no time.
        left = (now - last) / (made - made_before) * (total - made)
        # The first step of a batch waits for the whole batch, so alone it tells nothing.
        when = f"  {_duration(left)} left" if made > 1 else ""
        if made == total:
            when = f"  {_duration(now - start)} in all"
        print(f"{label}: {made:,}/{total:,}  {note}{when}", file=sys.stderr, flush=True)
        last, made_before = now, made

    yield advance


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
