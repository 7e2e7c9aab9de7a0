"""The process that holds the model: questions and searches in, answers out.

It is apart from the server so that the model cannot hold up the server's event loop, and so that a crash
of it (a kernel, a driver, memory) costs this process alone. Messages are pickled tuples. In: a
ModelSettings, then ("ask", [Ask, ...]), one batch of one database or one search, ("stop", id), and
("refresh", number) for a database whose tables changed. Out: ("loaded", number, Loaded) for each database,
then ("ready",) or ("broken", sentence); ("free",) when the next batch can be computed; ("progress", id,
simulations, of, sql), and ("answer", id, Answer), ("stopped", id) or ("failed", id, sentence).
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from txt2sql.errors import ModelError, Text2SQLError
from txt2sql.execution.pool import DEFAULT_LIMITS, Limits, interrupt
from txt2sql.serving.service import Answer, Service, open_model
from txt2sql.types import Example, Generator, Prediction, QueryResult, Turn

SEARCHES = 2
"""Searches at the same time."""
BATCHES = 4
"""Batches at the same time: one computes while the statements of others run."""
STOPPED = QueryResult(error="stopped")
_INTERRUPT_AGAIN_S = 0.02
_PROGRESS_S = 0.25

Ran = tuple[str, QueryResult]
"""A statement in the database's dialect, and its result."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What is opened. `search`: the most simulations a question may ask for; `describe`: a file of what
    tables and columns mean; `others`: further databases."""

    database: str
    model: str | Path | Generator | None = None
    limits: Limits = DEFAULT_LIMITS
    search: int = 100
    describe: Path | None = None
    others: tuple[str, ...] = ()

    @property
    def databases(self) -> tuple[str, ...]:
        """The paths or URLs of all."""
        return (self.database, *self.others)


class Loaded(NamedTuple):
    """The model of one database, what people should know of it, and whether it can be searched."""

    model: str = ""
    notice: str = ""
    searchable: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """One question, which follows `previous`. `simulations` 0 is one greedy answer; a search ends after
    `seconds`. `database` is the place of its database in `ModelSettings.databases`."""

    id: str
    question: str
    simulations: int = 0
    seconds: float | None = None
    previous: Turn | None = None
    database: int = 0

    @property
    def kind(self) -> str:
        return "search" if self.simulations else "greedy"


@dataclass(slots=True)
class _Request:
    run: Callable[[str], Ran]
    stopped: bool = False
    threads: set[int] = field(default_factory=set)
    results: dict[str, Ran] = field(default_factory=dict)


class Statements:
    """Statements by the request that wants them, so that a Stop ends the right one at the database. Each runs
    once for a request, which may have several at a time (candidates of a beam). As an executor, it tells
    requests apart by the db_id that their examples name."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.requests: dict[str, _Request] = {}

    def begin(self, request: str, run: Callable[[str], Ran]) -> bool:
        """From now on the request can be stopped; its statements are executed by `run`. False for one
        that is under way."""
        with self._changed:
            new = _Request(run)
            return self.requests.setdefault(request, new) is new

    def run(self, request: str, sql: str) -> Ran:
        """Run a statement for a request, once; one that was stopped or is over runs nothing more."""
        thread = threading.get_ident()
        with self._changed:
            state = self.requests.get(request)
            if state is None or state.stopped:
                return sql, STOPPED
            if sql in state.results:
                return state.results[sql]
            state.threads.add(thread)
        try:
            result = state.results[sql] = state.run(sql)
        finally:
            with self._changed:
                state.threads.discard(thread)
                self._changed.notify_all()
        return result

    def __call__(self, db_id: str, sql: str) -> QueryResult:
        return self.run(db_id, sql)[1]

    def stop(self, request: str) -> None:
        """End what runs for a request, and all that it would still run; returns when it has."""
        with self._changed:
            state = self.requests.get(request)
            if state is None:
                return
            state.stopped = True
            while state.threads:
                # A thread that is about to hand its statement on cannot be interrupted yet.
                for thread in state.threads:
                    interrupt(thread)
                self._changed.wait(_INTERRUPT_AGAIN_S)

    def stopped(self, request: str) -> bool:
        with self._changed:
            return request in self.requests and self.requests[request].stopped

    def forget(self, request: str) -> None:
        """The request is over."""
        with self._changed:
            self.requests.pop(request, None)


