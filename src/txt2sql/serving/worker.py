"""The process that holds the model: batches of questions and searches in, answers out.

It is apart from the server so that the model cannot hold up the server's event loop, and so that a crash
of it (a kernel, a driver, memory) costs this process alone; the server starts another and asks again.
Both ends of the pipe are this program on this machine: messages are pickled tuples with their length.

In: ("batch", [Ask, ...]), ("search", Ask), ("stop", id). Out: ("ready", model, notice, searchable),
("free",) when the next batch can be computed, ("progress", id, simulations, of, sql),
("answer", id, Answer), ("stopped", id), ("failed", id, sentence), ("broken", sentence) at the start.

>>> python -c "from txt2sql.serving.worker import main; main()"  # doctest: +SKIP
"""

from __future__ import annotations

import math
import os
import pickle
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from txt2sql.errors import ModelError, Text2SQLError
from txt2sql.execution.pool import DEFAULT_LIMITS, Limits, interrupt
from txt2sql.serving.service import Answer, Service
from txt2sql.types import (
    Completion,
    Example,
    Generator,
    Prediction,
    Prompt,
    QueryResult,
    Sampling,
    Turn,
)

if TYPE_CHECKING:
    from txt2sql.models.tree_decoder import Engine, Place, Step

HEADER = struct.Struct(">Q")
STOPPED = QueryResult(error="stopped")
_INTERRUPT_AGAIN_S = 0.02
_PROGRESS_S = 0.25

Ran = tuple[str, QueryResult]
"""A statement in the database's dialect, and its result."""


# ----------------------------------------------------------------------------------------- messages


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What the worker opens. `search`: the most simulations a question may ask for."""

    database: str
    model: str | Path | Generator | None = None
    limits: Limits = DEFAULT_LIMITS
    constrained: bool = True
    search: int = 100
    searches: int = 2
    """Searches at the same time."""
    batches: int = 4
    """Batches at the same time: one computes while the statements of others run."""
    describe: Path | None = None
    """A file of what tables and columns mean."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One question. `simulations` 0 is one greedy answer; a search ends after `seconds`. `previous` is
    what it follows, and `follows` the id of that answer where it is stored.
    """

    id: str
    question: str
    simulations: int = 0
    seconds: float | None = None
    previous: Turn | None = None
    follows: str | None = None


def pack(message: tuple[Any, ...]) -> bytes:
    """A message as it goes through a pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body


def receive(stream: BinaryIO) -> tuple[Any, ...]:
    """Read one message; EOFError when the other end has gone."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        raise EOFError
    (size,) = HEADER.unpack(header)
    body = stream.read(size)
    if len(body) < size:
        raise EOFError
    message: tuple[Any, ...] = pickle.loads(body)
    return message


# --------------------------------------------------------------------------------------- statements


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

    def __init__(self, run: Callable[[str], Ran], together: int = 8) -> None:
        self._run = run
        self._changed = threading.Condition()
        self._requests: dict[str, _Request] = {}
        self._pool = ThreadPoolExecutor(together, "statement")

    def begin(self, request: str) -> None:
        """A request begins: from now on it can be stopped."""
        with self._changed:
            self._requests.setdefault(request, _Request())

    def run(self, request: str, sql: str, run: Callable[[str], Ran] | None = None) -> Ran:
        """Run a statement for a request, once; one that was stopped runs nothing more. `run` has
        other limits than usual."""
        thread = threading.get_ident()
        with self._changed:
            state = self._requests.setdefault(request, _Request())
            if state.stopped:
                return sql, STOPPED
            if sql in state.results:
                return state.results[sql]
            state.threads.add(thread)
        try:
            result = (run or self._run)(sql)
        finally:
            with self._changed:
                state.threads.discard(thread)
                self._changed.notify_all()
        state.results[sql] = result
        return result

    def __call__(self, db_id: str, sql: str) -> QueryResult:
        """See `types.Executor`."""
        return self.run(db_id, sql)[1]

    def ahead(self, statements: Sequence[tuple[str, str]]) -> None:
        """Run statements of several requests at the same time; `run` then has their results."""
        list(self._pool.map(lambda pair: self.run(*pair), dict.fromkeys(statements)))

    def stop(self, request: str) -> None:
        """End what runs for a request, and all that it would still run; returns when it has."""
        with self._changed:
            state = self._requests.get(request)
            if state is None:
                return
            state.stopped = True
            while state.threads:
                # A thread that is about to hand its statement on cannot be interrupted yet.
                for thread in state.threads:
                    interrupt(thread)
                self._changed.wait(_INTERRUPT_AGAIN_S)

    def stopped(self, request: str) -> bool:
        """True after a Stop."""
        with self._changed:
            state = self._requests.get(request)
            return state is not None and state.stopped

    def forget(self, request: str) -> None:
        """The request is over."""
        with self._changed:
            self._requests.pop(request, None)


# ------------------------------------------------------------------------------- sharing one model


class TicketLock:
    """A lock that is had in the order it was asked for.

    A batch of questions computes, then runs SQL, which may take seconds; a search computes a wave, then
    checks its steps. Whoever computes holds the lock and nothing longer: beside one search, a batch of
    questions waits for one wave at most.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next = self._serving = 0

    def __enter__(self) -> None:
        with self._changed:
            ticket, self._next = self._next, self._next + 1
            self._changed.wait_for(lambda: self._serving == ticket)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._serving += 1
            self._changed.notify_all()


