"""The one pool of processes that run and judge hostile SQL: start, ask, map, interrupt, kill.

A process that runs a statement may die of it, by its own kill timer, by the kernel or by a crash of the
engine, and only it dies. Messages between processes are frames (`sandbox.send`, `sandbox.receive`)
over pipes that no library can print into, and whoever waits for one has a deadline of its own.

- `ask`: one request to an idle or new process of a `Program`. What `execute` does.
- `spread`: one function over many tasks, in processes forked from this one, each of which is a sandbox
  itself, so that `execute` in it needs no other. What `evaluate` does.
"""

from __future__ import annotations

import atexit
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar, cast

from txt2sql.errors import DatabaseError
from txt2sql.execution import sandbox
from txt2sql.execution.sandbox import Answer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may use.

    `timeout_s` is wall-clock; a statement that ignores it is killed 0.25 s later. Rows over
    `max_rows`, and results over `max_result_bytes` (serialised), are cut off: `truncated`. A cell or
    intermediate string over `max_cell_bytes`, or more heap than `max_memory_bytes`, is an error.
    """

    timeout_s: float = 5.0
    max_rows: int = 10_000
    max_cell_bytes: int = 1_000_000
    max_memory_bytes: int = 256_000_000
    max_result_bytes: int = 16_000_000


DEFAULT_LIMITS = Limits()

_IDLE = (os.cpu_count() or 1) + 2
_CANCEL_S = 1.0
"""How long a process may take to have a server stop a statement that nobody waits for."""
_CHUNK = 8
"""Tasks that a forked process is given at a time."""
_MAX_OPEN = 32
"""Connections of a process that is a sandbox for good."""


# ------------------------------------------------------------------------------------- started


@dataclass(frozen=True, slots=True)
class Program:
    """What a worker process runs, given the memory limit as its last argument; it serves requests as
    `sandbox.serve` does. `state` names what it keeps open, so that the next request for it finds it there.
    `cancels`: SIGTERM has a server stop the statement. `patience_s`: how long after a statement's deadline
    the process is given up.
    """

    arguments: tuple[str, ...]
    state: str = ""
    cancels: bool = False
    patience_s: float = 5.0


# Isolated and without site: nothing but the standard library is needed.
SQLITE = Program(("-I", "-S", sandbox.__file__))


class Worker:
    """One worker process. Not thread-safe: it is in one thread's hands or idle."""

    def __init__(self, program: Program, max_memory_bytes: int) -> None:
        self.kind = (program, max_memory_bytes)
        self.interrupted = False
        self.thread = 0
        # A session of its own, so that Ctrl-C in the terminal reaches the caller alone.
        try:
            self.process = subprocess.Popen(
                [sys.executable, *program.arguments, str(max_memory_bytes)],
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
        self._pipes = [cast(BinaryIO, self.process.stdin), cast(BinaryIO, self.process.stdout)]

    def ask(self, request: tuple[Any, ...], timeout_s: float) -> Answer:
        """The worker's answer; EOFError when it died instead, TimeoutError when there is none."""
        requests, answers = self._pipes
        try:
            sandbox.send(requests.fileno(), request)
            patience_s = self.kind[0].patience_s
            return Answer(*sandbox.receive(answers.fileno(), timeout_s + patience_s))
        except BrokenPipeError:
            raise EOFError from None

    def stop(self) -> None:
        """End the statement that runs: at the server where there is one, else with the process."""
        if self.kind[0].cancels and hasattr(signal, "setitimer"):
            self.process.terminate()
        else:
            self.process.kill()

    def close(self) -> int:
        """End the process, free its pipes, and return its exit code."""
        if self.kind[0].cancels:
            self.stop()
            self.close_pipes(1)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_CANCEL_S)
        self.process.kill()
        code = self.process.wait()
        self.close_pipes()
        return code

    def close_pipes(self, count: int = 2) -> None:
        """Close that of the requests, and that of the answers."""
        for pipe in self._pipes[:count]:
            with suppress(OSError):  # bytes that the dead worker will never read
                pipe.close()


_lock = threading.Lock()
_idle: list[Worker] = []
_busy: set[Worker] = set()
_inherited: list[Worker] = []


def ask(
    program: Program, max_memory_bytes: int, timeout_s: float, request: tuple[Any, ...]
) -> Answer:
    """Have an idle or new worker answer; a worker that dies is an Answer with its reason."""
    worker = _borrow(program, max_memory_bytes)
    start, answer, late = time.perf_counter(), None, False
    try:
        answer = worker.ask(request, timeout_s)
    except EOFError:
        pass
    except TimeoutError:
        late = True
    except BaseException:  # Ctrl-C: the answer that is still to come belongs to nobody
        _drop(worker)
        raise
    if answer is None:
        code, seconds = _drop(worker), time.perf_counter() - start
        late = (late or seconds >= timeout_s) and not worker.interrupted
        error = f"the process that runs SQL ended unexpectedly (exit code {code})"
        error = "interrupted" if worker.interrupted else error
        error = f"stopped after {timeout_s:g} s" if late else error
        return Answer((), [], False, error, late, seconds)
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


