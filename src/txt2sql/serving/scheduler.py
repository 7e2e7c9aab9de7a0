"""The scheduler: a bounded queue in front of the model's process, batches out of it, and fair turns.

Questions that wait when the model becomes free are computed as one batch (dynamic batching), clients by
turns; searches run beside them. Every accepted request ends in exactly one of answer, stopped, failed: also
when its deadline passes, when the process dies or hangs (it is asked once more, alone), or at the end.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import pickle
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import prometheus_client as prometheus

from txt2sql.errors import ModelError
from txt2sql.serving.worker import BATCHES, SEARCHES, Ask, Loaded, ModelSettings

CLIENT: ContextVar[str] = ContextVar("client", default="")
"""For whom something is done: the remote address of a request, "" where there is none."""
CLOSING = "the server is shutting down"
IN_USE = "a request of this id is under way; make a new one"
ENDS = frozenset({"answer", "stopped", "failed"})
_ALIVE_S = 15.0
_ATTEMPTS = 2
_LEAST_SEARCH_S = 0.1
_SEARCHES_WAITING = 8
_HUNG_S = 30.0
"""How long after its deadline a question may be with the model before its process is taken to hang."""
_STARTS = 3
_RESTART_S, _LONGEST_RESTART_S = 0.5, 30.0
_SECONDS, _SIZES = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60), (1, 2, 4, 8, 16, 32, 64)
_log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Load:
    """How much is taken on: questions that may wait (and as many statements), questions computed
    together, and the seconds after which an accepted question is given up."""

    queue: int = 64
    batch: int = 16
    deadline_s: float = 60.0


class Refused(Exception):
    """Why something is not done, in one sentence; `status` is HTTP's word for it. After `seconds`, it
    may be tried again."""

    def __init__(self, sentence: str, status: int, seconds: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = {} if seconds is None else {"Retry-After": str(seconds)}


class Event(NamedTuple):
    """What happens to a request: queued, started, progress, alive (nothing for a while), one of ENDS."""

    kind: str
    value: Any = None


@dataclass(eq=False)
class Ticket:
    """An accepted request. `follows` is the id of the answer that `ask.previous` is."""

    ask: Ask
    follows: str | None = None
    attempts: int = 0
    over: bool = False
    started: float = 0.0
    accepted: float = field(default_factory=time.monotonic)
    _events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    def add(self, kind: str, value: Any = None) -> None:
        """Add an event; nothing follows an end."""
        if not self.over:
            self.over = kind in ENDS
            self._events.put_nowait(Event(kind, value))

    def goes_with(self, other: Ticket) -> bool:
        """Whether another may be computed in one batch with it."""
        return not other.attempts and other.ask.database == self.ask.database

    async def events(self) -> AsyncIterator[Event]:
        """Everything that happens to it, the end last."""
        event = Event("")
        while event.kind not in ENDS:
            try:
                event = await asyncio.wait_for(self._events.get(), _ALIVE_S)
            except asyncio.TimeoutError:
                event = Event("alive")
            yield event


class FairQueue(Generic[T]):
    """A queue that clients take turns in. It is full at `most`, at twice that for a client with nothing
    in it: nobody keeps the others out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._items: list[tuple[object, T]] = []  # with their clients, in the order of their turns

    def __len__(self) -> int:
        return len(self._items)

    def full(self, client: str) -> bool:
        """Whether no more of a client's may wait."""
        waits = any(owner == client for owner, _ in self._items)
        return len(self) >= (self.most if waits else 2 * self.most)

    def before(self, client: object) -> int:
        """How many go before the next that a client adds: after its last, one of each other client."""
        clients = [owner for owner, _ in self._items]
        seen: set[object] = set()
        own = [place for place, owner in enumerate(clients, 1) if owner == client]
        for place in range(own[-1] if own else 0, len(clients)):
            if clients[place] in seen:
                return place
            seen.add(clients[place])
        return len(clients)

    def add(self, client: object, item: T) -> None:
        """Let it wait for the client's next turn."""
        self._items.insert(self.before(client), (client, item))

    def put_back(self, item: T) -> None:
        """Before everything, as of a client of its own."""
        self._items.insert(0, (object(), item))

    @property
    def head(self) -> T:
        return self._items[0][1]

    def take(self) -> T:
        return self._items.pop(0)[1]

    def take_more(self, most: int, fits: Callable[[T], bool]) -> list[T]:
        """The next that fit."""
        taken = [item for _, item in self._items if fits(item)][:most]
        self._items = [pair for pair in self._items if pair[1] not in taken]
        return taken

    def remove(self, item: T) -> None:
        """Take one out, if it is there; the turns of the rest are fair again."""
        rest = [each for each in self._items if each[1] != item]
        if len(rest) < len(self):
            self._items = []
            for client, each in rest:
                self.add(client, each)