class Shared:
    """A generator, or an engine of a search, that computes in one thread, in the order it is asked: beside a
    search, a batch of questions waits for one wave at most. `done` is called after each."""

    def __init__(self, model: Any, thread: ThreadPoolExecutor, done: Callable[[], None]) -> None:
        self._model, self._thread, self._done = model, thread, done

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._model, name)
        if name not in ("generate", "score", "likelihood", "prefill", "expand"):
            return attribute

        def compute(*args: Any, **kwargs: Any) -> Any:
            try:
                return self._thread.submit(attribute, *args, **kwargs).result()
            finally:
                self._done()

        return compute


class Stopped(Exception):
    """Somebody wants no answer any more."""


class _Asked(NamedTuple):
    """The service of one database, and its idle searches: none where the model cannot be searched."""

    service: Service
    searchers: list[Any]


class ModelWorker:
    """The services of all databases, and the threads that compute with them; `send` takes its messages.
    Raises ModelError, DatabaseError and ConfigError for what cannot be opened."""

    def __init__(self, settings: ModelSettings, send: Callable[[tuple[Any, ...]], None]) -> None:
        self.settings, self.send = settings, send
        self.statements = Statements()
        self._load_model = cache(open_model)
        self._batch_of_thread = threading.local()
        self._model = ThreadPoolExecutor(1, "model")
        self._batches = ThreadPoolExecutor(BATCHES, "batch")
        self._searches = ThreadPoolExecutor(SEARCHES, "search")
        self._answers = ThreadPoolExecutor(8, "answer")
        self._asked: dict[int, _Asked] = {}
        for number in range(len(settings.databases)):
            self.open(number)

    def open(self, number: int) -> None:
        """Open a database, with its tables as they are now."""
        from txt2sql.search.predictor import SearchOptions

        settings, searchers = self.settings, []
        service = Service(
            settings.databases[number],
            settings.model,
            limits=settings.limits,
            describe=settings.describe,
            load_model=self._load_model,
        )
        if settings.search:
            with suppress(ModelError):
                searchers += [service.searcher(SearchOptions()) for _ in range(SEARCHES)]
        shared: Any = Shared(service.direct.generator, self._model, self._computed)
        service.direct.executor, service.direct.generator = self.statements, shared
        for searcher in searchers:
            shared = Shared(searcher.engine, self._model, self._computed)
            searcher.run, searcher.engine = self.statements, shared
        self._asked[number] = _Asked(service, searchers)
        self.send(("loaded", number, Loaded(service.model, service.notice, bool(searchers))))

    def take(self, asks: Sequence[Ask]) -> None:
        """Take questions that are computed together, or one to search for."""
        served = self._asked[asks[0].database]
        for ask in asks:
            self.statements.begin(ask.id, served.service.run)
        if asks[0].simulations:
            search = partial(self._search, asks[0], served)
            self._searches.submit(self._finish, asks[0], search)
        else:
            self._batches.submit(self._batch, asks, served.service)

    def _batch(self, asks: Sequence[Ask], service: Service) -> None:
        self._batch_of_thread.computed = False
        try:
            for ask, prediction in zip(asks, self._predictions(asks, service)):
                answer = partial(self._answer, ask, service, prediction)
                self._answers.submit(self._finish, ask, answer)
        finally:
            self._computed()

    def _predictions(
        self, asks: Sequence[Ask], service: Service
    ) -> Iterator[Prediction | Exception]:
        try:
            yield from list(service.direct.predict([_example(ask) for ask in asks]))
        except Exception as problem:
            if len(asks) == 1:
                yield problem
                return
            for ask in asks:
                yield from self._predictions([ask], service)

    def _answer(self, ask: Ask, service: Service, prediction: Prediction | Exception) -> Answer:
        if isinstance(prediction, Exception):
            raise prediction
        answer = service.answer(ask.question, prediction, partial(self.statements.run, ask.id))
        if self.statements.stopped(ask.id):
            raise Stopped
        return replace(answer, previous=ask.previous, prompt=None)

    def _search(self, ask: Ask, served: _Asked) -> Answer:
        from txt2sql.search.predictor import prediction
        from txt2sql.search.states import Question

        if self.statements.stopped(ask.id):
            raise Stopped
        searcher = served.searchers.pop()
        options = searcher.options
        limits = replace(options.mcts, num_simulations=ask.simulations, seconds=ask.seconds)
        searcher.options = replace(options, mcts=limits)
        try:
            [tree] = searcher.search([Question.of(_example(ask))], self.watching(ask, options.vote))
        finally:
            searcher.options = options
            served.searchers.append(searcher)
        answer = self._answer(ask, served.service, prediction(tree))
        db_id = served.service.database.db_id
        return replace(answer, tree={**answer.tree, "db_id": db_id} if answer.tree else None)

    def watching(self, ask: Ask, vote: Any) -> Callable[[Sequence[Any]], None]:
        """What is called between the waves of a search: was it stopped, and is progress due?"""
        from txt2sql.models.vote import choose
        from txt2sql.search.predictor import scored_answers

        reported = time.perf_counter()

        def watch(trees: Sequence[Any]) -> None:
            nonlocal reported
            if self.statements.stopped(ask.id):
                raise Stopped
            if time.perf_counter() - reported < _PROGRESS_S:
                return
            reported, [tree] = time.perf_counter(), trees
            best = choose(scored_answers(tree), vote)
            sql = best[0].sql if best else None
            self.send(("progress", ask.id, tree.simulations, ask.simulations, sql))

        return watch

    def _finish(self, ask: Ask, answer: Callable[[], Answer]) -> None:
        """Send what comes of a question, whatever does."""
        try:
            self.send(("answer", ask.id, answer()))
        except Stopped:
            self.send(("stopped", ask.id))
        except Text2SQLError as problem:
            self.send(("failed", ask.id, str(problem)))
        except Exception as problem:
            traceback.print_exc()
            self.send(("failed", ask.id, f"the model failed on this ({type(problem).__name__})"))
        finally:
            self.statements.forget(ask.id)

    def _computed(self) -> None:
        """The model is free for the next batch: sent once for each, and never by a search."""
        if getattr(self._batch_of_thread, "computed", True) is False:
            self._batch_of_thread.computed = True
            self.send(("free",))


def _example(ask: Ask) -> Example:
    """The service has one database and looks at no db_id: `Statements` gets the request by it."""
    return Example(ask.id, ask.id, ask.question.strip(), previous=ask.previous)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end, with EOFError."""
    lock = threading.Lock()

    def send(message: tuple[Any, ...]) -> None:
        packed = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        with lock:
            answers.write(packed)
            answers.flush()

    try:
        worker = ModelWorker(pickle.load(requests), send)
    except Text2SQLError as problem:
        send(("broken", str(problem)))
        return
    send(("ready",))
    stops = ThreadPoolExecutor(2, "stop")
    while True:
        kind, body = pickle.load(requests)
        if kind == "ask":
            worker.take(body)
        elif kind == "stop":
            stops.submit(worker.statements.stop, body)
        else:
            try:
                worker.open(body)
            except Text2SQLError:  # it is asked with the tables that it had
                traceback.print_exc()


def main() -> None:
    """Standard output is the pipe; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        with suppress(EOFError, BrokenPipeError):
            serve(sys.stdin.buffer, answers)
    finally:
        sys.stderr.flush()
        os._exit(0)  # threads may still compute what nobody waits for
