"""Requests that wait: fair turns of clients, and what becomes of an accepted request.

>>> queue = FairQueue[str](64)
>>> for client, item in (("a", "a1"), ("a", "a2"), ("b", "b1")):
...     queue.add(client, item)
>>> [queue.take() for _ in range(len(queue))]
['a1', 'b1', 'a2']
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from txt2sql.serving.worker import Ask

CLIENT: ContextVar[str] = ContextVar("client", default="")
"""For whom something is done: the remote address of a request, "" where there is none."""
CLOSING = "the server is shutting down"
IN_USE = "a request of this id is under way; make a new one"
ENDS = frozenset({"answer", "stopped", "failed"})
_ALIVE_S = 15.0

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
    """A queue that clients take turns in. It is full at `most`, but at twice that for a client that has
    nothing in it: nobody keeps the others out."""

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
