"""Fair turns of clients, for questions and for statements, and a model that hangs."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra serve")

import httpx
from stand_ins import Hanging

from txt2sql import sample
from txt2sql.serving.backend import Backend
from txt2sql.serving.gate import Gate
from txt2sql.serving.queue import CLIENT, FairQueue, Full, Load, Places, Ticket
from txt2sql.serving.scheduler import Scheduler
from txt2sql.serving.worker import Ask, ModelSettings
from txt2sql.types import QueryResult

SETTINGS = ModelSettings(str(sample.path()), search=0)


def queue_of(items: str, most: int = 64) -> FairQueue[str]:
    """'aab' -> a queue of a0, a1 and b2."""
    queue = FairQueue[str](most)
    for i, client in enumerate(items):
        queue.add(client, f"{client}{i}")
    return queue


def emptied(queue: FairQueue[Any]) -> list[Any]:
    taken = []
    while queue:
        taken.append(queue.head)
        assert queue.take() is taken[-1]
    return taken


def test_clients_take_turns_and_each_keeps_its_order() -> None:
    queue = queue_of("aaabbc")
    queue.put_back("lost")
    queue.remove("a1")
    queue.remove("c5")
    queue.remove("nothing of it")
    assert emptied(queue) == ["lost", "a0", "b3", "a2", "b4"]


def test_a_place_in_the_queue_is_where_it_says() -> None:
    for seed in range(200):
        chance = random.Random(seed)
        queue = queue_of("".join(chance.choices("aaabbcd", k=chance.randrange(12))))
        for _ in range(min(len(queue), chance.randrange(4))):
            queue.take()
        client = chance.choice("abcde")
        before = queue.before(client)
        queue.add(client, "mine")
        assert emptied(queue).index("mine") == before


def test_who_fills_the_queue_keeps_nobody_else_out() -> None:
    queue = queue_of("aaab", most=4)
    assert [queue.full(client) for client in "abc"] == [True, True, False]
    for client in "cdef":
        queue.add(client, client)
    assert queue.full("g")


def test_a_place_that_its_owner_left_goes_to_the_next() -> None:
    async def work() -> list[str]:
        places, entered = Places(1, 64, 60.0, 1), []

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


def with_statements(
    work: Callable[[Backend, list[str], Any], Awaitable[None]], **load: Any
) -> None:
    """Statements that run as long as nobody releases them; they are noted when they begin."""

    async def run() -> None:
        backend = Backend(SETTINGS, Load(**load), history=False)
        begun: list[str] = []
        done = threading.Semaphore(0)

        def execute(sql: str) -> tuple[str, QueryResult]:
            begun.append(sql)
            done.acquire()
            return sql, QueryResult(rows=((1,),))

        backend.statements._run = execute
        try:
            await work(backend, begun, done)
        finally:
            done.release(100)
            await backend.close()

    asyncio.run(run())


def asked(backend: Backend, client: str, name: str) -> asyncio.Task[Any]:
    async def ask() -> Any:
        CLIENT.set(client)
        return await backend.sql(name)

    return asyncio.create_task(ask())


async def until(begun: list[str], count: int) -> None:
    while len(begun) < count:
        await asyncio.sleep(0.001)


def test_a_client_of_many_statements_lets_others_in_between() -> None:
    async def work(backend: Backend, begun: list[str], done: Any) -> None:
        tasks = [asked(backend, "a", f"a{i}") for i in range(12)]
        await until(begun, 8)
        tasks += [asked(backend, "b", "b0"), asked(backend, "c", "c0")]
        await asyncio.sleep(0)
        for count in range(9, 15):
            done.release()
            await until(begun, count)
        assert begun[8:] == ["a8", "b0", "c0", "a9", "a10", "a11"]
        done.release(100)
        assert all(found["rows"] == ((1,),) for found in await asyncio.gather(*tasks))

    with_statements(work)


def test_a_refused_statement_or_question_is_told_and_counted() -> None:
    async def work(backend: Backend, begun: list[str], done: Any) -> None:
        tasks = [asked(backend, "a", f"a{i}") for i in range(8)]
        await until(begun, 8)
        with pytest.raises(Full, match="too many statements are waiting; ask again in 5 s"):
            await asked(backend, "b", "b0")
        done.release(8)
        await asyncio.gather(*tasks)
        done.release()
        await asked(backend, "b", "b0")  # under the places that came free
        backend.ask("How many?")
        with pytest.raises(Full, match="too many questions"):
            backend.ask("How many?")
        text = backend.prometheus().decode()
        assert 'txt2sql_refused_total{kind="statement"} 1.0' in text
        assert 'txt2sql_refused_total{kind="question"} 1.0' in text

    with_statements(work, queue=1, statement_wait_s=0.0)


def test_statements_that_wait_at_the_end_are_told() -> None:
    async def work(backend: Backend, begun: list[str], done: Any) -> None:
        tasks = [asked(backend, "a", f"a{i}") for i in range(10)]
        await until(begun, 8)
        closing = asyncio.create_task(backend.close())
        await asyncio.sleep(0)
        done.release(100)
        await closing
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert len(begun) == 8
        assert all("shutting down" in str(end) for end in ends[8:])

    with_statements(work)


def test_the_gate_says_who_asks() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(CLIENT.get())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run() -> None:
        gate: Any = Gate(app, token=None, hosts=("localhost",), public=())
        for address in ("10.0.0.7", "10.0.0.8"):
            transport = httpx.ASGITransport(gate, client=(address, 1))
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get("http://localhost/health")

    asyncio.run(run())
    assert seen == ["10.0.0.7", "10.0.0.8"]


async def happened(ticket: Ticket) -> list[Any]:
    return [(event.kind, event.value) async for event in ticket.events()]


def test_questions_of_clients_share_a_batch() -> None:
    async def work() -> None:
        scheduler = Scheduler(SETTINGS, Load(batch=3))
        order = ["a0", "a1", "a2", "a3", "b0", "b1"]
        tickets = {id: scheduler.submit(Ask(id, "How many?"), id[0]) for id in order}
        scheduler.ready = True
        batches = []
        while scheduler.waiting:
            scheduler._hear("free")
            batches.append(sorted(scheduler._running))
            for id in batches[-1]:
                scheduler._hear("answer", id, None)
        assert batches == [["a0", "a1", "b0"], ["a2", "a3", "b1"]]
        places = [(await happened(tickets[id]))[0] for id in order]
        assert places == [("queued", place) for place in (1, 2, 3, 4, 2, 4)]

    asyncio.run(work())


def test_only_what_is_overdue_starts_the_model_again() -> None:
    async def work() -> None:
        scheduler = Scheduler(SETTINGS, Load(hung_s=0.0))
        restarted = asyncio.Event()
        running: list[list[str]] = []

        def restart() -> None:
            running.append(list(scheduler._running))
            restarted.set()

        scheduler.restart = restart  # type: ignore[method-assign]
        scheduler.ready = True
        scheduler.submit(Ask("quick", "How many?"))
        scheduler._hear("free")
        scheduler._hear("answer", "quick", None)
        scheduler.submit(Ask("slow", "How many?"))
        await restarted.wait()
        await asyncio.sleep(0)
        assert running == [["slow"]]

    asyncio.run(work())


def test_what_a_hung_model_had_is_asked_again(tmp_path: Path) -> None:
    async def work() -> None:
        settings = ModelSettings(SETTINGS.database, Hanging(str(tmp_path / "marker")), search=0)
        scheduler = Scheduler(settings)
        await scheduler.start()
        await scheduler.available()
        kill = scheduler.restart

        def restart() -> None:
            (tmp_path / "marker").touch()
            kill()

        scheduler.restart = restart  # type: ignore[method-assign]
        scheduler._hung_s = 0.1
        tickets = [scheduler.submit(Ask("1", "Please hang"))]
        scheduler._hung_s = 60.0
        tickets.append(scheduler.submit(Ask("2", "How many?")))
        try:
            ends = [(await happened(ticket))[-1] for ticket in tickets]
        finally:
            await scheduler.close()
        assert [(kind, value.rows) for kind, value in ends] == [("answer", ((1,),))] * 2
        assert scheduler.restarts == 1

    asyncio.run(work())
