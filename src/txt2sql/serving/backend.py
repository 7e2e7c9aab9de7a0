"""The back end that the web service and MCP share: a database, a model, the history of questions.

It holds no model itself (that is `scheduler` and its process) and speaks no protocol (web.py, mcp.py):
questions and statements come in, payloads of the API come out.

>>> backend = Backend(ModelSettings("shop.sqlite"))  # doctest: +SKIP
>>> await backend.start()  # doctest: +SKIP
>>> (await backend.sql("SELECT count(*) FROM shop"))["rows"]  # doctest: +SKIP
((12,),)
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from txt2sql import __version__, sample
from txt2sql.errors import ModelError
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import execute
from txt2sql.execution.pool import Limits
from txt2sql.execution.remote import UrlDatabase
from txt2sql.identifiers import quote_identifier
from txt2sql.serving.history import History, place
from txt2sql.serving.metrics import Metrics
from txt2sql.serving.payload import columns, payload
from txt2sql.serving.queue import (
    CLIENT,
    DEFAULT_LOAD,
    ENDS,
    Closed,
    Event,
    Full,
    Load,
    Places,
    Ticket,
)
from txt2sql.serving.requests import declined, is_sql, refers_back
from txt2sql.serving.scheduler import Scheduler
from txt2sql.serving.service import Answer, schema_with_tables
from txt2sql.serving.suggestions import MOST_TABLES, Counted, beginning, counted, following
from txt2sql.serving.worker import Ask, ModelSettings, Ran, Statements
from txt2sql.types import QueryResult, Schema, Turn

DEFAULT_SEARCH = 50
MOST_EXAMPLES = 5
_STATEMENTS = 8
"""Statements at the same time."""
_COUNTING = Limits(timeout_s=1.0, max_rows=10)
_SAMPLE_EXAMPLES = (
    "How many shops are there?",
    "How many books are there in each genre?",
    "Show the title and price of the most expensive book.",
    "Which customers have never placed an order?",
    "How many orders did each shop take? Show the shop name and the number of orders.",
)
_log = logging.getLogger(__name__)


class Backend:
    """One database and one model, asked by many. Use it on one event loop."""

    def __init__(
        self, settings: ModelSettings, load: Load = DEFAULT_LOAD, *, history: bool = True
    ) -> None:
        self.settings = settings
        self.database = open_database(settings.database)
        self.schema, _ = schema_with_tables(self.database, settings.describe)
        self.history = History(place(self.database.place) if history else None)
        self.metrics = Metrics()
        self.scheduler = Scheduler(settings, load, self.metrics.batch.observe)
        self.counts: dict[str, Counted] = {}
        self._examples: list[str] = []
        self._looking: asyncio.Task[None] | None = None
        self.statements = Statements(
            lambda sql: (sql, execute(self.database, sql, settings.limits))
        )
        waiting = (load.queue, load.statement_wait_s, math.ceil(settings.limits.timeout_s))
        self._places, self._files = Places(_STATEMENTS, *waiting), Places(1, *waiting)
        self._statements = ThreadPoolExecutor(_STATEMENTS, "statement")
        self._threads = ThreadPoolExecutor(4, "backend")
        self._running: set[str] = set()
        self._closing = self._closed = False

    async def start(self) -> None:
        """Start the model's process and wait until it answers. ModelError when it does not."""
        await self.scheduler.start()
        try:
            await self.scheduler.available()
        except Closed as problem:
            raise ModelError(str(problem)) from None

    async def close(self) -> None:
        """End everything."""
        if self._closed:
            return
        self._closing = self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        for id in list(self._running):
            await self._call(self.statements.stop, id)
        await self.scheduler.close()
        await self._call(self.history.close)
        self._statements.shutdown()
        self._threads.shutdown()

    async def _call(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def drain(self, seconds: float) -> None:
        """Take nothing more, and wait for what was accepted, at most so long."""
        self._closing = True
        end = time.monotonic() + seconds
        await self.scheduler.drain(seconds)
        while self._running and time.monotonic() < end:
            await asyncio.sleep(0.02)

    # ------------------------------------------------------------------------------ how it goes

    def health(self) -> dict[str, Any]:
        """Whether questions can be answered now."""
        scheduler = self.scheduler
        if self._closing:
            status = "shutting down"
        elif scheduler.broken is not None:
            status = "broken"
        else:
            status = "ok" if scheduler.ready else "loading"
        return {
            "status": status,
            "version": __version__,
            "model": scheduler.model,
            "waiting": scheduler.waiting,
            "restarts": scheduler.restarts,
        }

    def prometheus(self) -> bytes:
        """The metrics as Prometheus reads them."""
        self.metrics.waiting.set(self.scheduler.waiting)
        self.metrics.open.set(self.scheduler.open)
        self.metrics.model_up.set(self.scheduler.ready)
        self.metrics.restarts.set(self.scheduler.restarts)
        return self.metrics.text()

    @property
    def notice(self) -> str:
        """What people should know: an adapter that cannot be used, a history that is not kept."""
        return "; ".join(filter(None, (self.scheduler.notice, self.history.notice)))

    # ------------------------------------------------------------------------------ the database

    def describe(self) -> dict[str, Any]:
        """What `/api/database` tells."""
        schema, most, counts = self.schema, self.settings.search, self.counts
        return {
            "name": schema.db_id,
            "dialect": schema.dialect,
            "model": self.scheduler.model,
            "notice": self.notice,
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
                        "rows": counts[table.name].rows if table.name in counts else None,
                        "more_rows": table.name in counts and counts[table.name].more,
                        "columns": [
                            {
                                "name": column.name,
                                "type": column.type,
                                "primary_key": column.primary_key,
                                "comment": column.comment,
                                "samples": list(column.samples),
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
                        "inferred": key.inferred,
                        "score": key.score,
                    }
                    for key in schema.foreign_keys
                ],
            },
            "examples": list(self._examples),
            "complete": self._looking is not None and self._looking.done(),
        }

    def look_around(self) -> None:
        """Begin to count rows and to try the examples, in the background, once."""
        if self._looking is None and not self._closing:
            self._looking = asyncio.create_task(self._look_around())

    async def _look_around(self) -> None:
        with suppress(Closed, Full):
            for table in self.schema.tables[:MOST_TABLES]:
                rows = await self._call(counted, table, self._counting, self._quoted)
                if rows is not None:
                    self.counts[table.name] = rows
            await self.scheduler.available()
            for question in self._candidates():
                if len(self._examples) == MOST_EXAMPLES:
                    break
                if await self._answers(question):
                    self._examples.append(question)

    def _counting(self, sql: str) -> QueryResult:
        return execute(self.database, sql, _COUNTING)

    def _quoted(self, name: str) -> str:
        if self.schema.dialect == "mysql":
            return "`" + name.replace("`", "``") + "`"
        return quote_identifier(name)

    def _candidates(self) -> tuple[str, ...]:
        """Questions to begin with: the sample's own, else those that its tables suggest."""
        if not isinstance(self.database, UrlDatabase) and self.database.path == sample.path():
            return _SAMPLE_EXAMPLES
        return beginning(self.schema, self.counts)

    async def _answers(self, question: str) -> bool:
        """Whether a question gets something: one at a time, so that nobody waits for more than one."""
        ticket = self.scheduler.submit(Ask(str(uuid.uuid4()), question))
        last = [event async for event in ticket.events()][-1]
        return last.kind == "answer" and any(
            cell not in (None, 0) for row in last.value.rows for cell in row
        )

    async def refresh(self) -> bool:
        """Read the tables anew; True where they changed, and the model then starts again with them."""
        schema, _ = await self._call(schema_with_tables, self.database, self.settings.describe)
        changed = _without_samples(schema) != _without_samples(self.schema)
        if self._looking is not None:
            self._looking.cancel()
        self.schema, self.counts, self._examples, self._looking = schema, {}, [], None
        if changed:
            self.scheduler.restart()
        self.look_around()
        return changed

    def next_questions(self, answer: dict[str, Any]) -> tuple[str, ...]:
        """Questions that may follow an answer."""
        if not answer["sql"] or answer["error"] is not None:
            return ()
        return following(answer["question"] or "", answer["sql"], self.schema, self.counts)

    # ------------------------------------------------------------------------------ questions

    async def turn(self, id: str) -> Turn | None:
        """What a question may follow: a stored answer, or nothing where its SQL did not run. KeyError for
        no such answer."""
        answer = await self.stored(id)
        if answer is None:
            raise KeyError("previous: there is no answer of this id")
        question = answer["question"] or answer["explanation"]
        return Turn(question, answer["sql"]) if question and answer["error"] is None else None

    def ask(
        self,
        question: str,
        simulations: int = 0,
        id: str | None = None,
        previous: Turn | None = None,
        follows: str | None = None,
    ) -> Ticket:
        """Accept a question; `previous`, the answer of the id `follows`, is used where it refers back.
        Raises Full, Closed, KeyError for an id in use, and ValueError for a search that cannot be."""
        if simulations > self.settings.search:
            raise ValueError(f"search: at most {self.settings.search} simulations are done here")
        if simulations and self.scheduler.ready and not self.scheduler.searchable:
            raise ValueError("search: this model cannot be searched; ask with 0 simulations")
        request = Ask(id or str(uuid.uuid4()), question, simulations)
        if declined(question) or is_sql(question, self.schema):
            return Ticket(request, math.inf, aside=True)
        if previous is not None and refers_back(question):
            request = replace(request, previous=previous, follows=follows)
        with self._counting_refusals("question"):
            return self.scheduler.submit(request, CLIENT.get())

    @contextmanager
    def _counting_refusals(self, kind: str) -> Iterator[None]:
        try:
            yield
        except Full:
            self.metrics.refused.labels(kind).inc()
            raise

    async def events(self, ticket: Ticket) -> AsyncIterator[Event]:
        """What happens to a question; the answer as payload. Who leaves has it stopped."""
        try:
            async for event in self._aside(ticket) if ticket.aside else ticket.events():
                if event.kind in ENDS and not ticket.aside:
                    self._count(ticket, event)
                if event.kind == "answer":
                    yield Event("answer", await self._payload(ticket, event.value))
                else:
                    yield event
        finally:
            self.scheduler.stop(ticket.ask.id)

    async def outcome(self, ticket: Ticket) -> Event:
        """How a question ends: answer, stopped or failed."""
        return [event async for event in self.events(ticket)][-1]

    async def _aside(self, ticket: Ticket) -> AsyncIterator[Event]:
        """What becomes of what the model is not asked: SQL, or a wish to change something."""
        id, text = ticket.ask.id, ticket.ask.question
        if reason := declined(text):
            yield Event("answer", Answer(text, None, error=reason))
            return
        try:
            yield Event("answer", Answer.of(text.strip(), await self._run(id, text.strip())))
        except (Closed, Full, KeyError) as problem:
            yield Event("failed", problem.args[0])

    def _count(self, ticket: Ticket, event: Event) -> None:
        kind = "search" if ticket.ask.simulations else "greedy"
        self.metrics.ends.labels(kind, event.kind).inc()
        if event.kind == "answer":
            self.metrics.seconds.labels(kind).observe(time.monotonic() - ticket.accepted)

    async def _payload(self, ticket: Ticket, answer: Answer) -> dict[str, Any]:
        seconds = time.monotonic() - ticket.accepted
        return await self._kept(ticket.ask.id, replace(answer, seconds=seconds), ticket.ask.follows)

    async def _kept(self, id: str, answer: Answer, follows: str | None = None) -> dict[str, Any]:
        """The payload of an answer, which goes into the history."""
        body: dict[str, Any] = await self._call(payload, id, answer, self.schema, follows)
        body = {"next": self.next_questions(body), **body}
        try:
            await self._call(self.history.add, id, body, len(answer.rows))
        except sqlite3.Error as problem:  # a full disk is no reason to withhold an answer
            _log.warning("the history cannot be kept: %s", problem)
        return body

    # ------------------------------------------------------------------------------ statements

    async def sql(self, sql: str, id: str | None = None) -> dict[str, Any]:
        """Run one statement that reads, and answer as for a question. KeyError: an id in use."""
        id = id or str(uuid.uuid4())
        result = await self._run(id, sql)
        return await self._kept(id, Answer.of(sql, result))

    async def again(self, id: str, *, whole: bool = False) -> dict[str, Any] | None:
        """A stored answer with the rows that its statement gives now; None for no such answer. With
        `whole`, within the limits of a file.
        """
        answer = await self.stored(id)
        if answer is None or not answer["sql"]:
            return None if answer is None else {**answer, "rows": ()}
        sql = answer["sql"]
        result = await (self._run_whole(sql) if whole else self._run(str(uuid.uuid4()), sql))
        described = await self._call(
            columns, sql, result.columns, result.rows, self.schema, result.error
        )
        now = {"truncated": result.truncated, "error": result.error, "rows": result.rows}
        answer = {**answer, **described, **now}
        return {**answer, "next": self.next_questions(answer)}

    async def _run_whole(self, sql: str) -> QueryResult:
        """All rows for a file, one file at a time; where that takes too long, as many as usual."""
        usual = self.settings.limits
        limits = replace(
            usual,
            timeout_s=4 * usual.timeout_s,
            max_rows=10 * usual.max_rows,
            max_result_bytes=3 * usual.max_result_bytes,
        )

        def run(sql: str) -> Ran:
            return sql, execute(self.database, sql, limits)

        with self._counting_refusals("statement"):
            await self._files.enter(CLIENT.get())
        try:
            result = await self._run(str(uuid.uuid4()), sql, run)
        finally:
            self._files.leave()
        return await self._run(str(uuid.uuid4()), sql) if result.timed_out else result

    async def checked(self, sql: str) -> str | None:
        """Why a statement does not run, or None."""
        return (await self._run(str(uuid.uuid4()), sql)).error

    async def stored(self, id: str) -> dict[str, Any] | None:
        """A stored answer without its rows; None for no such answer."""
        answer: dict[str, Any] | None = await self._call(self.history.get, id)
        return answer

    async def _run(self, id: str, sql: str, run: Callable[[str], Ran] | None = None) -> QueryResult:
        if self._closing:
            raise Closed("the server is shutting down")
        if id in self._running:
            raise KeyError("a request of this id is under way; make a new one")
        self._running.add(id)
        self.statements.begin(id)

        def work() -> QueryResult:
            try:
                return self.statements.run(id, sql, run)[1]
            finally:
                self.statements.forget(id)

        future, loop = None, asyncio.get_running_loop()
        try:
            with self._counting_refusals("statement"):
                await self._places.enter(CLIENT.get())
            if self._closed:
                self._places.leave()
                raise Closed("the server is shutting down")
            future = self._statements.submit(work)
            future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._places.leave))
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future is not None and not future.cancelled():  # it runs, for nobody
                self._threads.submit(self.statements.stop, id)
            raise
        finally:
            if future is None or future.cancelled():
                self.statements.forget(id)
            self._running.discard(id)

    async def stop(self, id: str) -> bool:
        """End a question or a statement; False when there is none of that id."""
        if id in self._running:
            await self._call(self.statements.stop, id)
            return True
        return self.scheduler.stop(id)


def _without_samples(schema: Schema) -> Schema:
    """What the model must start again for: all but the sample values, which change with the rows."""
    tables = (
        replace(table, columns=tuple(replace(column, samples=()) for column in table.columns))
        for table in schema.tables
    )
    return replace(schema, tables=tuple(tables))
