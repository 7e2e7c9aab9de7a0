"""Where the model may live: how late a server's event loop is while batches are computed.

A task wants to wake every 10 ms. `peer`: the model computes in a thread of the same process, as a
server in one process would do it. `ours`: it computes in another process, as `txt2sql serve` does.
Both compute the same batches of 16 questions, in turns; the figure is the 95th percentile of how many
milliseconds late the task woke, and for thread also the batches per second that were computed beside it.

    python benchmarks/event_loop.py [--seconds 20] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import threading
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import torch

from txt2sql import sample
from txt2sql.serving.service import Service
from txt2sql.types import Example

TICK_S = 0.01


def batch() -> Callable[[], None]:
    """A function that answers 16 questions of the sample at once."""
    service = Service(sample.path(), "bundled")
    examples = json.loads((sample.folder() / "dev.json").read_text(encoding="utf-8"))[:16]
    asked = [Example(str(i), "bookshops", each["question"]) for i, each in enumerate(examples)]
    return lambda: list(service.direct.predict(asked)) and None


def compute(running: Any, ready: Any, done: Synchronized[int]) -> None:
    """Batch after batch while it is wanted; also what the other process runs."""
    answer = batch()
    answer()
    ready.set()
    while True:
        running.wait()
        answer()
        with done.get_lock():
            done.value += 1


async def lateness(seconds: float) -> list[float]:
    """Milliseconds late, at each tick."""
    found, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        await asyncio.sleep(TICK_S)
        found.append(1000 * (time.perf_counter() - start - TICK_S))
    return found


def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--quick", action="store_true", help="6 seconds")
    options = parser.parse_args()
    seconds = 6.0 if options.quick else options.seconds
    context = multiprocessing.get_context("spawn")
    kinds: dict[str, tuple[Any, Any, Any, list[float]]] = {}
    for name, maker, events in (
        ("thread", threading.Thread, threading),
        ("process", context.Process, context),
    ):
        running, ready = events.Event(), events.Event()
        done = context.Value("i", 0)
        maker(target=compute, args=(running, ready, done), daemon=True).start()
        ready.wait()
        kinds[name] = (running, ready, done, [])
    for _ in range(2):
        for running, _ready, _done, late in kinds.values():
            running.set()
            late += asyncio.run(lateness(seconds / 4))
            running.clear()
            time.sleep(1.0)  # the batch that is under way
    found = {
        name: {
            "median_ms": round(sorted(late)[len(late) // 2], 1),
            "p95_ms": round(sorted(late)[int(0.95 * len(late))], 1),
            "worst_ms": round(max(late), 1),
            "batches": done.value,
            "n": len(late),
        }
        for name, (_, _, done, late) in kinds.items()
    }
    for name, values in found.items():
        print(name, values)
    ours, peer = found["process"]["p95_ms"], found["thread"]["p95_ms"]
    report = {
        "name": "event_loop",
        "ours": ours,
        "peer": peer,
        "ratio": round(peer / ours, 2) if ours else None,
        "n": found["process"]["n"],
        "unit": "milliseconds late, 95th percentile",
        "details": found,
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
