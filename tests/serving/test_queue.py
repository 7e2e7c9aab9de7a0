"""Fair turns of clients, what is refused, and a model that hangs."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra serve")

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from stand_ins import Hanging

from txt2sql import sample
from txt2sql.serving import backend as backend_module
from txt2sql.serving.backend import Backend
from txt2sql.serving.scheduler import FairQueue, Load, Metrics, Refused, Scheduler
from txt2sql.serving.worker import Ask, ModelSettings
from txt2sql.types import QueryResult

SETTINGS = ModelSettings(str(sample.path()), search=0)


def queue_of(items: str, most: int = 64) -> FairQueue[str]:
    """'aab' -> a queue of a0, a1 and b2."""
    queue = FairQueue[str](most)
    for i, client in enumerate(items):
        queue.add(client, f"{client}{i}")
    return queue


@given(st.text("aaabbcd", max_size=12), st.integers(0, 4), st.sampled_from("abcde"))
def test_a_place_in_the_queue_is_where_it_says(items: str, taken: int, client: str) -> None:
    queue = queue_of(items)
    for _ in range(min(len(queue), taken)):
        queue.remove(queue.order()[0])
    before = queue.before(client)
    queue.add(client, "mine")
    order = queue.order()
    assert order.index("mine") == before
    own = [i for i, item in enumerate(order) if item[0] == client or item == "mine"]
    for start, end in pairwise(own):  # of each other client one at most between two turns
        between = [item[0] for item in order[start + 1 : end]]
        assert len(set(between)) == len(between)


def test_who_fills_the_queue_keeps_nobody_else_out() -> None:
    queue = queue_of("aaab", most=4)
    assert [queue.full(client) for client in "abc"] == [True, True, False]
    for client in "cdef":
        queue.add(client, client)
    assert queue.full("g")


def test_a_refused_statement_or_question_is_told_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released, begun = threading.Semaphore(0), []

    def execute(database: Any, sql: str, limits: Any) -> QueryResult:
        begun.append(sql)
        released.acquire()
        return QueryResult(rows=((1,),))

    async def work(backend: Backend) -> None:
        tasks = [asyncio.create_task(backend.first.sql(f"a{i}")) for i in range(9)]
        while len(begun) < 8:
            await asyncio.sleep(0.001)
        with pytest.raises(Refused, match="too many statements are waiting; ask again in 5 s"):
            await backend.first.sql("b")
        released.release(100)
        assert all(answer["rows"] == ((1,),) for answer in await asyncio.gather(*tasks))
        await backend.first.sql("b")  # the first ones have ended
        backend.first.ask("How many?", id="x")
        with pytest.raises(Refused, match="under way"):
            backend.first.ask("SELECT 1", id="x")
        with pytest.raises(Refused, match="too many questions"):
            backend.first.ask("How many?")
        text = generate_latest(backend.metrics.registry).decode()
        assert 'txt2sql_refused_total{kind="statement"} 1.0' in text
        assert 'txt2sql_refused_total{kind="question"} 1.0' in text

    async def run() -> None:
        backend = Backend(SETTINGS, Load(queue=1), history=False)
        try:
            await work(backend)
        finally:
            released.release(100)
            await backend.close()

    monkeypatch.setattr(backend_module, "execute", execute)
    asyncio.run(run())


def test_what_a_hung_model_had_is_asked_again(tmp_path: Path) -> None:
    async def work() -> None:
        marker = tmp_path / "marker"
        settings = ModelSettings(SETTINGS.database, Hanging(str(marker)), search=0)
        scheduler = Scheduler(settings, Load(), Metrics())
        await scheduler.start()
        kill = scheduler.restart

        def restart() -> None:
            marker.touch()
            kill()

        scheduler.restart = restart  # type: ignore[method-assign]
        tickets = []
        for hung_s, question in ((0.1, "Please hang"), (60.0, "How many?")):
            scheduler._hung_s = hung_s
            tickets.append(scheduler.submit(Ask(question, question)))
        try:
            ends = [event for ticket in tickets async for event in ticket.events()]
        finally:
            await scheduler.close()
        assert [value.rows for kind, value in ends if kind == "answer"] == [((1,),)] * 2
        assert scheduler.restarts == 1

    asyncio.run(work())
