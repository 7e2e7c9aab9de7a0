"""The back end that every door to people shares, web and MCP: a database, a model, what was asked.

It holds no model itself (that is `scheduler` and its process) and speaks no protocol (web.py, mcp.py):
questions and statements come in, payloads of the API come out.

>>> backend = Backend(ModelSettings("shop.sqlite"))  # doctest: +SKIP
>>> await backend.start()  # doctest: +SKIP
>>> (await backend.sql("SELECT count(*) FROM shop"))["rows"]  # doctest: +SKIP
((12,),)
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from txt2sql import sample
from txt2sql.errors import DatabaseError
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import execute
from txt2sql.execution.remote import UrlDatabase
from txt2sql.serving.messages import Ask, ModelSettings
from txt2sql.serving.payload import payload
from txt2sql.serving.scheduler import DEFAULT_LOAD, Event, Load, Scheduler, Ticket
from txt2sql.serving.service import Answer
from txt2sql.serving.statements import Statements
from txt2sql.types import QueryResult

DEFAULT_SEARCH = 50
_EXAMPLES = 6


class Backend:
    """One database and one model, asked by many. Use it on one event loop."""

    def __init__(self, settings: ModelSettings, load: Load = DEFAULT_LOAD) -> None:
        self.settings = settings
        self.database = open_database(settings.database)
        self.schema = self.database.schema()
        if not any(table.columns for table in self.schema.tables):
            raise DatabaseError(
                f"'{self.database.place}' holds no tables; give a database that has some"
            )
        self.scheduler = Scheduler(settings, load)
        self.statements = Statements(
            lambda sql: (sql, execute(self.database, sql, settings.limits))
        )
        self._threads = ThreadPoolExecutor(8, "backend")
        self._running: set[str] = set()

    async def start(self) -> None:
        """Start the model's process; it can be asked at once and answers when it is loaded."""
        await self.scheduler.start()

    async def close(self) -> None:
        """End everything."""
        for id in self._running:
            await self._call(self.statements.stop, id)
        await self.scheduler.close()

    async def _call(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    # ------------------------------------------------------------------------------ the database

    def describe(self) -> dict[str, Any]:
        """What `/api/database` tells."""
        schema, most = self.schema, self.settings.search
        return {
            "name": schema.db_id,
            "dialect": schema.dialect,
            "model": self.scheduler.model,
            "notice": self.scheduler.notice,
            "search": {
                "available": self.scheduler.searchable,
                "default": min(DEFAULT_SEARCH, most),
                "max": most,
            },
            "schema": {
                "tables": [
                    {
                        "name": table.name,
                        "comment": table.comment,
                        "columns": [
                            {
                                "name": column.name,
                                "type": column.type,
                                "primary_key": column.primary_key,
                                "comment": column.comment,
                            }
                            for column in table.columns
                        ],
                    }
                    for table in schema.tables
                ],
                "foreign_keys": [
                    {
                        "table": key.table,
                        "column": key.column,
                        "to_table": key.referenced_table,
                        "to_column": key.referenced_column,
                    }
                    for key in schema.foreign_keys
                ],
            },
            "examples": self.examples(),
        }

    def examples(self) -> list[str]:
        """Questions to begin with: the sample's own, else plain ones about the first tables."""
        if not isinstance(self.database, UrlDatabase) and self.database.path == sample.path():
            return [
                "How many shops are there?",
                "How many books are there in each genre?",
                "Show the title and price of the most expensive book.",
                "Which customers have never placed an order?",
                "How many orders did each shop take? Show the shop name and the number of orders.",
            ]
        tables = [table for table in self.schema.tables if table.columns][:_EXAMPLES]
        counts = [f"How many {table.words or table.name} are there?" for table in tables]
        return [*counts[:2], *(f"Show all {table.words or table.name}." for table in tables[2:4])]

    # ------------------------------------------------------------------------------ questions

    def ask(self, question: str, simulations: int = 0, id: str | None = None) -> Ticket:
        """Accept a question. Raises Full, Closed and KeyError as `Scheduler.submit` does."""
        seconds = self.scheduler.load.deadline_s * 0.9 if simulations else None
        return self.scheduler.submit(Ask(id or str(uuid.uuid4()), question, simulations, seconds))

    async def events(self, ticket: Ticket) -> AsyncIterator[Event]:
        """What happens to a question; the answer as payload. Who leaves has it stopped."""
        try:
            async for event in ticket.events():
                if event.kind == "answer":
                    yield Event("answer", await self._payload(ticket, event.value))
                else:
                    yield event
        finally:
            self.scheduler.stop(ticket.ask.id)

    async def _payload(self, ticket: Ticket, answer: Answer) -> dict[str, Any]:
        found: dict[str, Any] = await self._call(
            payload, ticket.ask.id, answer, ticket.ask.question, self.schema
        )
        found["seconds"] = round(time.monotonic() - ticket.accepted, 4)
        return found

    # ------------------------------------------------------------------------------ statements

    async def sql(self, sql: str, id: str | None = None) -> dict[str, Any]:
        """Run one statement that reads, and answer as for a question."""
        id = id or str(uuid.uuid4())
        self._running.add(id)
        try:
            result: QueryResult = (await self._call(self.statements.run, id, sql))[1]
        except asyncio.CancelledError:
            self._threads.submit(self.statements.stop, id)
            raise
        finally:
            self._running.discard(id)
            self.statements.forget(id)
        answer = Answer(
            question="",
            sql=sql,
            columns=result.columns,
            rows=result.rows,
            truncated=result.truncated,
            seconds=result.seconds,
            error=result.error,
        )
        found: dict[str, Any] = await self._call(payload, id, answer, None, self.schema)
        return found

    async def stop(self, id: str) -> bool:
        """End a question or a statement; False when there is none of that id."""
        if id in self._running:
            await self._call(self.statements.stop, id)
            return True
        return self.scheduler.stop(id)
