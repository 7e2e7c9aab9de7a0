"""The process that holds the model: batches of questions and searches in, answers out.

It is apart from the server so that torch cannot hold up the server's event loop, and so that a crash
of it (a kernel, a driver, memory) costs this process alone; the server starts another and asks again.

In: ("batch", [Ask, ...]), ("search", Ask), ("stop", id). Out: ("ready", model, notice, searchable),
("free",) when the next batch can be computed, ("progress", id, simulations, of, sql),
("answer", id, Answer), ("stopped", id), ("failed", id, sentence), ("broken", sentence) at the start.

>>> python -c "from txt2sql.serving.model_process import main; main()"  # doctest: +SKIP
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, BinaryIO

from txt2sql.errors import Text2SQLError
from txt2sql.serving import messages
from txt2sql.serving.messages import Ask, ModelSettings
from txt2sql.serving.service import Answer, Service
from txt2sql.serving.statements import Statements
from txt2sql.serving.turns import SharedEngine, SharedGenerator, Turn
from txt2sql.types import Example, Prediction

_PROGRESS_S = 0.25


class Stopped(Exception):
    """Somebody wants no answer any more."""


class Room:
    """One service, and who computes with it."""

    def __init__(
        self,
        service: Service,
        settings: ModelSettings,
        send: Callable[[tuple[Any, ...]], None],
    ) -> None:
        self.service, self.send = service, send
        self.statements = Statements(service.run)
        self._local = threading.local()
        turn = Turn()
        searchers = _searchers(service, settings)
        self.searchable = bool(searchers)
        direct = service.direct
        direct.executor = self.statements
        direct.generator = SharedGenerator(direct.generator, turn, self._computed)
        for each in searchers:
            each.run = self.statements
            each.engine = SharedEngine(each.engine, turn)
        self._idle = list(searchers)
        self._batches = ThreadPoolExecutor(settings.batches, "batch")
        self._searches = ThreadPoolExecutor(max(1, settings.searches), "search")
        self._answers = ThreadPoolExecutor(8, "answer")

    def batch(self, asked: Sequence[Ask]) -> None:
        """Take questions that are computed together."""
        for each in asked:
            self.statements.begin(each.id)
        self._batches.submit(self._batch, asked)

    def search(self, asked: Ask) -> None:
        """Take a question to search for."""
        self.statements.begin(asked.id)
        self._searches.submit(self._guarded, asked, lambda: self._search(asked))

    def _batch(self, asked: Sequence[Ask]) -> None:
        self._local.computed = False
        try:
            for each, prediction in zip(asked, self._predictions(asked)):
                self._answers.submit(self._guarded, each, self._answering(each, prediction))
        finally:
            self._computed()

    def _predictions(self, asked: Sequence[Ask]) -> Iterator[Prediction | Exception]:
        """As many as were asked; where one of a batch cannot be asked, each is asked alone."""
        examples = [_example(each) for each in asked]
        try:
            yield from list(self.service.direct.predict(examples))
        except Exception as problem:
            if len(examples) == 1:
                yield problem
                return
            for each in asked:
                yield from self._predictions([each])

    def _answering(self, asked: Ask, prediction: Prediction | Exception) -> Callable[[], Answer]:
        def answer() -> Answer:
            if isinstance(prediction, Exception):
                raise prediction
            return self._answer(asked, prediction)

        return answer

    def _answer(self, asked: Ask, prediction: Prediction) -> Answer:
        def run(sql: str) -> Any:
            return self.statements.run(asked.id, sql)

        answer = self.service.answer(asked.question, prediction, run)
        answer = replace(answer, previous=asked.previous)
        if self.statements.stopped(asked.id):
            raise Stopped
        return answer

    def _search(self, asked: Ask) -> Answer:
        from txt2sql.search.predictor import prediction
        from txt2sql.search.state import Question

        if self.statements.stopped(asked.id):
            raise Stopped
        searcher = self._idle.pop()
        options = searcher.options
        limits = replace(options.mcts, num_simulations=asked.simulations, seconds=asked.seconds)
        searcher.options = replace(options, mcts=limits)
        try:
            [found] = searcher.search([Question.of(_example(asked))], _Watch(self, asked, searcher))
        finally:
            searcher.options = options
            self._idle.append(searcher)
        answer = self._answer(asked, prediction(found))
        tree = {**answer.tree, "db_id": self.service.database.db_id} if answer.tree else None
        return replace(answer, tree=tree)

    def _guarded(self, asked: Ask, answer: Callable[[], Answer]) -> None:
        """Send what comes of a question, whatever does."""
        try:
            found = answer()
            self.send(("answer", asked.id, replace(found, prompt=None)))
        except Stopped:
            self.send(("stopped", asked.id))
        except Text2SQLError as problem:
            self.send(("failed", asked.id, str(problem)))
        except Exception as problem:
            traceback.print_exc()
            self.send(("failed", asked.id, f"the model failed on this ({type(problem).__name__})"))
        finally:
            self.statements.forget(asked.id)

    def _computed(self) -> None:
        """The model is free for the next batch: said once for each, and never by a search."""
        if getattr(self._local, "computed", True) is False:
            self._local.computed = True
            self.send(("free",))


class _Watch:
    """Between the waves of a search: is it stopped, and what is to be told of it?"""

    def __init__(self, room: Room, asked: Ask, searcher: Any) -> None:
        self.room, self.asked, self.searcher = room, asked, searcher
        self.told = time.perf_counter()

    def __call__(self, trees: Sequence[Any]) -> None:
        if self.room.statements.stopped(self.asked.id):
            raise Stopped
        if time.perf_counter() - self.told < _PROGRESS_S:
            return
        from txt2sql.search.predictor import ballots
        from txt2sql.search.vote import choose

        self.told = time.perf_counter()
        tree = trees[0]
        best = choose(ballots(tree), self.searcher.options.vote)
        sql = best[0].sql if best else None
        self.room.send(("progress", self.asked.id, tree.simulations, self.asked.simulations, sql))


def _example(asked: Ask) -> Example:
    """`Statements` tells requests apart by db_id; the service has one database and looks at none."""
    return Example(asked.id, asked.id, asked.question.strip(), previous=asked.previous)


def _searchers(service: Service, settings: ModelSettings) -> list[Any]:
    """A predictor for each search at a time; none where the model cannot be searched."""
    from txt2sql.errors import ModelError
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
            messages.send(answers, message)

    (settings,) = messages.receive(requests)
    try:
        service = Service(
            settings.database,
            settings.model,
            limits=settings.limits,
            constrained=settings.constrained,
            describe=settings.describe,
        )
        room = Room(service, settings, send)
    except Text2SQLError as problem:
        send(("broken", str(problem)))
        return
    send(("ready", service.model, service.notice, room.searchable))
    stops = ThreadPoolExecutor(2, "stop")
    while True:
        kind, body = messages.receive(requests)
        if kind == "batch":
            room.batch(body)
        elif kind == "search":
            room.search(body)
        elif kind == "stop":
            stops.submit(room.statements.stop, body)


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