def run_sqlite(
    path: str, mark: tuple[int, ...], sql: str, limits: Limits, *, describing: bool = False
) -> Answer:
    """Run a statement on the file whose `sandbox.identity` is `mark`: in a worker, or here, where this
    process is a sandbox itself. `describing`: one of ours, which may ask for the schema."""
    sizes = (limits.max_rows, limits.max_result_bytes, limits.max_cell_bytes)
    request = (path, mark, sql, limits.timeout_s, *sizes, describing)
    if here is not None:
        return here.run(*request)
    return ask(SQLITE, limits.max_memory_bytes, limits.timeout_s, request)


def interrupt(thread: int | None = None) -> int:
    """Stop every statement that a worker is running now, from any thread; returns how many. With `thread` (of
    threading.get_ident), only the statement that this thread waits for."""
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


def _borrow(program: Program, max_memory_bytes: int) -> Worker:
    """An idle worker of that program and memory limit, which cannot be raised once set, or a new one."""
    worker, kind = None, (program, max_memory_bytes)
    with _lock:
        for idle in [each for each in reversed(_idle) if each.kind == kind]:
            _idle.remove(idle)
            if idle.process.poll() is None:
                worker = idle
                break
    worker = worker or Worker(program, max_memory_bytes)
    worker.thread = threading.get_ident()
    with _lock:
        _busy.add(worker)
    return worker


def _drop(worker: Worker) -> int:
    with _lock:
        _busy.discard(worker)
    return worker.close()


def _forget() -> None:
    """After a fork the child must not share pipes with its parent: two readers, one answer."""
    global _lock
    _lock = threading.Lock()
    _inherited.extend(_busy)  # another thread may hold these pipes: neither used nor closed here
    _busy.clear()
    for worker in _idle:
        worker.process.returncode = 0  # it is the parent's to ask and to wait for
        worker.close_pipes()
    _idle.clear()


atexit.register(close_idle)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


# -------------------------------------------------------------------------------------- forked

here: sandbox.Connections | None = None
"""What runs statements in this process, when it is a sandbox."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The process died on this task; `signal` is what ended it, or 0."""

    signal: int

    @property
    def timed_out(self) -> bool:
        """Whether it was the kill timer."""
        return self.signal == signal.SIGALRM


def can_spread() -> bool:
    """Forking is for Linux and for processes with one thread: a lock that another thread holds would
    stay locked in the child for ever."""
    return sys.platform == "linux" and threading.active_count() == 1


def spread(
    work: Callable[[T], Any],
    tasks: Sequence[T],
    *,
    processes: int,
    max_memory_bytes: int = 256_000_000,
) -> Iterator[tuple[int, Any]]:
    """(position, work(task)) for every task, in any order; Lost where the process died, or `work` raised.

    Tasks are handed out in chunks. When a process dies, the tasks of its chunk are run one by one, and only
    the one that kills it again is Lost. `work` returns what marshal can carry.
    """
    chunks = deque(range(i, min(i + _CHUNK, len(tasks))) for i in range(0, len(tasks), _CHUNK))
    pool = [_Fork(work, tasks, max_memory_bytes) for _ in range(min(processes, len(chunks)))]
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
                    pool[pool.index(process)] = process = _Fork(work, tasks, max_memory_bytes)
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


class _Fork:
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
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                sandbox.limit_process(max_memory_bytes)
                global here
                here = sandbox.Connections(_MAX_OPEN)
                with suppress(EOFError):
                    while True:
                        chunk = range(*sandbox.receive(requests))
                        sandbox.send(answers, [work(tasks[i]) for i in chunk])
                code = 0
            finally:
                os._exit(code)  # neither the parent's buffers nor its exit handlers are ours
        os.close(requests)
        os.close(answers)

    def send(self, chunk: range) -> None:
        """Have it work on the tasks of these positions."""
        self.chunk = chunk
        with suppress(BrokenPipeError):  # it is dead, which receive() will find
            sandbox.send(self.requests, (chunk.start, chunk.stop))

    def receive(self) -> list[Any] | None:
        """The results of its chunk; None when it died."""
        self.chunk = range(0)
        try:
            results: list[Any] = sandbox.receive(self.answers)
        except EOFError:
            return None
        return results

    def close(self, dying: bool = False) -> int:
        """End it, unless it is `dying` by itself; what signal ended it, or 0."""
        os.close(self.requests)
        os.close(self.answers)
        if not dying:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
