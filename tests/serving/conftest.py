"""A running service: the real server on loopback, its model in a process of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from queue import Queue
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.execution.pool import Limits

pytest.importorskip("fastapi", reason="the service needs the extra serve")

import httpx

from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.backend import Backend
from txt2sql.serving.server import Access, Server
from txt2sql.serving.web import create_app
from txt2sql.serving.worker import ModelSettings

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"
SCRIPT = {
    "Previous question: Shops per city": "SELECT count(*) FROM shops",
    "Shops per city": "SELECT city, count(*) FROM shops GROUP BY city",
    "How many shops": "SELECT count(*) FROM shops",
    "cities": "SELECT city, count(*) FROM shops GROUP BY city",
    "drop": "DROP TABLE shops",
    "nonsense": "I do not know.",
    "broken": "SELECT town FROM shops",
    "": "SELECT name FROM shops",
}
"""A word of the question -> what the model writes."""


@dataclass
class Served:
    """A service that runs in a thread of this process, and a client of it."""

    url: str
    backend: Backend
    client: httpx.Client

    def ask(self, question: str, **more: Any) -> httpx.Response:
        return self.client.post("/api/ask", json={"question": question, **more})

    def sql(self, sql: str, **more: Any) -> httpx.Response:
        return self.client.post("/api/sql", json={"sql": sql, **more})


Serve = Callable[..., Served]


def start(stack: ExitStack, **options: Any) -> Served:
    """Start a service; it ends with the stack."""
    settings = ModelSettings(
        str(options.pop("database", sample.path())),
        options.pop("model", None) or ScriptedGenerator(SCRIPT),
        limits=options.pop("limits", Limits(timeout_s=2.0)),
        search=0,
        describe=options.pop("describe", None),
        others=tuple(map(str, options.pop("others", ()))),
    )
    history, access = options.pop("history", True), Access(port=0, **options)
    made: Queue[Any] = Queue()

    async def main() -> None:
        backend = Backend(settings, history=history)
        app = create_app(backend, token=access.token, hosts=access.hosts)
        server, loop = Server(backend, access, app), asyncio.get_running_loop()
        await server.run_on(lambda url: made.put((url, backend, server, loop)))

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    url, backend, server, loop = made.get(timeout=60)

    def end() -> None:
        loop.call_soon_threadsafe(server.stop)
        thread.join(30)
        assert not thread.is_alive()

    stack.callback(end)
    client = stack.enter_context(httpx.Client(base_url=url, timeout=60))
    return Served(url, backend, client)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start services with options of their own."""
    with ExitStack() as stack:
        yield lambda **options: start(stack, **options)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One service on the sample database for a whole module; its threads end with it."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TXT2SQL_CACHE", str(tmp_path_factory.mktemp("cache")))
            served = start(stack)
        yield served
