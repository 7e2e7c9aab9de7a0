"""Requests that wait for the model, and what becomes of them.

>>> Full(3).seconds
3
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from txt2sql.serving.messages import Ask


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

    def tell(self, kind: str, value: Any = None) -> None:
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
