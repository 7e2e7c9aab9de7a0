"""The caller's side of the worker processes: start, ask, kill, and keep a few idle ones.

A worker runs one statement at a time and ends itself a quarter of a second after the deadline (see
sandbox.py), so asking it is a plain blocking read: the answer comes, or the pipe closes.

>>> ask(256_000_000, 5.0, request)  # doctest: +SKIP
Answer(columns=('name',), ...)
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from txt2sql.errors import DatabaseError
from txt2sql.execution import sandbox
from txt2sql.execution.sandbox import Answer

_IDLE = (os.cpu_count() or 1) + 2
_CANCEL_S = 1.0
"""How long a process may take to have a server stop a statement that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a worker process runs, given the memory limit as its last argument.

    `state` names what such a process keeps open, so that the next request for it finds it there.
    `cancels`: SIGTERM has a server stop the statement, where killing the process would not.
    """

    arguments: tuple[str, ...]
    state: str = ""
    cancels: bool = False


# Isolated and without site: nothing but the standard library is needed.
SQLITE = Program(("-I", "-S", sandbox.__file__))


class Worker:
    """One worker process. Not thread-safe: it is in one thread's hands or idle."""

    def __init__(self, max_memory_bytes: int, program: Program = SQLITE) -> None:
        self.max_memory_bytes, self.program = max_memory_bytes, program
        self.interrupted = False
        self.thread = 0
        # A session of its own, so that Ctrl-C in the terminal reaches the caller alone.
        command = [sys.executable, *program.arguments, str(max_memory_bytes)]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as problem:
            raise DatabaseError(
                f"cannot start the process that runs SQL ({problem}); "
                f"check that '{sys.executable}' can be executed"
            ) from problem

    def ask(self, request: tuple[Any, ...]) -> Answer:
        """The worker's answer; EOFError when it died instead."""
        try:
            sandbox.send(cast(BinaryIO, self.process.stdin), request)
            return Answer(*sandbox.receive(cast(BinaryIO, self.process.stdout)))
        except BrokenPipeError:
            raise EOFError from None

    def stop(self) -> None:
        """End the statement that runs: at the server where there is one, else with the process."""
        if self.program.cancels and hasattr(signal, "setitimer"):
            self.process.terminate()
        else:
            self.process.kill()

    def close(self) -> int:
        """End the process, free its pipes, and return its exit code."""
        if self.program.cancels:
            self.stop()
            with suppress(OSError):
                cast(BinaryIO, self.process.stdin).close()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_CANCEL_S)
        self.process.kill()
        code = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                cast(BinaryIO, pipe).close()
            except OSError:
                continue  # bytes that the dead worker will never read
        return code


_lock = threading.Lock()
_idle: list[Worker] = []
_busy: set[Worker] = set()
_inherited: list[Worker] = []


def ask(
    max_memory_bytes: int, timeout_s: float, request: tuple[Any, ...], program: Program = SQLITE
) -> Answer:
    """Have an idle or new worker answer; a worker that dies is an Answer with its reason."""
    worker = _borrow(max_memory_bytes, program)
    start = time.perf_counter()
    try:
        answer = worker.ask(request)
    except EOFError:
        return _post_mortem(worker, timeout_s, time.perf_counter() - start)
    except BaseException:  # Ctrl-C: the answer that is still to come belongs to nobody
        _drop(worker)
        raise
    if answer.error is not None and answer.error.startswith("out of memory"):
        _drop(worker)  # gives the memory back to the machine
        return answer
    with _lock:
        _busy.discard(worker)
        stopped, worker.interrupted = worker.interrupted, False
        _idle.append(worker)
        over = _idle.pop(0) if len(_idle) > _IDLE else None  # the one that was idle longest
    if over is not None:
        over.close()
    if stopped and answer.error is not None:
        return answer._replace(error="interrupted", timed_out=False)
    return answer


def interrupt(thread: int | None = None) -> int:
    """Stop every statement that a worker is running now, from any thread; returns how many.

    With `thread` (of threading.get_ident), only the statement that this thread waits for.
    """
    with _lock:
        workers = [each for each in _busy if thread is None or each.thread == thread]
        for worker in workers:
            worker.interrupted = True
            worker.stop()
    return len(workers)


def close_idle() -> None:
    """End the idle workers, as happens when the interpreter exits."""
    with _lock:
        workers = list(_idle)
        _idle.clear()
    for worker in workers:
        worker.close()


def _borrow(max_memory_bytes: int, program: Program) -> Worker:
    """An idle worker of that program and memory limit, which cannot be raised once set, or a new
    one.
    """
    wanted = (max_memory_bytes, program)
    with _lock:
        for index in range(len(_idle) - 1, -1, -1):
            if (_idle[index].max_memory_bytes, _idle[index].program) == wanted:
                worker = _idle.pop(index)
                if worker.process.poll() is None:
                    worker.thread = threading.get_ident()
                    _busy.add(worker)
                    return worker
    worker = Worker(max_memory_bytes, program)
    worker.thread = threading.get_ident()
    with _lock:
        _busy.add(worker)
    return worker


def _drop(worker: Worker) -> int:
    with _lock:
        _busy.discard(worker)
    return worker.close()


def _post_mortem(worker: Worker, timeout_s: float, seconds: float) -> Answer:
    """Why there is no answer: someone's interrupt, the kill timer, or a crash of the engine."""
    code = _drop(worker)
    if worker.interrupted:
        return Answer((), [], False, "interrupted", False, seconds, True)
    if seconds >= timeout_s:
        return Answer((), [], False, f"stopped after {timeout_s:g} s", True, seconds, False)
    reason = f"the process that runs SQL ended unexpectedly (exit code {code})"
    return Answer((), [], False, reason, False, seconds, True)


def _forget() -> None:
    """After a fork the child must not share pipes with its parent: two readers, one answer."""
    global _lock
    _lock = threading.Lock()
    _inherited.extend(_busy)  # another thread may hold these pipes: neither used nor closed here
    _busy.clear()
    for worker in _idle:
        worker.process.returncode = 0  # the parent's to wait for
        for pipe in (worker.process.stdin, worker.process.stdout):
            cast(BinaryIO, pipe).close()
    _idle.clear()


atexit.register(close_idle)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
