"""The back end that the web service and MCP share: databases and the model that they are asked with.

It speaks no protocol: questions and statements come in, payloads of the API come out.

>>> backend = Backend(ModelSettings("shop.sqlite"))  # doctest: +SKIP
>>> (await backend.first.sql("SELECT count(*) FROM shop"))["rows"]  # doctest: +SKIP
((12,),)
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from txt2sql import __version__
from txt2sql.execution.database import Database, open_database
from txt2sql.execution.execute import execute
from txt2sql.execution.pool import Limits
from txt2sql.execution.remote import UrlDatabase
from txt2sql.serving.history import History, place
from txt2sql.serving.metrics import Metrics
from txt2sql.serving.queue import CLIENT, CLOSING, IN_USE, Load, Places, Refused
from txt2sql.serving.scheduler import Scheduler
from txt2sql.serving.served import ServedDatabase
from txt2sql.serving.service import facts
from txt2sql.serving.worker import ModelSettings, Statements
from txt2sql.types import QueryResult

_STATEMENTS = 8
"""Statements at the same time."""


class Backend:
    """Databases and one model, asked by many. Use it on one event loop. `databases` are by name."""

    def __init__(
        self, settings: ModelSettings, load: Load | None = None, *, history: bool = True
    ) -> None:
        load = load or Load()
        self.settings = settings
        self.metrics = Metrics()
        self.scheduler = Scheduler(settings, load, self.metrics)
        self.statements = Statements(
            lambda sql, database, limits: (sql, execute(database, sql, limits))
        )
        usual, refused = settings.limits, self.metrics.refused.labels("statement").inc
        waiting = (load.queue, math.ceil(usual.timeout_s), refused)
        self._places, self._files = Places(_STATEMENTS, *waiting), Places(1, *waiting)
        self._whole = replace(
            usual,
            timeout_s=4 * usual.timeout_s,
            max_rows=10 * usual.max_rows,
            max_result_bytes=3 * usual.max_result_bytes,
        )
        """Limits of a file."""
        self._statements = ThreadPoolExecutor(_STATEMENTS, "statement")
        opened = [open_database(each) for each in settings.databases]
        self.databases = {
            name: ServedDatabase(
                database,
                name,
                number,
                settings,
                self.scheduler,
                History(place(database.place) if history else None),
                partial(self.run, database),
            )
            for number, (name, database) in enumerate(zip(distinct_names(opened), opened))
        }
        self.first = next(iter(self.databases.values()))

    def of(self, name: str) -> ServedDatabase:
        """The database of a name, "" for the first one. Raises Refused."""
        if name and name not in self.databases:
            names = ", ".join(map(repr, self.databases))
            raise Refused(f"there is no database {name!r}; choose one of {names}", 404)
        return self.databases[name] if name else self.first

    def overview(self) -> list[dict[str, Any]]:
        """The databases in a few words, the first one first."""
        return [
            {"name": name, "dialect": each.schema.dialect, "tables": len(each.schema.tables)}
            for name, each in self.databases.items()
        ]

    async def start(self) -> None:
        """Start the model's process and wait until it answers. ModelError when it does not."""
        await self.scheduler.start()

    async def close(self) -> None:
        """End everything."""
        for each in self.databases.values():
            each.look_no_more()
        await self.scheduler.close()
        for id in [*self.statements.requests]:
            await asyncio.to_thread(self.statements.stop, id)
        await self.drain(math.inf)
        for each in self.databases.values():
            await asyncio.to_thread(each.history.close)
        self._statements.shutdown()

    async def drain(self, seconds: float) -> None:
        """Take nothing more, and wait for what was accepted, at most so long."""
        self.scheduler.closing = True
        end = time.monotonic() + seconds
        while (self.scheduler.open or self.statements.requests) and time.monotonic() < end:
            await asyncio.sleep(0.02)

    def health(self) -> dict[str, Any]:
        """Whether questions can be answered now."""
        scheduler = self.scheduler
        status = "ok" if scheduler.ready else "loading"
        status = "broken" if scheduler.broken is not None else status
        status = "shutting down" if scheduler.closing else status
        model = ", ".join(dict.fromkeys(each.model for each in scheduler.loaded))
        state = facts(scheduler, "waiting restarts")
        return {"status": status, "version": __version__, "model": model, **state}

    @property
    def notice(self) -> str:
        """What people should know of any of the databases."""
        notices = (each.notice for each in self.databases.values())
        return "; ".join(dict.fromkeys(filter(None, notices)))

    async def run(
        self,
        database: Database | UrlDatabase,
        sql: str,
        id: str | None = None,
        *,
        whole: bool = False,
    ) -> QueryResult:
        """What one statement that reads gives; `id` to stop it by. With `whole`, within the limits of a
        file, one at a time. Raises Refused."""
        if not whole:
            return await self._run(database, sql, id, self.settings.limits)
        await self._files.enter(CLIENT.get())
        try:
            return await self._run(database, sql, id, self._whole)
        finally:
            self._files.leave()

    async def _run(
        self, database: Database | UrlDatabase, sql: str, id: str | None, limits: Limits
    ) -> QueryResult:
        id = id or str(uuid.uuid4())
        if self.scheduler.closing:
            raise Refused(CLOSING, 503)
        if not self.statements.begin(id):
            raise Refused(IN_USE, 422)
        try:
            await self._places.enter(CLIENT.get())
        except BaseException:
            self.statements.forget(id)
            raise

        def over(_: object) -> None:
            self._places.leave()
            self.statements.forget(id)

        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(
            self._statements, self.statements.run, id, sql, database, limits
        )
        running.add_done_callback(over)
        try:
            return (await asyncio.shield(running))[1]
        except asyncio.CancelledError:  # it runs for nobody
            loop.run_in_executor(None, self.statements.stop, id)
            raise

    async def stop(self, id: str) -> bool:
        """End a question or a statement; False when there is none of that id."""
        if id in self.statements.requests:
            await asyncio.to_thread(self.statements.stop, id)
            return True
        return self.scheduler.stop(id)


def distinct_names(databases: Sequence[Database | UrlDatabase]) -> list[str]:
    """The db_ids; where some are the same, with up to three folders (or the server) before each, and a
    number where that does not help."""
    names = [each.db_id for each in databases]
    folders = [
        Path(each.place).absolute().parent.parts
        if isinstance(each, Database)
        else Path(each.place).parent.parts
        for each in databases
    ]
    for depth in (1, 2, 3):
        count = Counter(name for name, _ in set(zip(names, folders)))
        names = [
            "/".join((*folder[-depth:], each.db_id)) if count[name] > 1 else name
            for name, folder, each in zip(names, folders, databases)
        ]
    return [
        f"{name} ({number})" if name in names[: number - 1] else name
        for number, name in enumerate(names, 1)
    ]