class Metrics:
    """What is counted, for Prometheus: two services in one process do not count each other's."""

    def __init__(self) -> None:
        self.registry = registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        prometheus.PlatformCollector(registry=registry)
        own: dict[str, Any] = {"namespace": "txt2sql", "registry": registry}
        counter: Any = partial(prometheus.Counter, **own)
        gauge: Any = partial(prometheus.Gauge, **own)
        histogram: Any = partial(prometheus.Histogram, **own)
        self.requests = counter("requests", "Requests by route and status", ("path", "status"))
        self.ends = counter("questions", "Accepted questions by kind and end", ("kind", "end"))
        what = "From the question to its answer"
        self.seconds = histogram("question_seconds", what, ("kind",), buckets=_SECONDS)
        self.batch = histogram("batch_size", "Questions computed together", buckets=_SIZES)
        what = "Questions and statements refused because too many waited, or they too long"
        self.refused = counter("refused", what, ("kind",))
        for kind in ("question", "statement"):
            self.refused.labels(kind)
        self.waiting = gauge("waiting", "Questions in the queue")
        self.open = gauge("open", "Questions accepted and not yet answered")
        self.model_up = gauge("model_up", "1 while the model's process can answer")
        self.restarts = gauge("model_restarts", "How often the model's process was started again")


