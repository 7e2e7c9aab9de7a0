"""Requests that wait: fair turns of clients, and what becomes of an accepted request.

Of what waits, one client's is taken after the other's, each client's own in order.

>>> queue = FairQueue[str](64)
>>> for client, item in (("a", "a1"), ("a", "a2"), ("b", "b1")):
...     queue.add(client, item)
>>> [queue.take() for _ in range(len(queue))]
['a1', 'b1', 'a2']
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from txt2sql.serving.worker import Ask

CLIENT: ContextVar[str] = ContextVar("client", default="")
"""For whom something is done: the remote address of a request, "" where there is none."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Load:
    """How much is taken on: questions and searches that may wait, questions computed together, and
    the seconds after which an accepted request is given up. Of statements, `queue` may wait, too,
    each `statement_wait_s` at most."""

    queue: int = 64
    batch: int = 16
    searches_waiting: int = 8
    deadline_s: float = 60.0
    statement_wait_s: float = 30.0
    hung_s: float | None = None
    """Seconds that a question may be with the model before its process is taken to hang, and started
    again; None: half a minute more than the deadline."""


DEFAULT_LOAD = Load()


class Full(Exception):
    """The queue is full; come again after `seconds`."""

    def __init__(self, seconds: int, what: str = "questions") -> None:
        super().__init__(f"too many {what} are waiting; ask again in {seconds} s")
        self.seconds = seconds


class Closed(Exception):
    """The server is shutting down, or has no model."""


class Event(NamedTuple):
    """What happens to a request: queued, started, progress, and at the end answer, stopped, failed."""

    kind: str
    value: Any = None


ENDS = frozenset({"answer", "stopped", "failed"})


@dataclass(eq=False)
class Ticket:
    """An accepted request; one that is `aside` does not wait for the model."""

    ask: Ask
    deadline: float
    aside: bool = False
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

    async def events(self) -> AsyncIterator[Event]:
        """Everything that happens to it, the end last."""
        while True:
            event = await self._events.get()
            yield event
            if event.kind in ENDS:
                return


class FairQueue(Generic[T]):
    """A queue that clients take turns in. It is full at `most`, but at twice that for a client that has
    nothing in it: nobody keeps the others out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._first: deque[T] = deque()
        self._lanes: dict[str, deque[T]] = {}  # in the order of their turns

    def __len__(self) -> int:
        return len(self._first) + sum(map(len, self._lanes.values()))

    def full(self, client: str) -> bool:
        """Whether no more of a client's may wait."""
        return len(self) >= (self.most if client in self._lanes else 2 * self.most)

    def before(self, client: str) -> int:
        """How many go before the next that a client adds."""
        own = len(self._lanes.get(client, ()))
        order = list(self._lanes)
        place = order.index(client) if client in self._lanes else len(order)
        turns = (min(len(self._lanes[c]), own + (i < place)) for i, c in enumerate(order))
        return len(self._first) + sum(turns)

    def add(self, client: str, item: T) -> None:
        """The last of its client."""
        self._lanes.setdefault(client, deque()).append(item)

    def put_back(self, item: T) -> None:
        """Before everything."""
        self._first.appendleft(item)

    @property
    def head(self) -> T:
        """What is taken next."""
        return self._first[0] if self._first else next(iter(self._lanes.values()))[0]

    def take(self) -> T:
        """The next; its client's turn comes after all others'."""
        if self._first:
            return self._first.popleft()
        client = next(iter(self._lanes))
        lane = self._lanes.pop(client)
        item = lane.popleft()
        if lane:
            self._lanes[client] = lane
        return item

    def remove(self, item: T) -> None:
        """Take one out that is no longer wanted, if it is there."""
        self._first = deque(each for each in self._first if each != item)
        lanes = {c: deque(i for i in lane if i != item) for c, lane in self._lanes.items()}
        self._lanes = {client: lane for client, lane in lanes.items() if lane}


class Places:
    """So many statements at a time; the rest wait for their turn, `seconds` at most. `Full` says to come
    again in `again` seconds."""

    def __init__(self, places: int, most: int, seconds: float, again: int) -> None:
        self._free, self._seconds, self._again = places, seconds, again
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue(most)

    async def enter(self, client: str) -> None:
        """Take a place. Raises Full where too many wait, or none came free in time."""
        if self._free:
            self._free -= 1
            return
        if self._waiting.full(client):
            raise Full(self._again, "statements")
        turn = asyncio.get_running_loop().create_future()
        self._waiting.add(client, turn)
        try:
            await asyncio.wait({turn}, timeout=self._seconds)
            if not turn.done():
                raise Full(self._again, "statements")
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
