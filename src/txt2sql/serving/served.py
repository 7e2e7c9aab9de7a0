"""One database of a back end: its schema, its history, and what may be asked of it."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from txt2sql import sample
from txt2sql.errors import ModelError
from txt2sql.execution.database import Database
from txt2sql.execution.execute import execute
from txt2sql.execution.pool import Limits
from txt2sql.execution.remote import UrlDatabase
from txt2sql.execution.values import open_value_index
from txt2sql.serving.history import History
from txt2sql.serving.payload import columns, payload
from txt2sql.serving.queue import CLIENT, IN_USE, Event, Refused, Ticket
from txt2sql.serving.requests import declined, is_sql, refers_back
from txt2sql.serving.scheduler import Scheduler
from txt2sql.serving.service import Answer, facts, schema_with_tables
from txt2sql.serving.suggestions import MOST_TABLES, UNKNOWN, Counted, beginning, counted, following
from txt2sql.serving.worker import Ask, Loaded, ModelSettings
from txt2sql.types import QueryResult, Schema, Turn

DEFAULT_SEARCH = 50
MOST_EXAMPLES = 5
_COUNTING = Limits(timeout_s=1.0, max_rows=10)
_SAMPLE_EXAMPLES = (
    "How many shops are there?",
    "How many books are there in each genre?",
    "Show the title and price of the most expensive book.",
    "Which customers have never placed an order?",
    "How many orders did each shop take? Show the shop name and the number of orders.",
)
_log = logging.getLogger(__name__)


class ServedDatabase:
    """One database of a back end, the one of this `number` in its settings. `run` runs a statement on it,
    see `Backend.run`. Use it on the back end's event loop."""

    def __init__(
        self,
        database: Database | UrlDatabase,
        name: str,
        number: int,
        settings: ModelSettings,
        scheduler: Scheduler,
        history: History,
        run: Callable[..., Awaitable[QueryResult]],
    ) -> None:
        self.database, self.name, self.number = database, name, number
        self.settings, self.scheduler = settings, scheduler
        self.history, self.run = history, run
        self.schema, _ = schema_with_tables(database, settings.describe)
        self.counts: dict[str, Counted] = {}
        self._examples: list[str] = []
        self._looking: asyncio.Task[None] | None = None
        self.label = {"database": name} if settings.others else {}
        """What tells its answers from those of others, where there are some."""

    @property
    def _loaded(self) -> Loaded:
        return self.scheduler.loaded[self.number]

    @property
    def notice(self) -> str:
        """What people should know: an adapter that cannot be used, a history that is not kept."""
        return "; ".join(filter(None, (self._loaded.notice, self.history.notice)))

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
            "name": self.name,
            "dialect": schema.dialect,
            "model": self._loaded.model,
            "notice": self.notice,
            "search": {
                "available": self._loaded.searchable,
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

    def look_no_more(self) -> None:
        """End what `look_around` began."""
        if self._looking is not None:
            self._looking.cancel()

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
                ticket = self.scheduler.submit(
                    Ask(str(uuid.uuid4()), question, database=self.number)
                )
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
        self.look_no_more()
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
        if simulations and self.scheduler.ready and not self._loaded.searchable:
            raise Refused("search: this model cannot be searched; ask with 0 simulations", 422)
        request = Ask(id or str(uuid.uuid4()), question, simulations, database=self.number)
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
        return {**body, **self.label}

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
            result = await self.run(sql, whole=True)
        if result is None or result.timed_out:
            result = await self.run(sql)
        described = await asyncio.to_thread(columns, sql, result, self.schema)
        answer = {**answer, **described, **facts(result, "truncated error rows")}
        return {**answer, "next": self.next_questions(answer)}

    async def stored(self, id: str) -> dict[str, Any] | None:
        """A stored answer without its rows; None for no such answer."""
        answer = await asyncio.to_thread(self.history.get, id)
        return answer and {**answer, **self.label}

    def values(self, text: str) -> list[tuple[str, str, int, list[str]]]:
        """Which columns hold a text or pattern, see `ValueIndex.search`. Raises DatabaseError."""
        return open_value_index(self.database).search(text)


def _without_samples(schema: Schema) -> Schema:
    """What the model must start again for: all but the sample values, which change with the rows."""
    tables = (
        replace(table, columns=tuple(replace(column, samples=()) for column in table.columns))
        for table in schema.tables
    )
    return replace(schema, tables=tuple(tables))
