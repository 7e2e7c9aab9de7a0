"""The process that holds the model: questions and searches in, answers out.

It is apart from the server so that the model cannot hold up the server's event loop, and so that a crash
of it (a kernel, a driver, memory) costs this process alone. Messages are pickled tuples. In: a
ModelSettings, then ("ask", [Ask, ...]), one batch of one database or one search, and ("stop", id). Out:
("ready", [Loaded, ...]), one for each database, ("free",) when the next batch can be computed, ("progress", id, simulations, of, sql),
("answer", id, Answer), ("stopped", id), ("failed", id, sentence), ("broken", sentence) at the start.

>>> python -c "from txt2sql.serving.worker import main; main()"  # doctest: +SKIP
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
    stopped: bool = False
    threads: set[int] = field(default_factory=set)
    results: dict[str, Ran] = field(default_factory=dict)


class Statements:
    """Statements by the request that wants them, so that a Stop ends the right one at the database.

    A request may have several at a time (candidates of a beam). Results stay with the request until it
    is over: choosing among candidates and answering run each statement once. As an executor, it tells
    requests apart by the db_id that their examples name. `run` executes one statement.
    """

    def __init__(self, run: Callable[..., Ran]) -> None:
        self._run = run
        self._changed = threading.Condition()
        self.requests: dict[str, _Request] = {}
        self._pool = ThreadPoolExecutor(8, "statement")

    def begin(self, request: str) -> bool:
        """From now on the request can be stopped; False for one that is under way."""
        with self._changed:
            new = _Request()
            return self.requests.setdefault(request, new) is new

    def run(self, request: str, sql: str, *options: Any) -> Ran:
        """Run a statement for a request, once; one that was stopped runs nothing more."""
        thread = threading.get_ident()
        with self._changed:
            state = self.requests.setdefault(request, _Request())
            if state.stopped:
                return sql, STOPPED
            if sql in state.results:
                return state.results[sql]
            state.threads.add(thread)
        try:
            result = state.results[sql] = self._run(sql, *options)
        finally:
            with self._changed:
                state.threads.discard(thread)
                self._changed.notify_all()
        return result

    def __call__(self, db_id: str, sql: str) -> QueryResult:
        return self.run(db_id, sql)[1]

    def ahead(self, statements: Sequence[tuple[str, str]]) -> None:
        """Run statements of several requests at the same time; `run` then has their results."""
        list(self._pool.map(lambda pair: self.run(*pair), dict.fromkeys(statements)))

    def stop(self, request: str) -> None:
        """End what runs for a request, and all that it would still run; returns when it has."""
        with self._changed:
            state = self.requests.get(request, _Request())
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
    """A generator, or an engine of a search, that computes in one thread, in the order it is asked.

    A batch of questions computes, then runs SQL, which may take seconds; a search computes a wave, then
    checks its steps. Whoever computes has the thread and nothing longer: beside one search, a batch of
    questions waits for one wave at most. `done` is called after each.
    """

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


class ModelWorker:
    """One service, and the threads that compute with it; `send` takes its messages. With `search`,
    questions may be searched for, where the model can be searched. Models compute in `thread`."""

    def __init__(
        self,
        service: Service,
        search: bool,
        send: Callable[[tuple[Any, ...]], None],
        thread: ThreadPoolExecutor | None = None,
    ) -> None:
        from txt2sql.search.predictor import SearchOptions, SearchPredictor

        self.service, self.send = service, send
        self.statements = Statements(service.run)
        self._batch_of_thread = threading.local()
        self._idle: list[SearchPredictor] = []
        with suppress(ModelError):
            self._idle += [service.searcher(SearchOptions()) for _ in range(SEARCHES * search)]
        self.searchable = bool(self._idle)
        thread = thread or ThreadPoolExecutor(1, "model")
        shared: Any = Shared(service.direct.generator, thread, self._computed)
        service.direct.executor, service.direct.generator = self.statements, shared
        for searcher in self._idle:
            shared = Shared(searcher.engine, thread, self._computed)
            searcher.run, searcher.engine = self.statements, shared
        self._batches = ThreadPoolExecutor(BATCHES, "batch")
        self._searches = ThreadPoolExecutor(SEARCHES, "search")
        self._answers = ThreadPoolExecutor(8, "answer")

    def take(self, asks: Sequence[Ask]) -> None:
        """Take questions that are computed together, or one to search for."""
        for ask in asks:
            self.statements.begin(ask.id)
        if asks[0].simulations:
            self._searches.submit(self._finish, asks[0], partial(self._search, asks[0]))
        else:
            self._batches.submit(self._batch, asks)

    def _batch(self, asks: Sequence[Ask]) -> None:
        self._batch_of_thread.computed = False
        try:
            for ask, prediction in zip(asks, self._predictions(asks)):
                self._answers.submit(self._finish, ask, partial(self._answer, ask, prediction))
        finally:
            self._computed()

    def _predictions(self, asks: Sequence[Ask]) -> Iterator[Prediction | Exception]:
        """One for each; where one of a batch cannot be asked, each is asked alone."""
        try:
            yield from list(self.service.direct.predict([_example(ask) for ask in asks]))
        except Exception as problem:
            if len(asks) == 1:
                yield problem
                return
            for ask in asks:
                yield from self._predictions([ask])

    def _answer(self, ask: Ask, prediction: Prediction | Exception) -> Answer:
        if isinstance(prediction, Exception):
            raise prediction
        run = partial(self.statements.run, ask.id)
        answer = self.service.answer(ask.question, prediction, run)
        if self.statements.stopped(ask.id):
            raise Stopped
        return replace(answer, previous=ask.previous, prompt=None)

    def _search(self, ask: Ask) -> Answer:
        from txt2sql.search.predictor import prediction
        from txt2sql.search.states import Question

        if self.statements.stopped(ask.id):
            raise Stopped
        searcher = self._idle.pop()
        options = searcher.options
        limits = replace(options.mcts, num_simulations=ask.simulations, seconds=ask.seconds)
        searcher.options = replace(options, mcts=limits)
        try:
            [tree] = searcher.search([Question.of(_example(ask))], self.watching(ask, options.vote))
        finally:
            searcher.options = options
            self._idle.append(searcher)
        answer = self._answer(ask, prediction(tree))
        db_id = self.service.database.db_id
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

    settings: ModelSettings = pickle.load(requests)
    thread = ThreadPoolExecutor(1, "model")
    options: dict[str, Any] = {
        "limits": settings.limits,
        "describe": settings.describe,
        "load_model": cache(open_model),
    }
    try:
        services = [Service(each, settings.model, **options) for each in settings.databases]
        workers = [ModelWorker(each, settings.search > 0, send, thread) for each in services]
    except Text2SQLError as problem:
        send(("broken", str(problem)))
        return
    loaded = [Loaded(w.service.model, w.service.notice, w.searchable) for w in workers]
    send(("ready", loaded))
    stops = ThreadPoolExecutor(2, "stop")
    while True:
        kind, body = pickle.load(requests)
        if kind == "ask":
            workers[body[0].database].take(body)
        else:
            for worker in workers:
                stops.submit(worker.statements.stop, body)


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