class SharedGenerator:
    """A Generator that computes under the lock; `done` is called after each."""

    def __init__(self, generator: Generator, lock: TicketLock, done: Callable[[], None]) -> None:
        self._generator, self._lock, self._done = generator, lock, done
        self.name = generator.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """See `Generator.generate`."""
        try:
            with self._lock:
                return self._generator.generate(prompts, sampling)
        finally:
            self._done()


class SharedEngine:
    """An Engine of a search that computes under the lock."""

    def __init__(self, engine: Engine, lock: TicketLock) -> None:
        self._engine, self._lock, self.name = engine, lock, engine.name

    def prefill(self, prompts: Sequence[Prompt]) -> list[Place]:
        """See `Engine.prefill`."""
        with self._lock:
            return self._engine.prefill(prompts)

    def expand(
        self, places: Sequence[Place], until: float = math.inf
    ) -> list[tuple[Place, tuple[Step, ...], int]]:
        """See `Engine.expand`."""
        with self._lock:
            return self._engine.expand(places, until)

    def score(self, places: Sequence[Place]) -> list[float]:
        """See `Engine.score`."""
        with self._lock:
            return self._engine.score(places)

    def free(self, root: Place) -> None:
        """See `Engine.free`."""
        self._engine.free(root)


# --------------------------------------------------------------------------------------- the worker


class Stopped(Exception):
    """Somebody wants no answer any more."""


