"""The back end that the web service and MCP share: a database, a model, the history of questions.

It speaks no protocol: questions and statements come in, payloads of the API come out.

>>> (await Backend(ModelSettings("shop.sqlite")).sql("SELECT count(*) FROM shop"))["rows"]  # doctest: +SKIP
((12,),)
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any

from txt2sql import __version__, sample
from txt2sql.errors import ModelError
from txt2sql.execution.database import open_database
from txt2sql.execution.execute import execute
from txt2sql.execution.pool import Limits
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.serving.history import History, place
from txt2sql.serving.metrics import Metrics
from txt2sql.serving.payload import columns, payload
from txt2sql.serving.queue import (
    CLIENT,
    CLOSING,
    IN_USE,
    Event,
    Load,
    Places,
    Refused,
    Ticket,
)
from txt2sql.serving.requests import declined, is_sql, refers_back
from txt2sql.serving.scheduler import Scheduler
from txt2sql.serving.service import Answer, facts, schema_with_tables
from txt2sql.serving.suggestions import MOST_TABLES, UNKNOWN, Counted, beginning, counted, following
from txt2sql.serving.worker import Ask, ModelSettings, Ran, Statements
from txt2sql.types import QueryResult, Schema, Turn, ValueMatch

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
        self, settings: ModelSettings, load: Load | None = None, *, history: bool = True
    ) -> None:
        load = load or Load()
        self.settings = settings
        self.database = open_database(settings.database)
        self.schema, _ = schema_with_tables(self.database, settings.describe)
        self.history = History(place(self.database.place) if history else None)
        self.metrics = Metrics()
        self.scheduler = Scheduler(settings, load, self.metrics)
        self.counts: dict[str, Counted] = {}
        self._examples: list[str] = []
        self._looking: asyncio.Task[None] | None = None
        self.statements = Statements(self._execute)
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

    def matches(self, text: str) -> tuple[ValueMatch, ...]:
        """The cells of the database that a text mentions."""
        return self._index.match(text)

    @cached_property
    def _index(self) -> ValueIndex:
        return open_value_index(self.database)

    async def start(self) -> None:
        """Start the model's process and wait until it answers. ModelError when it does not."""
        await self.scheduler.start()

    async def close(self) -> None:
        """End everything."""
        if self._looking is not None:
            self._looking.cancel()
        await self.scheduler.close()
        for id in list(self.statements.requests):
            await asyncio.to_thread(self.statements.stop, id)
        await self.drain(math.inf)
        await asyncio.to_thread(self.history.close)
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
        state = facts(scheduler, "model waiting restarts")
        return {"status": status, "version": __version__, **state}

    @property
    def notice(self) -> str:
        """What people should know: an adapter that cannot be used, a history that is not kept."""
        return "; ".join(filter(None, (self.scheduler.notice, self.history.notice)))

    def describe(self) -> dict[str, Any]:
        """What `/api/database` tells."""
        schema, most = self.schema, self.settings.search
        tables, keys = [], []
        for table in schema.tables:
            count = self.counts.get(table.name, UNKNOWN)
            fields = [
                facts(each, "name type primary_key comment samples") for each in table.columns
            ]
            rows = {"rows": count.rows, "more_rows": count.more}
            tables.append({**facts(table, "name comment"), **rows, "columns": fields})
        for key in schema.foreign_keys:
            to = {"to_table": key.referenced_table, "to_column": key.referenced_column}
            keys.append({**facts(key, "table column inferred score"), **to})
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
            "schema": {"tables": tables, "foreign_keys": keys},
            "examples": self._examples,
            "complete": self._looking is not None and self._looking.done(),
        }

    def look_around(self) -> None:
        """Begin to count rows and to try the examples, in the background, once."""
        if self._looking is None and not self.scheduler.closing:
            self._looking = asyncio.create_task(self._look_around())

    async def _look_around(self) -> None:
        def count(sql: str) -> QueryResult:
            return execute(self.database, sql, _COUNTING)

        for table in self.schema.tables[:MOST_TABLES]:
            self.counts[table.name] = await asyncio.to_thread(
                counted, table, count, self.database.spell
            )
        candidates = beginning(self.schema, self.counts)
        if self.database.place == str(sample.path()):
            candidates = _SAMPLE_EXAMPLES
        with suppress(Refused, ModelError):
            await self.scheduler.start()
            for question in candidates:  # one at a time, so that nobody waits for more than one
                ticket = self.scheduler.submit(Ask(str(uuid.uuid4()), question))
                kind, answer = [event async for event in ticket.events()][-1]
                rows = answer.rows if kind == "answer" else ()
                if any(cell not in (None, 0) for row in rows for cell in row):
                    self._examples.append(question)
                if len(self._examples) == MOST_EXAMPLES:
                    break

    async def refresh(self) -> bool:
        """Read the tables anew; True where they changed, and the model then starts again with them."""
        schema, _ = await asyncio.to_thread(
            schema_with_tables, self.database, self.settings.describe
        )
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

    async def turn(self, id: str) -> Turn | None:
        """What a question may follow: a stored answer, or nothing where its SQL did not run."""
        answer = await self.stored(id)
        if answer is None:
            raise Refused("previous: there is no answer of this id", 422)
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
        Raises Refused."""
        if simulations > self.settings.search:
            raise Refused(f"search: at most {self.settings.search} simulations are done here", 422)
        if simulations and self.scheduler.ready and not self.scheduler.searchable:
            raise Refused("search: this model cannot be searched; ask with 0 simulations", 422)
        request = Ask(id or str(uuid.uuid4()), question, simulations)
        if request.id in self.scheduler.open:
            raise Refused(IN_USE, 422)
        if (reason := declined(question)) or is_sql(question, self.schema):
            ticket = Ticket(request)
            if reason:
                ticket.add("answer", Answer(question, None, error=reason))
            return ticket
        if previous is None or not refers_back(question):
            previous = follows = None
        return self.scheduler.submit(replace(request, previous=previous), CLIENT.get(), follows)

    async def events(self, ticket: Ticket) -> AsyncIterator[Event]:
        """What happens to a question; the answer as payload. Who leaves has it stopped."""
        id = ticket.ask.id
        try:
            if not ticket.over and self.scheduler.open.get(id) is not ticket:  # SQL
                text = ticket.ask.question.strip()
                try:
                    ticket.add("answer", Answer.of(text, await self.run(text, id)))
                except Refused as problem:
                    ticket.add("failed", str(problem))
            async for event in ticket.events():
                if event.kind == "answer":
                    answer = replace(event.value, seconds=time.monotonic() - ticket.accepted)
                    event = Event("answer", await self._kept(id, answer, ticket.follows))
                yield event
        finally:
            self.scheduler.stop(id)

    async def answer(self, ticket: Ticket) -> dict[str, Any]:
        """The payload of the answer to a question. Raises Refused where it has none."""
        kind, value = [event async for event in self.events(ticket)][-1]
        if kind == "answer":
            return dict(value)
        raise Refused(value, 503) if kind == "failed" else Refused("it was stopped", 409)

    async def _kept(self, id: str, answer: Answer, follows: str | None = None) -> dict[str, Any]:
        """The payload of an answer, which goes into the history."""
        body = await asyncio.to_thread(payload, id, answer, self.schema, follows)
        body = {"next": self.next_questions(body), **body}
        try:
            await asyncio.to_thread(self.history.add, id, body, len(answer.rows))
        except sqlite3.Error as problem:  # a full disk is no reason to withhold an answer
            _log.warning("the history cannot be kept: %s", problem)
        return body

    async def sql(self, sql: str, id: str | None = None) -> dict[str, Any]:
        """Run one statement that reads, and answer as for a question. Raises Refused."""
        id = id or str(uuid.uuid4())
        return await self._kept(id, Answer.of(sql, await self.run(sql, id)))

    async def again(self, id: str, *, whole: bool = False) -> dict[str, Any] | None:
        """A stored answer with the rows that its statement gives now; None for no such answer. With
        `whole`, within the limits of a file, one at a time; where that takes too long, the usual ones."""
        answer = await self.stored(id)
        if answer is None or not answer["sql"]:
            return answer and {**answer, "rows": ()}
        sql, result = answer["sql"], None
        if whole:
            await self._files.enter(CLIENT.get())
            try:
                result = await self.run(sql, limits=self._whole)
            finally:
                self._files.leave()
        if result is None or result.timed_out:
            result = await self.run(sql)
        described = await asyncio.to_thread(columns, sql, result, self.schema)
        answer = {**answer, **described, **facts(result, "truncated error rows")}
        return {**answer, "next": self.next_questions(answer)}

    async def stored(self, id: str) -> dict[str, Any] | None:
        """A stored answer without its rows; None for no such answer."""
        return await asyncio.to_thread(self.history.get, id)

    async def run(
        self, sql: str, id: str | None = None, limits: Limits | None = None
    ) -> QueryResult:
        """What one statement that reads gives; `id` to stop it by. Raises Refused."""
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
        running = loop.run_in_executor(self._statements, self.statements.run, id, sql, limits)
        running.add_done_callback(over)
        try:
            return (await asyncio.shield(running))[1]
        except asyncio.CancelledError:  # it runs for nobody
            loop.run_in_executor(None, self.statements.stop, id)
            raise

    def _execute(self, sql: str, limits: Limits | None) -> Ran:
        return sql, execute(self.database, sql, limits or self.settings.limits)

    async def stop(self, id: str) -> bool:
        """End a question or a statement; False when there is none of that id."""
        if id in self.statements.requests:
            await asyncio.to_thread(self.statements.stop, id)
            return True
        return self.scheduler.stop(id)


def _without_samples(schema: Schema) -> Schema:
    """What the model must start again for: all but the sample values, which change with the rows."""
    tables = (
        replace(table, columns=tuple(replace(column, samples=()) for column in table.columns))
        for table in schema.tables
    )
    return replace(schema, tables=tuple(tables))
