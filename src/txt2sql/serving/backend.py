"""The back end that the web service and MCP share: databases and the model that they are asked with.

It speaks no protocol: questions and statements come in, payloads of the API come out.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from txt2sql import __version__, sample
from txt2sql.errors import ModelError
from txt2sql.execution.database import Database, open_database
from txt2sql.execution.execute import execute
from txt2sql.execution.pool import Limits
from txt2sql.execution.remote import UrlDatabase
from txt2sql.execution.values import ValueIndex, open_value_index
from txt2sql.serving.history import History, place
from txt2sql.serving.payload import columns, payload
from txt2sql.serving.scheduler import (
    CLIENT,
    CLOSING,
    IN_USE,
    Event,
    FairQueue,
    Load,
    Metrics,
    Refused,
    Scheduler,
    Ticket,
)
from txt2sql.serving.service import (
    Answer,
    declined,
    facts,
    is_sql,
    refers_back,
    schema_with_tables,
)
from txt2sql.serving.suggestions import MOST_TABLES, UNKNOWN, Counted, beginning, counted, following
from txt2sql.serving.worker import Ask, Loaded, ModelSettings, Statements
from txt2sql.types import QueryResult, Schema, Turn

_STATEMENTS = 8
"""Statements at the same time."""
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


class Places:
    """So many statements at a time; the rest wait for their turn. Who is refused may come again in
    `again` seconds, and `refused` is told."""

    def __init__(self, places: int, most: int, again: int, refused: Callable[[], None]) -> None:
        self._free, self._again, self._refused = places, again, refused
        self._seconds = 30.0
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(most)

    async def enter(self, client: str) -> None:
        """Take a place. Raises Refused where too many wait, or none came free in time."""
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        try:
            if not self._waiting.full(client):
                self._waiting.add(client, turn)
                await asyncio.wait({turn}, timeout=self._seconds)
            if not turn.done():
                self._refused()
                sentence = f"too many statements are waiting; ask again in {self._again} s"
                raise Refused(sentence, 429, self._again)
        except BaseException:
            if turn.done():  # whoever wanted it has gone
                self.leave()
            self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give a place to the next."""
        if self._waiting:
            self._waiting.take().set_result(None)
        else:
            self._free += 1


class Backend:
    """Databases and one model, asked by many. Use it on one event loop. `databases` are by name."""

    def __init__(
        self, settings: ModelSettings, load: Load | None = None, *, history: bool = True
    ) -> None:
        load = load or Load()
        self.settings = settings
        self.metrics = Metrics()
        self.scheduler = Scheduler(settings, load, self.metrics)
        self.statements = Statements()
        usual, refused = settings.limits, self.metrics.refused.labels("statement").inc
        waiting = (load.queue, math.ceil(usual.timeout_s), refused)
        self._places, self._files = Places(_STATEMENTS, *waiting), Places(1, *waiting)
        self._whole = replace(  # the limits of a file
            usual,
            timeout_s=4 * usual.timeout_s,
            max_rows=10 * usual.max_rows,
            max_result_bytes=3 * usual.max_result_bytes,
        )
        self._threads = ThreadPoolExecutor(_STATEMENTS, "statement")
        opened = [open_database(each) for each in settings.databases]
        self.databases = {
            name: ServedDatabase(self, database, name, number, history)
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
        self._threads.shutdown()

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
        if whole:
            await self._files.enter(CLIENT.get())
        try:
            limits = self._whole if whole else self.settings.limits
            return await self._run(id or str(uuid.uuid4()), database, sql, limits)
        finally:
            if whole:
                self._files.leave()

    async def _run(
        self, id: str, database: Database | UrlDatabase, sql: str, limits: Limits
    ) -> QueryResult:
        if self.scheduler.closing:
            raise Refused(CLOSING, 503)
        if not self.statements.begin(id, lambda sql: (sql, execute(database, sql, limits))):
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
        running = loop.run_in_executor(self._threads, self.statements.run, id, sql)
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


class ServedDatabase:
    """One database of a back end, the one of this `number` in its settings."""

    def __init__(
        self,
        backend: Backend,
        database: Database | UrlDatabase,
        name: str,
        number: int,
        history: bool,
    ) -> None:
        self.backend, self.database, self.name, self.number = backend, database, name, number
        self.settings, self.scheduler = backend.settings, backend.scheduler
        self.history = History(place(database.place) if history else None)
        self.schema, _ = schema_with_tables(database, self.settings.describe)
        self.counts: dict[str, Counted] = {}
        self._examples: list[str] = []
        self._looking: asyncio.Task[None] | None = None
        self.label = {"database": name} if self.settings.others else {}
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

    async def run(self, sql: str, id: str | None = None, *, whole: bool = False) -> QueryResult:
        """What one statement that reads gives, see `Backend.run`."""
        return await self.backend.run(self.database, sql, id, whole=whole)

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
        """Read the tables anew; True where they changed, and the model then reads them, too."""
        schema, _ = await asyncio.to_thread(
            schema_with_tables, self.database, self.settings.describe
        )
        changed = _without_samples(schema) != _without_samples(self.schema)
        self.look_no_more()
        self.schema, self.counts, self._examples, self._looking = schema, {}, [], None
        if changed:
            self.scheduler.refresh(self.number)
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

    def values(self) -> ValueIndex:
        """The index of its cells. Raises DatabaseError."""
        return open_value_index(self.database)


def _without_samples(schema: Schema) -> Schema:
    """What the model must start again for: all but the sample values, which change with the rows."""
    tables = (
        replace(table, columns=tuple(replace(column, samples=()) for column in table.columns))
        for table in schema.tables
    )
    return replace(schema, tables=tuple(tables))
