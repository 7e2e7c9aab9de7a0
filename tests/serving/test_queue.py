"""Fair turns of clients, for questions and for statements, and a model that hangs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
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
from txt2sql.serving.backend import Backend, Places
from txt2sql.serving.scheduler import CLIENT, FairQueue, Load, Metrics, Refused, Scheduler
from txt2sql.serving.worker import Ask, ModelSettings
from txt2sql.types import QueryResult

SETTINGS = ModelSettings(str(sample.path()), search=0)


def queue_of(items: str, most: int = 64) -> FairQueue[str]:
    """'aab' -> a queue of a0, a1 and b2."""
    queue = FairQueue[str](most)
    for i, client in enumerate(items):
        queue.add(client, f"{client}{i}")
    return queue


def emptied(queue: FairQueue[str]) -> list[str]:
    return [queue.take() for _ in range(len(queue))]


def test_clients_take_turns_and_each_keeps_its_order() -> None:
    queue = queue_of("aaabbc")
    queue.put_back("lost")
    for item in ("a1", "c5", "nothing of it"):
        queue.remove(item)
    assert queue.head == "lost"
    assert emptied(queue) == ["lost", "a0", "b3", "a2", "b4"]


@given(st.text("aaabbcd", max_size=12), st.integers(0, 4), st.sampled_from("abcde"))
def test_a_place_in_the_queue_is_where_it_says(items: str, taken: int, client: str) -> None:
    queue = queue_of(items)
    for _ in range(min(len(queue), taken)):
        queue.take()
    before = queue.before(client)
    queue.add(client, "mine")
    order = emptied(queue)
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


def test_a_place_that_its_owner_left_goes_to_the_next() -> None:
    async def work() -> list[str]:
        places, entered = Places(1, 64, 1, lambda: None), []

        async def enter(client: str) -> None:
            await places.enter(client)
            entered.append(client)

        tasks = [asyncio.create_task(enter(client)) for client in "aabc"]
        while entered != ["a"]:
            await asyncio.sleep(0)
        tasks[1].cancel()  # while it waits
        await asyncio.wait({tasks[1]})
        places.leave()
        tasks[2].cancel()  # between its turn and its waking
        await asyncio.wait({tasks[2], tasks[3]})
        places.leave()
        await enter("d")
        return entered

    assert asyncio.run(work()) == ["a", "c", "d"]


class Held:
    """A back end whose statements run until somebody releases them; `begun` are their names."""

    def __init__(self, **load: Any) -> None:
        self.backend = Backend(SETTINGS, Load(**load), history=False)
        self.begun: list[str] = []
        self._done = threading.Semaphore(0)
        self.release = self._done.release

    def execute(self, database: Any, sql: str, limits: Any) -> QueryResult:
        self.begun.append(sql)
        self._done.acquire()
        return QueryResult(rows=((1,),))

    def ask(self, client: str, *names: str) -> list[asyncio.Task[Any]]:
        async def ask(name: str) -> Any:
            CLIENT.set(client)
            return await self.backend.first.sql(name)

        return [asyncio.create_task(ask(name)) for name in names]

    async def until(self, count: int) -> None:
        while len(self.begun) < count:
            await asyncio.sleep(0.001)


def with_statements(work: Callable[[Held], Awaitable[None]], **load: Any) -> None:
    async def run() -> None:
        held = Held(**load)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(backend_module, "execute", held.execute)
            try:
                await work(held)
            finally:
                held.release(100)
                await held.backend.close()

    asyncio.run(run())


def test_a_client_of_many_statements_lets_others_in_between() -> None:
    async def work(held: Held) -> None:
        tasks = held.ask("a", *(f"a{i}" for i in range(12)))
        await held.until(8)
        tasks += held.ask("b", "b0") + held.ask("c", "c0")
        await asyncio.sleep(0)
        for count in range(9, 15):
            held.release()
            await held.until(count)
        assert held.begun[8:] == ["a8", "b0", "c0", "a9", "a10", "a11"]
        held.release(100)
        assert all(answer["rows"] == ((1,),) for answer in await asyncio.gather(*tasks))

    with_statements(work)


def test_a_refused_statement_or_question_is_told_and_counted() -> None:
    async def work(held: Held) -> None:
        tasks = held.ask("a", *(f"a{i}" for i in range(8)))
        await held.until(8)
        held.backend._places._seconds = 0.0
        with pytest.raises(Refused, match="too many statements are waiting; ask again in 5 s"):
            await held.ask("b", "b0")[0]
        held.release(8)
        await asyncio.gather(*tasks)
        held.release()
        await held.ask("b", "b0")[0]  # under the places that came free
        held.backend.first.ask("How many?", id="x")
        with pytest.raises(Refused, match="under way"):
            held.backend.first.ask("SELECT 1", id="x")
        with pytest.raises(Refused, match="too many questions"):
            held.backend.first.ask("How many?")
        text = generate_latest(held.backend.metrics.registry).decode()
        assert 'txt2sql_refused_total{kind="statement"} 1.0' in text
        assert 'txt2sql_refused_total{kind="question"} 1.0' in text

    with_statements(work, queue=1)


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
