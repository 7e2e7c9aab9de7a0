"""spread(work, tasks): judge many things at once, in processes that may die.

Each process is forked from this one, so that it has the tasks and everything loaded, and is its own
sandbox (contained.py). Tasks are handed out in small chunks, and what a chunk gives comes back as
one message. When a process dies, by a statement that outlasts its kill timer or crashes the
engine, the tasks of its chunk are run one by one in a new process, and only the one that kills it
again is Lost.

>>> list(spread(len, ["a", "bb"], processes=2))  # doctest: +SKIP
[(0, 1), (1, 2)]
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from txt2sql.execution import contained

T = TypeVar("T")

_CHUNK = 8
_HEAD = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Lost:
    """The process died on this task; `signal` is what ended it, or 0."""

    signal: int

    @property
    def timed_out(self) -> bool:
        """Whether it was the kill timer."""
        return self.signal == signal.SIGALRM


def can_spread() -> bool:
    """Forking is for Linux and for processes with one thread: a lock another thread holds would
    stay locked in the child for ever."""
    return sys.platform == "linux" and threading.active_count() == 1


def spread(
    work: Callable[[T], Any],
    tasks: Sequence[T],
    *,
    processes: int,
    max_memory_bytes: int = 256_000_000,
) -> Iterator[tuple[int, Any]]:
    """(position, work(task)) for every task, in any order; Lost where the process died.

    `work` returns what marshal can carry: numbers, strings, bytes, None, and tuples, lists and dicts
    of them. An exception it raises ends the process, and so its task as Lost.
    """
    chunks = deque(range(i, min(i + _CHUNK, len(tasks))) for i in range(0, len(tasks), _CHUNK))
    pool = [_Process(work, tasks, max_memory_bytes) for _ in range(min(processes, len(chunks)))]
    for process in pool:
        process.send(chunks.popleft())
    try:
        while busy := {process.answers: process for process in pool if process.chunk}:
            for ready in select.select(list(busy), [], [])[0]:
                process = busy[ready]
                done = process.chunk
                results = process.receive()
                if results is None:
                    died_of = process.close(dying=True)
                    pool[pool.index(process)] = process = _Process(work, tasks, max_memory_bytes)
                    if len(done) == 1:
                        yield done[0], Lost(died_of)
                    chunks.extendleft(range(i, i + 1) for i in done if len(done) > 1)
                else:
                    yield from zip(done, results, strict=True)
                if chunks:
                    process.send(chunks.popleft())
    finally:
        for process in pool:
            process.close()


class _Process:
    """One forked process and the chunk it is working on."""

    def __init__(self, work: Callable[[T], Any], tasks: Sequence[T], max_memory_bytes: int) -> None:
        requests, self.requests = os.pipe()
        self.answers, answers = os.pipe()
        self.chunk = range(0)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                os.close(self.requests)
                os.close(self.answers)
                _serve(work, tasks, max_memory_bytes, requests, answers)
                code = 0
            finally:
                os._exit(code)  # neither the parent's buffers nor its exit handlers are ours
        os.close(requests)
        os.close(answers)

    def send(self, chunk: range) -> None:
        """Have it work on the tasks of these positions."""
        self.chunk = chunk
        with suppress(BrokenPipeError):  # it is dead, which receive() will find
            _write(self.requests, (chunk.start, chunk.stop))

    def receive(self) -> list[Any] | None:
        """The results of its chunk; None when it died."""
        self.chunk = range(0)
        results: list[Any] | None = _read(self.answers)
        return results

    def close(self, dying: bool = False) -> int:
        """End it, unless it is `dying` by itself; what signal ended it, or 0."""
        os.close(self.requests)
        os.close(self.answers)
        if not dying:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _serve(
    work: Callable[[T], Any],
    tasks: Sequence[T],
    max_memory_bytes: int,
    requests: int,
    answers: int,
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    contained.contain(max_memory_bytes)
    while (chunk := _read(requests)) is not None:
        _write(answers, [work(tasks[i]) for i in range(*chunk)])


def _write(pipe: int, message: Any) -> None:
    body = marshal.dumps(message)
    data = memoryview(_HEAD.pack(len(body)) + body)
    while data:
        data = data[os.write(pipe, data) :]


def _read(pipe: int) -> Any:
    """One message, or None at the end of the pipe."""
    head = _exactly(pipe, _HEAD.size)
    body = _exactly(pipe, _HEAD.unpack(head)[0]) if head else None
    return marshal.loads(body) if body else None


def _exactly(pipe: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = os.read(pipe, size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