class ModelWorker:
    """One service, and the threads that compute with it; `send` takes its messages."""

    def __init__(
        self,
        service: Service,
        settings: ModelSettings,
        send: Callable[[tuple[Any, ...]], None],
    ) -> None:
        self.service, self.send = service, send
        self.statements = Statements(service.run)
        self._batch_of_thread = threading.local()
        lock = TicketLock()
        self._idle = _searchers(service, settings)
        self.searchable = bool(self._idle)
        service.direct.executor = self.statements
        service.direct.generator = SharedGenerator(service.direct.generator, lock, self._computed)
        for searcher in self._idle:
            searcher.run = self.statements
            searcher.engine = SharedEngine(searcher.engine, lock)
        self._batches = ThreadPoolExecutor(settings.batches, "batch")
        self._searches = ThreadPoolExecutor(max(1, settings.searches), "search")
        self._answers = ThreadPoolExecutor(8, "answer")

    def batch(self, asks: Sequence[Ask]) -> None:
        """Take questions that are computed together."""
        for ask in asks:
            self.statements.begin(ask.id)
        self._batches.submit(self._batch, asks)

    def search(self, ask: Ask) -> None:
        """Take a question to search for."""
        self.statements.begin(ask.id)
        self._searches.submit(self._finish, ask, lambda: self._search(ask))

    def _batch(self, asks: Sequence[Ask]) -> None:
        self._batch_of_thread.computed = False
        try:
            for ask, prediction in zip(asks, self._predictions(asks)):
                self._answers.submit(self._finish, ask, self._answering(ask, prediction))
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

    def _answering(self, ask: Ask, prediction: Prediction | Exception) -> Callable[[], Answer]:
        def answer() -> Answer:
            if isinstance(prediction, Exception):
                raise prediction
            return self._answer(ask, prediction)

        return answer

    def _answer(self, ask: Ask, prediction: Prediction) -> Answer:
        answer = self.service.answer(
            ask.question, prediction, lambda sql: self.statements.run(ask.id, sql)
        )
        if self.statements.stopped(ask.id):
            raise Stopped
        return replace(answer, previous=ask.previous)

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
            [tree] = searcher.search(
                [Question.of(_example(ask))], SearchMonitor(self, ask, searcher)
            )
        finally:
            searcher.options = options
            self._idle.append(searcher)
        answer = self._answer(ask, prediction(tree))
        db_id = self.service.database.db_id
        return replace(answer, tree={**answer.tree, "db_id": db_id} if answer.tree else None)

    def _finish(self, ask: Ask, answer: Callable[[], Answer]) -> None:
        """Send what comes of a question, whatever does."""
        try:
            self.send(("answer", ask.id, replace(answer(), prompt=None)))
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


class SearchMonitor:
    """Between the waves of a search: was it stopped, and is progress due?"""

    def __init__(self, worker: ModelWorker, ask: Ask, searcher: Any) -> None:
        self.worker, self.ask, self.searcher = worker, ask, searcher
        self.reported = time.perf_counter()

    def __call__(self, trees: Sequence[Any]) -> None:
        if self.worker.statements.stopped(self.ask.id):
            raise Stopped
        if time.perf_counter() - self.reported < _PROGRESS_S:
            return
        from txt2sql.models.vote import choose
        from txt2sql.search.predictor import scored_answers

        self.reported = time.perf_counter()
        tree = trees[0]
        best = choose(scored_answers(tree), self.searcher.options.vote)
        sql = best[0].sql if best else None
        self.worker.send(("progress", self.ask.id, tree.simulations, self.ask.simulations, sql))


def _example(ask: Ask) -> Example:
    """The service has one database and looks at no db_id: `Statements` gets the request by it."""
    return Example(ask.id, ask.id, ask.question.strip(), previous=ask.previous)


def _searchers(service: Service, settings: ModelSettings) -> list[Any]:
    """A predictor for each search at a time; none where the model cannot be searched."""
    from txt2sql.search.predictor import SearchOptions

    try:
        count = settings.searches if settings.search else 0
        return [service.searcher(SearchOptions()) for _ in range(count)]
    except ModelError:
        return []


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end."""
    lock = threading.Lock()

    def send(message: tuple[Any, ...]) -> None:
        with lock:
            answers.write(pack(message))
            answers.flush()

    (settings,) = receive(requests)
    try:
        service = Service(
            settings.database,
            settings.model,
            limits=settings.limits,
            constrained=settings.constrained,
            describe=settings.describe,
        )
        worker = ModelWorker(service, settings, send)
    except Text2SQLError as problem:
        send(("broken", str(problem)))
        return
    send(("ready", service.model, service.notice, worker.searchable))
    stops = ThreadPoolExecutor(2, "stop")
    while True:
        kind, body = receive(requests)
        if kind == "batch":
            worker.batch(body)
        elif kind == "search":
            worker.search(body)
        elif kind == "stop":
            stops.submit(worker.statements.stop, body)


def main() -> None:
    """Standard output is the pipe; what a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, answers)
    except (EOFError, BrokenPipeError):
        pass
    finally:
        sys.stderr.flush()
        os._exit(0)  # threads may still compute what nobody waits for
