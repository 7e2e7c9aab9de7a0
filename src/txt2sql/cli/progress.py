"""Progress of long work on standard error: a bar on a terminal, else a plain line now and then."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count

PLAIN_EVERY_S = 5.0
BAR_EVERY_S = 0.1

Show = Callable[..., None]  # show(stage, done, total or None, note="")


@contextmanager
def steps(label: str, total: int) -> Iterator[Callable[[str], None]]:
    with stages(label) as show:
        done = count(1)
        yield lambda note: show("", next(done), total, note)


@contextmanager
def stages(label: str, in_bytes: bool = False) -> Iterator[Show]:
    """Yield a function to call with a stage, how much of it is done, and of how much, if known."""
    if sys.stderr.isatty():
        with _bars(label, in_bytes) as show:
            yield show
    else:
        yield _lines(label, in_bytes)


@contextmanager
def _bars(label: str, in_bytes: bool) -> Iterator[Show]:
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(bar_width=24),
        rich.DownloadColumn(binary_units=False) if in_bytes else rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(elapsed_when_finished=True),
        rich.TextColumn("[dim]{task.fields[note]}"),
    )
    # A bar that redraws itself has a thread for it, and a process with threads cannot be forked to
    # judge (execution/pool.py): this one is drawn by the steps.
    console = Console(file=sys.stderr)
    with rich.Progress(*columns, console=console, auto_refresh=False) as progress:
        tasks: dict[str, rich.TaskID] = {}
        drawn = 0.0

        def show(stage: str, done: int, total: int | None, note: str = "") -> None:
            nonlocal drawn
            if stage not in tasks:
                name = f"{label} {stage}".strip()
                tasks[stage] = progress.add_task(name, total=total, note="")
            progress.update(tasks[stage], completed=done, total=total, note=note)
            if time.monotonic() - drawn > BAR_EVERY_S:
                progress.refresh()
                drawn = time.monotonic()

        yield show
        progress.refresh()


def _lines(label: str, in_bytes: bool) -> Show:
    start = time.monotonic()
    last: dict[str, float] = {}  # stage -> when its last line was printed

    def show(stage: str, done: int, total: int | None, note: str = "") -> None:
        now = time.monotonic()
        if done != total and now - last.setdefault(stage, now if total else 0.0) < PLAIN_EVERY_S:
            return
        last[stage] = now
        counts = [each for each in (done, total) if each is not None]
        amount = "/".join(f"{n / 1e6:,.1f} MB" if in_bytes else f"{n:,}" for n in counts)
        name = f"{label} {stage}".strip()
        clock = re.sub(r"^0:0?", "", str(timedelta(seconds=round(now - start))))
        when = f"  {clock} in all" if total is not None and done >= total else ""
        print(f"{name}: {amount}  {note}{when}".rstrip(), file=sys.stderr, flush=True)

    return show