class Scheduler:
    """Requests in, events out; all of it on one event loop."""

    def __init__(self, settings: ModelSettings, load: Load, metrics: Metrics) -> None:
        self.settings, self.load, self.metrics = settings, load, metrics
        self.loaded = [Loaded()] * len(settings.databases)
        self.broken: str | None = None
        self.ready = self.closing = self._was_ready = False
        self.restarts = 0
        self.open: dict[str, Ticket] = {}
        """Requests that were accepted and have no end yet."""
        self._queues: dict[str, FairQueue[Ticket]] = {
            "greedy": FairQueue(load.queue),
            "search": FairQueue(_SEARCHES_WAITING),
        }
        self._seconds = {"greedy": 1.0, "search": 1.0}  # that the last batch, the last search took
        self._running: dict[str, Ticket] = {}
        self._free, self._computing_since = True, 0.0
        self._hung_s = load.deadline_s + _HUNG_S
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        metrics.waiting.set_function(lambda: self.waiting)
        metrics.open.set_function(lambda: len(self.open))
        metrics.model_up.set_function(lambda: self.ready)
        metrics.restarts.set_function(lambda: self.restarts)

    def submit(self, ask: Ask, client: str = "", follows: str | None = None) -> Ticket:
        """Accept a request of a client. Raises Refused."""
        if problem := CLOSING if self.closing else self.broken:
            raise Refused(problem, 503)
        if ask.id in self.open:
            raise Refused(IN_USE, 422)
        queue = self._queues[ask.kind]
        before = queue.before(client)
        turns = before / SEARCHES if ask.simulations else math.ceil(before / self.load.batch)
        wait = turns * self._seconds[ask.kind]
        if queue.full(client) or wait > self.load.deadline_s:
            self.metrics.refused.labels("question").inc()
            again = max(1, min(60, math.ceil(wait)))
            raise Refused(f"too many questions are waiting; ask again in {again} s", 429, again)
        ticket = self.open[ask.id] = Ticket(ask, follows)
        queue.add(client, ticket)
        ticket.add("queued", before + 1)
        late = f"no answer within {self.load.deadline_s:g} s; ask again later"
        loop = asyncio.get_running_loop()
        loop.call_later(self.load.deadline_s, self._end, ticket, "failed", late)
        self._dispatch()
        return ticket

    def stop(self, id: str) -> bool:
        """End a request; False when there is none of that id."""
        if id not in self.open:
            return False
        self._end(self.open[id], "stopped")
        return True

    def refresh(self, database: int) -> None:
        """Have the model read the tables of one database anew before it is asked again."""
        self._send("refresh", database)

    @property
    def waiting(self) -> int:
        """Requests in the queues."""
        return sum(map(len, self._queues.values()))

    def _end(self, ticket: Ticket, kind: str, value: Any = None) -> None:
        if ticket.over:
            return
        ticket.add(kind, value)
        self.metrics.ends.labels(ticket.ask.kind, kind).inc()
        if kind == "answer":
            seconds = time.monotonic() - ticket.accepted
            self.metrics.seconds.labels(ticket.ask.kind).observe(seconds)
        del self.open[ticket.ask.id]
        self._queues[ticket.ask.kind].remove(ticket)
        if ticket.ask.id in self._running:
            self._send("stop", ticket.ask.id)

    def _dispatch(self) -> None:
        questions, searches = self._queues.values()
        while self._free and self._may_go("greedy", BATCHES * self.load.batch):
            self._free, self._computing_since = False, time.monotonic()
            first = questions.take()
            batch = [first]
            if not first.attempts:
                batch += questions.take_more(self.load.batch - 1, first.goes_with)
            self.metrics.batch.observe(len(batch))
            self._start(batch)
        while self._may_go("search", SEARCHES):
            self._start([searches.take()])

    def _may_go(self, kind: str, most: int) -> bool:
        """Whether the first of a queue may be sent now. What a process died of is asked again only
        while nothing else is, so that it takes nothing with it when it was to blame."""
        queue, running = self._queues[kind], self._running.values()
        if not self.ready or not queue or any(ticket.attempts > 1 for ticket in running):
            return False
        if queue.head.attempts and running:
            return False
        return sum(ticket.ask.kind == kind for ticket in running) < most

    def _start(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            ticket.attempts += 1
            ticket.started = time.monotonic()
            if ticket.ask.simulations:  # of the time that is left, some is for the answer
                left = self.load.deadline_s - (ticket.started - ticket.accepted)
                ticket.ask = replace(ticket.ask, seconds=max(_LEAST_SEARCH_S, 0.9 * left))
            self._running[ticket.ask.id] = ticket
            ticket.add("started")
        asyncio.get_running_loop().call_later(self._hung_s, self._overdue, self._hung_s)
        self._send("ask", [ticket.ask for ticket in tickets])

    def _overdue(self, seconds: float) -> None:
        began = min((t.started for t in self._running.values()), default=math.inf)
        if time.monotonic() >= began + seconds:
            _log.warning("the model gave no answer for %g s and is started again", seconds)
            self.restart()

    def _send(self, kind: str, body: Any) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(pickle.dumps((kind, body)))

    async def start(self) -> None:
        """Start the model's process, keep one running, and wait until it answers. Raises ModelError
        when it cannot be loaded."""
        self._keeper = self._keeper or asyncio.create_task(self._keep())
        while not self.ready:
            if self.broken is not None:
                raise ModelError(self.broken)
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """End everything; what is still open fails."""
        self.closing = True
        for ticket in list(self.open.values()):
            self._end(ticket, "failed", f"{CLOSING}; ask again later")
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is not None:
            self.restart()
            await self._process.wait()

    def restart(self) -> None:
        """End the model's process; another is started and asked what this one had."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _keep(self) -> None:
        pause, tries = 0.0, 0
        while True:
            await self._run()
            tries += 1
            answered, self.ready = self.ready, False
            if not self._was_ready and tries == _STARTS and self.broken is None:
                self.broken = "the model's process does not start; its errors are on the console"
            self._changed.set()
            if self.broken is not None:
                for ticket in list(self.open.values()):
                    self._end(ticket, "failed", self.broken)
                return
            lost, self._running, self._free = self._running, {}, True
            for ticket in reversed(lost.values()):
                if ticket.attempts == _ATTEMPTS:
                    sentence = "the model's process ended twice on this; ask otherwise"
                    self._end(ticket, "failed", sentence)
                elif not ticket.over:
                    self._queues[ticket.ask.kind].put_back(ticket)
            self.restarts += 1
            pause = 0.0 if answered else min(max(2 * pause, _RESTART_S), _LONGEST_RESTART_S)
            await asyncio.sleep(pause)

    async def _run(self) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from txt2sql.serving.worker import main; main()"
        pipes: dict[str, Any] = {"stdin": asyncio.subprocess.PIPE}
        reading, pipes["stdout"] = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, start_new_session=True, **pipes
            )
        finally:
            os.close(pipes["stdout"])
        assert self._process.stdin is not None
        self._process.stdin.write(pickle.dumps(self.settings))
        loop = asyncio.get_running_loop()

        def listen() -> None:
            with open(reading, "rb") as answers, suppress(EOFError, pickle.UnpicklingError):
                while True:
                    loop.call_soon_threadsafe(self._hear, *pickle.load(answers))

        try:
            await asyncio.to_thread(listen)
        finally:
            self.restart()  # what nobody listens to
        await self._process.wait()

    def _hear(self, kind: str, *rest: Any) -> None:
        if kind == "loaded":
            self.loaded[rest[0]] = rest[1]
        elif kind == "ready":
            self.ready = self._was_ready = True
            self._changed.set()
        elif kind == "broken":
            self.broken = None if self._was_ready else rest[0]
        elif kind == "free":
            self._free = True
            self._seconds["greedy"] = time.monotonic() - self._computing_since
        elif ticket := self._running.get(rest[0]):
            if kind == "progress":
                ticket.add(kind, rest[1:])
            else:
                del self._running[rest[0]]
                if ticket.ask.simulations:
                    self._seconds["search"] = time.monotonic() - ticket.started
                self._end(ticket, kind, *rest[1:])
        self._dispatch()
