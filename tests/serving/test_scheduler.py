"""The scheduler: every accepted request has exactly one end, whatever happens to the model."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from stand_ins import Mortal, Slow

from txt2sql import sample
from txt2sql.errors import ModelError
from txt2sql.serving.scheduler import ENDS, Event, Load, Metrics, Refused, Scheduler, Ticket
from txt2sql.serving.worker import Ask, ModelSettings


def with_scheduler(
    work: Callable[[Scheduler], Awaitable[None]], model: Any, **load: Any
) -> list[int]:
    """Run `work` with a scheduler whose model answers; the sizes of its batches."""
    sizes: list[int] = []

    async def run() -> None:
        settings = ModelSettings(str(sample.path()), model, search=0)
        scheduler = Scheduler(settings, Load(**load), Metrics())
        scheduler.metrics.batch.observe = sizes.append
        try:
            await scheduler.start()
            await work(scheduler)
        finally:
            await scheduler.close()

    asyncio.run(run())
    return sizes


async def ended(*tickets: Ticket) -> list[Event]:
    """The end of each request; it must be the only one."""
    ends = []
    for ticket in tickets:
        events = [event async for event in ticket.events()]
        assert [event.kind in ENDS for event in events].count(True) == 1
        assert ticket.over
        ends.append(events[-1])
    return ends


def ask(number: int, question: str = "How many?") -> Ask:
    return Ask(f"request-{number}", question)


def kinds(ends: list[Event]) -> list[str]:
    return [end.kind for end in ends]


def test_a_full_queue_refuses_says_when_to_come_and_loses_nothing() -> None:
    async def work(scheduler: Scheduler) -> None:
        first = scheduler.submit(ask(0))
        while scheduler.waiting:
            await asyncio.sleep(0.01)
        waiting = [scheduler.submit(ask(i)) for i in range(1, 7)]
        with pytest.raises(Refused, match="under way"):
            scheduler.submit(ask(3))
        with pytest.raises(Refused, match="ask again in") as full:
            scheduler.submit(ask(7))
        assert 1 <= int(full.value.headers["Retry-After"]) <= 60
        stopped = [scheduler.stop(f"request-{id}") for id in ("2", "2", "of nobody")]
        assert stopped == [True, False, False]
        ends = await ended(first, *waiting)
        assert kinds(ends) == ["answer", "answer", "stopped", *["answer"] * 4]
        rows = [end.value.rows[0][0] for end in ends if end.kind == "answer"]
        assert rows == [1, 4, 4, 4, 4, 1]
        assert (scheduler.open, scheduler.waiting) == ({}, 0)
        assert kinds(await ended(scheduler.submit(ask(3)))) == ["answer"]

    assert with_scheduler(work, Slow(0.3), queue=6, batch=4) == [1, 4, 1, 1]


def test_killing_the_process_in_the_middle_loses_no_accepted_request() -> None:
    async def work(scheduler: Scheduler) -> None:
        tickets = [scheduler.submit(ask(i)) for i in range(10)]
        await asyncio.sleep(0.3)
        assert scheduler._process is not None
        os.kill(scheduler._process.pid, signal.SIGKILL)
        assert kinds(await ended(*tickets)) == ["answer"] * 10
        assert scheduler.restarts == 1

    with_scheduler(work, Slow(0.6), batch=4)


def test_a_question_that_the_process_dies_of_takes_no_other_with_it(tmp_path: Path) -> None:
    async def work(scheduler: Scheduler) -> None:
        first = scheduler.submit(ask(0))
        questions = ["How many?", "Please perish once", "Please perish now", "How many?"]
        tickets = [scheduler.submit(ask(i, q)) for i, q in enumerate(questions, 1)]
        ends = await ended(first, *tickets)
        assert kinds(ends) == ["answer", "answer", "answer", "failed", "answer"]
        assert "ended twice" in ends[3].value
        assert not scheduler.broken
        assert kinds(await ended(scheduler.submit(ask(9)))) == ["answer"]

    with_scheduler(work, Mortal(0.1, str(tmp_path / "marker")), batch=8)


def test_a_deadline_is_kept_and_an_end_is_orderly() -> None:
    async def work(scheduler: Scheduler) -> None:
        start = time.monotonic()
        ends = await ended(scheduler.submit(ask(0)), scheduler.submit(ask(1)))
        assert kinds(ends) == ["failed", "failed"]
        assert "within 0.4 s" in ends[0].value
        assert time.monotonic() - start < 0.9
        late = scheduler.submit(ask(2))
        scheduler.closing = True
        with pytest.raises(Refused, match="shutting down"):
            scheduler.submit(ask(3))
        await asyncio.sleep(0.1)
        assert not late.over
        await scheduler.close()
        [end] = await ended(late)
        assert "shutting down" in end.value

    with_scheduler(work, Slow(1.0), deadline_s=0.4)


def test_a_database_that_cannot_be_opened_beside_others_is_told(tmp_path: Path) -> None:
    async def start() -> None:
        none = str(tmp_path / "none.sqlite")
        settings = ModelSettings(str(sample.path()), Slow(0.0), search=0, others=(none,))
        scheduler = Scheduler(settings, Load(), Metrics())
        try:
            await asyncio.wait_for(scheduler.start(), 30)
        finally:
            await scheduler.close()

    with pytest.raises(ModelError, match="no file"):
        asyncio.run(start())
