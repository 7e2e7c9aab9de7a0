"""The scheduler: a bounded queue in front of the model's process, batches out of it, and fair turns.

Questions of all clients that wait when the model becomes free are computed as one batch (dynamic
batching), clients by turns; searches run beside them, a few at a time. A full queue refuses (`Full`)
and says when to come again. Every accepted request ends in exactly one of answer, stopped, failed: also when its
deadline passes, when the process dies or hangs (it is asked once more, alone), or when the server
shuts down.

>>> ticket = scheduler.submit(Ask("3f2c...", "How many shops are there?"))  # doctest: +SKIP
>>> async for event in ticket.events(): ...  # doctest: +SKIP
"""

from __future__ import annotations

import asyncio
import logging
import math
import pickle
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from txt2sql.serving.queue import DEFAULT_LOAD, Closed, FairQueue, Full, Load, Ticket
from txt2sql.serving.worker import HEADER, Ask, ModelSettings, pack

_ATTEMPTS = 2
_LEAST_SEARCH_S = 0.1
_HUNG_S = 30.0
_STARTS = 3
_RESTART_S = 0.5
_LONGEST_RESTART_S = 30.0
_log = logging.getLogger(__name__)


class Scheduler:
    """Requests in, events out; all of it on one event loop."""

    def __init__(
        self,
        settings: ModelSettings,
        load: Load = DEFAULT_LOAD,
        batched: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.settings, self.load, self._batched = settings, load, batched
        self.model, self.notice, self.searchable = "", "", False
        self.broken: str | None = None
        self.ready = False
        self.restarts = 0
        self._hung_s = load.deadline_s + _HUNG_S if load.hung_s is None else load.hung_s
        self._waiting: FairQueue[Ticket] = FairQueue(load.queue)
        self._searches: FairQueue[Ticket] = FairQueue(load.searches_waiting)
        self._running: dict[str, Ticket] = {}
        self._open: dict[str, Ticket] = {}
        self._free, self._sent = True, 0
        self._batches_out: dict[int, set[str]] = {}
        self._batch_s = self._search_s = 1.0
        self._computing_since = 0.0
        self._closing = False
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    # ---------------------------------------------------------------------------------- requests

    def submit(self, ask: Ask, client: str = "") -> Ticket:
        """Accept a request of a client. Raises Full, Closed, or KeyError for an id that is in use."""
        if self._closing:
            raise Closed("the server is shutting down")
        if self.broken is not None:
            raise Closed(self.broken)
        if ask.id in self._open:
            raise KeyError("a request of this id is under way; make a new one")
        queue = self._searches if ask.simulations else self._waiting
        before = queue.before(client)
        wait = self._wait(ask, before)
        if queue.full(client) or wait > self.load.deadline_s:
            raise Full(max(1, min(60, math.ceil(wait))))
        ticket = Ticket(ask, time.monotonic() + self.load.deadline_s)
        self._open[ask.id] = ticket
        queue.add(client, ticket)
        ticket.add("queued", before + 1)
        asyncio.get_running_loop().call_later(self.load.deadline_s, self._late, ticket)
        self._dispatch()
        return ticket

    def stop(self, id: str) -> bool:
        """End a request; False when there is none of that id."""
        ticket = self._open.get(id)
        if ticket is None:
            return False
        self._end(ticket, "stopped")
        return True

    @property
    def waiting(self) -> int:
        """Requests in the queues."""
        return len(self._waiting) + len(self._searches)

    @property
    def open(self) -> int:
        """Requests that were accepted and have no end yet."""
        return len(self._open)

    def _late(self, ticket: Ticket) -> None:
        self._end(ticket, "failed", f"no answer within {self.load.deadline_s:g} s; ask again later")

    def _end(self, ticket: Ticket, kind: str, value: Any = None) -> None:
        if ticket.over:
            return
        ticket.add(kind, value)
        self._open.pop(ticket.ask.id, None)
        for queue in (self._waiting, self._searches):
            queue.remove(ticket)
        if ticket.ask.id in self._running:
            self._send("stop", ticket.ask.id)

    def _wait(self, ask: Ask, before: int) -> float:
        """Seconds until a request would begin, from how long the last batches or searches took."""
        if ask.simulations:
            return self._search_s * (before / self.settings.searches)
        return self._batch_s * math.ceil(before / self.load.batch)

    # ---------------------------------------------------------------------------------- dispatching

    def _dispatch(self) -> None:
        """Send what the model can take now."""
        while self.ready and self._free and self._may_go(self._waiting):
            if len(self._batches_out) >= self.settings.batches:
                break
            batch = self._next_batch()
            self._free, self._computing_since = False, time.monotonic()
            number = self._sent = self._sent + 1
            self._batches_out[number] = {ticket.ask.id for ticket in batch}
            self._batched(len(batch))
            self._start(batch)
            self._send("batch", [ticket.ask for ticket in batch])
        while self.ready and self._may_go(self._searches):
            searching = sum(ticket.ask.simulations > 0 for ticket in self._running.values())
            if searching >= self.settings.searches:
                break
            ticket = self._searches.take()
            self._start([ticket])
            self._send("search", ticket.ask)

    def _may_go(self, queue: FairQueue[Ticket]) -> bool:
        """Whether the first of a queue may be sent now. What a process died of is asked again only
        while nothing else is, so that it takes nothing with it when it was to blame."""
        if not queue or any(ticket.attempts > 1 for ticket in self._running.values()):
            return False
        return not (queue.head.attempts and self._running)

    def _next_batch(self) -> list[Ticket]:
        """The requests whose turn it is."""
        batch = [self._waiting.take()]
        while self._waiting and len(batch) < self.load.batch:
            if batch[0].attempts or self._waiting.head.attempts:
                break
            batch.append(self._waiting.take())
        return batch

    def _start(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            ticket.attempts += 1
            ticket.started = time.monotonic()
            if ticket.ask.simulations:  # of the time that is left, some is for the answer
                left = max(_LEAST_SEARCH_S, 0.9 * (ticket.deadline - ticket.started))
                ticket.ask = replace(ticket.ask, seconds=left)
            self._running[ticket.ask.id] = ticket
            ticket.add("started")
        begun = [(ticket, ticket.attempts) for ticket in tickets]
        asyncio.get_running_loop().call_later(self._hung_s, self._overdue, begun)

    def _overdue(self, begun: list[tuple[Ticket, int]]) -> None:
        """What the model still has after so long, it will not answer."""
        if any(
            self._running.get(ticket.ask.id) is ticket and ticket.attempts == attempts
            for ticket, attempts in begun
        ):
            _log.warning("the model gave no answer for %g s and is started again", self._hung_s)
            self.restart()

    def _send(self, kind: str, body: Any) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(pack((kind, body)))

    # ---------------------------------------------------------------------------------- the process

    async def start(self) -> None:
        """Start the model's process and keep one running. Returns at once; see `available`."""
        if self._keeper is not None:
            return
        self._keeper = asyncio.create_task(self._keep())

    async def available(self) -> None:
        """Wait until the model answers. Raises Closed when it cannot be loaded."""
        while not self.ready:
            if self.broken is not None:
                raise Closed(self.broken)
            self._changed.clear()
            await self._changed.wait()

    async def drain(self, seconds: float) -> None:
        """Accept nothing more, and wait until what was accepted is over, at most so long."""
        self._closing = True
        end = time.monotonic() + seconds
        while self._open and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """End everything; what is still open fails."""
        self._closing = True
        for ticket in list(self._open.values()):
            self._end(ticket, "failed", "the server is shutting down; ask again later")
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def restart(self) -> None:
        """Start the model's process again, for tables that changed; what it has is asked again."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def _keep(self) -> None:
        pause, tries = _RESTART_S, 0
        while not self._closing:
            tries += 1
            await self._run()
            answered, self.ready = self.ready, False
            if not self.model and tries == _STARTS and self.broken is None:
                self.broken = "the model's process does not start; its errors are on the console"
            self._changed.set()
            if self.broken is not None:
                for ticket in list(self._open.values()):
                    self._end(ticket, "failed", self.broken)
                return
            self._again()
            self.restarts += 1
            if answered:
                pause = _RESTART_S
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_RESTART_S)

    async def _run(self) -> None:
        """One process, from its start to its end."""
        code = "from txt2sql.serving.worker import main; main()"
        paths = f"import sys; sys.path[:] = {sys.path!r}; "
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", paths + code,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(pack((self.settings,)))
        try:
            while True:
                (size,) = HEADER.unpack(await self._process.stdout.readexactly(HEADER.size))
                body = await self._process.stdout.readexactly(size)
                message = (
                    pickle.loads(body)
                    if size < 100_000
                    else await asyncio.to_thread(pickle.loads, body)
                )
                self._hear(*message)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._process.wait()

    def _again(self) -> None:
        """The process ended: what it had is asked once more, and first; then it fails."""
        lost = list(self._running.values())
        self._running.clear()
        self._batches_out.clear()
        self._free = True
        for ticket in reversed(lost):
            if ticket.over:
                continue
            if ticket.attempts >= _ATTEMPTS:
                self._end(
                    ticket, "failed", "the model's process ended twice on this; ask otherwise"
                )
            else:
                queue = self._searches if ticket.ask.simulations else self._waiting
                queue.put_back(ticket)

    def _hear(self, kind: str, *rest: Any) -> None:
        if kind == "ready":
            self.model, self.notice, self.searchable = rest
            self.ready = True
            self._changed.set()
        elif kind == "broken":
            self.broken = None if self.model else rest[0]
        elif kind == "free":
            self._free = True
            self._batch_s = _smoothed(self._batch_s, time.monotonic() - self._computing_since)
        else:
            self._told(kind, *rest)
        self._dispatch()

    def _told(self, kind: str, id: str, *rest: Any) -> None:
        ticket = self._running.get(id)
        if ticket is None:
            return
        if kind == "progress":
            ticket.add(kind, rest)
            return
        del self._running[id]
        for number, ids in list(self._batches_out.items()):
            ids.discard(id)
            if not ids:
                del self._batches_out[number]
        if ticket.ask.simulations:
            self._search_s = _smoothed(self._search_s, time.monotonic() - ticket.started)
        self._end(ticket, kind, *rest)


def _smoothed(before: float, now: float) -> float:
    return 0.7 * before + 0.3 * now
