"""Where a statement meets SQLite: a read-only connection, an authorizer, and a bounded run.

Run as a script, this file is the worker process: it answers framed requests on standard input until
that closes. It imports only the standard library, so that a worker starts in about 20 ms, and holds
every limit that only a process of its own can have: a kill timer that no opcode can outlast, a heap
limit, and a file-size limit of zero, so that the kernel itself refuses to write to any file.
Sources: sqlite.org/c3ref (set_authorizer, progress_handler, limit), sqlite.org/wal.html#readonly.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import sqlite3
import struct
import sys
import time
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

GRACE_S = 0.25
"""How long after the deadline the kill timer fires, when the progress handler could not stop it."""

# sqlite3.h names; Python 3.10 does not export all of them.
_SQLITE_OK, _SQLITE_DENY = 0, 1
_PRAGMA, _FUNCTION = 19, 31
_READING = frozenset({20, 21, 33})  # READ, SELECT, RECURSIVE

# Functions that reach outside the database, in the library or in common builds and extensions.
_FORBIDDEN = frozenset(
    "load_extension readfile writefile edit fts3_tokenizer lsmode lsdir zipfile sqlar_compress "
    "sqlar_uncompress sqlite_log eval system icu_load_collation".split()
)
# Pragmas that only describe the schema; data_version is what FTS5 itself asks while it is read.
DESCRIBING = frozenset(
    "table_info table_xinfo table_list foreign_key_list index_list index_info index_xinfo "
    "data_version".split()
)
_FTS_PRAGMA = frozenset({"data_version"})

_CELL_BYTES = 8
"""What a cell costs beside its bytes, so that a million NULLs are not free."""
_CHUNK_BYTES = 1_000_000
_CHUNK_ROWS = 256
_PROGRESS_OPCODES = 2000


class Answer(NamedTuple):
    """What a run gives back; `chunks` are marshalled lists of row tuples, in order."""

    columns: tuple[str, ...]
    chunks: list[bytes]
    truncated: bool
    error: str | None
    timed_out: bool
    seconds: float

    def rows(self) -> Iterator[Any]:
        """The rows of all chunks."""
        return (row for chunk in self.chunks for row in marshal.loads(chunk))


def authorize(
    pragmas: frozenset[str], action: int, first: str | None, second: str | None, *_: str | None
) -> int:
    """The wall: SQLite asks about every action while it compiles a statement. Only selecting, reading a
    column, calling a function, recursion and some `pragmas` are allowed."""
    if action in _READING:
        return _SQLITE_OK
    if action == _FUNCTION:
        return _SQLITE_DENY if (second or "").lower() in _FORBIDDEN else _SQLITE_OK
    if action == _PRAGMA and (first or "").lower() in pragmas:
        return _SQLITE_OK
    return _SQLITE_DENY


def _uri(path: str, own_process: bool) -> str:
    """The URI that opens `path` for reading without leaving a byte beside it.

    A WAL with commits in it must be read, through its shared-memory file, which `readonly_shm` keeps
    us from changing; `immutable` would silently miss those commits. A rollback journal means that
    someone writes now: `mode=ro` takes a shared lock and waits for them. Otherwise `immutable` reads the
    main file without locks, also on read-only and network disks, and without creating `-wal` and `-shm`.

    A worker, which may run for long, takes a shared lock instead wherever the header says rollback
    mode. Only a process of our own may look at the header: POSIX drops all locks of a process on a
    file when it closes any descriptor of it, and the caller's process may be the writer.
    """
    wal = path + "-wal"
    if os.path.exists(wal) and os.path.getsize(wal) > 0:
        if not os.path.exists(path + "-shm"):
            raise sqlite3.OperationalError(
                f"'{wal}' holds changes but its -shm file is missing; open the database once with "
                "sqlite3 and run PRAGMA wal_checkpoint, or copy it together with its -shm file"
            )
        option = "mode=ro&readonly_shm=1"
    elif os.path.exists(path + "-journal") or (
        own_process and not os.path.exists(wal) and not _in_wal_mode(path)
    ):
        option = "mode=ro"
    else:
        option = "mode=ro&immutable=1"
    escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    if os.name == "nt":
        escaped = "/" + escaped.replace("\\", "/")
    return f"file:{escaped}?{option}"


def _in_wal_mode(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(20)[18:] == b"\x02\x02"


def identity(path: str) -> tuple[int, ...]:
    """Changes whenever the content may have: inode, time and size of the file and of its WAL."""
    main = os.stat(path)
    try:
        wal = os.stat(path + "-wal")
    except FileNotFoundError:
        return (main.st_ino, main.st_mtime_ns, main.st_size)
    return (main.st_ino, main.st_mtime_ns, main.st_size, wal.st_mtime_ns, wal.st_size)


def connect(
    path: str,
    pragmas: frozenset[str] = DESCRIBING,
    max_cell_bytes: int = 1_000_000,
    own_process: bool = False,
) -> sqlite3.Connection:
    """A connection that can only read. `path` is absolute; sqlite3.Error says why it cannot open."""
    connection = sqlite3.connect(
        _uri(path, own_process),
        uri=True,
        check_same_thread=False,
        isolation_level=None,
        timeout=1.0,
    )
    try:
        # trusted_schema: a view of a hostile file cannot call functions with side effects.
        for pragma in ("query_only = 1", "temp_store = MEMORY", "trusted_schema = 0"):
            connection.execute(f"PRAGMA {pragma}").close()
        # An R-Tree prepares its INSERTs when it is first used: that must happen before the wall.
        virtual = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage = 0"
        ).fetchall()
        for (name,) in virtual:
            try:
                connection.execute(f"PRAGMA table_info({quoted(name)})").close()
            except sqlite3.OperationalError:
                continue  # its module is missing here: using that table says so
        if sys.version_info >= (3, 11):  # before, only the limits of the worker process hold
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_cell_bytes)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.setlimit(sqlite3.SQLITE_LIMIT_WORKER_THREADS, 0)
        connection.set_authorizer(partial(authorize, pragmas))
    except BaseException:
        connection.close()
        raise
    return connection


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def decode(raw: bytes) -> str:
    """Text of any encoding: what is not UTF-8 is shown with replacement characters."""
    return raw.decode("utf-8", "replace")


def run(
    connection: sqlite3.Connection,
    sql: str,
    timeout_s: float,
    max_rows: int,
    max_result_bytes: int,
    max_cell_bytes: int = 1_000_000,
) -> Answer:
    """Run one statement and fetch at most `max_rows` rows and `max_result_bytes` bytes of them.

    The deadline is looked at between opcodes. Never raises for what the statement does: any
    exception of the database layer, memory included, becomes the text of `error`.
    """
    start = time.perf_counter()
    deadline = start + timeout_s
    connection.set_progress_handler(lambda: time.perf_counter() > deadline, _PROGRESS_OPCODES)
    columns: tuple[str, ...] = ()
    chunks: list[bytes] = []
    truncated, error = False, None
    try:
        cursor = connection.execute(sql)
        try:
            columns = tuple(entry[0] for entry in cursor.description or ())
            truncated = fetch(cursor, chunks, max_rows, max_result_bytes, max_cell_bytes)
        finally:
            cursor.close()
    except MemoryError:
        error = "out of memory: the statement needs more than the memory limit"
    except Exception as problem:  # sqlite3 also raises ValueError, OverflowError, ...
        error = str(problem) or type(problem).__name__
    seconds = time.perf_counter() - start
    if error == "interrupted":
        return Answer((), [], False, f"stopped after {timeout_s:g} s", True, seconds)
    if error is not None and "Could not decode" in error and connection.text_factory is str:
        # Decoding in C is several times faster, so the tolerant decoder is used only when needed.
        connection.text_factory = decode
        left = timeout_s - seconds
        return run(connection, sql, left, max_rows, max_result_bytes, max_cell_bytes)
    if error is not None:
        if any(word in error for word in ("not authorized", "prohibited", "authorization denied")):
            error = f"refused: the statement does more than read ({error})"
        return Answer((), [], False, error, False, seconds)
    return Answer(columns, chunks, truncated, None, False, seconds)


def fetch(cursor: Any, chunks: list[bytes], max_rows: int, max_bytes: int, max_cell: int) -> bool:
    """Fill `chunks`; True when there was more. A chunk is sized by the mean row of the last one."""
    rows_left, bytes_left, size = max_rows, max_bytes, 1
    while True:
        rows = cursor.fetchmany(min(size, rows_left) or 1)
        if not rows:
            return False
        if rows_left <= 0 or bytes_left <= 0:
            return True
        chunk = marshal.dumps(rows, 2)
        if len(chunk) > max_cell:  # only then can one of its cells be over the cap
            for row in rows:
                if any(isinstance(cell, (str, bytes)) and len(cell) > max_cell for cell in row):
                    raise sqlite3.DataError("string or blob too big")
        whole = len(rows)
        while len(chunk) > bytes_left + _CHUNK_BYTES:  # rows far longer than those before them
            rows = rows[: len(rows) // 2]
            if not rows and not chunks:
                raise sqlite3.DataError("row too big")
            chunk = marshal.dumps(rows, 2)
        chunks.append(chunk)
        if len(rows) < whole:
            return True
        cost = len(chunk) + _CELL_BYTES * len(rows) * len(rows[0])
        rows_left -= len(rows)
        bytes_left -= cost
        mean = cost // len(rows) + 1
        size = max(1, min(_CHUNK_ROWS, _CHUNK_BYTES // mean))


def limit_process(max_memory_bytes: int) -> None:
    """Memory and files, held by the kernel where it can; Windows has only SQLite's heap limit."""
    with sqlite3.connect(":memory:") as connection:
        # Process-wide, which is why it is set here and never in the caller's process.
        connection.execute(f"PRAGMA hard_heap_limit = {max_memory_bytes}").close()
    connection.close()
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        with open("/proc/self/statm", "rb") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
        space = held + 2 * max_memory_bytes + 256_000_000
        resource.setrlimit(resource.RLIMIT_AS, (space, space))


def arm(seconds: float) -> None:
    """End this process after `seconds`, whatever it is doing; 0 disarms."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return
    import faulthandler  # its watchdog is a C thread: it needs no bytecode to run

    if seconds:
        faulthandler.dump_traceback_later(seconds, exit=True)
    else:
        faulthandler.cancel_dump_traceback_later()


# ------------------------------------------------------------------------------ framed messages


def channel() -> tuple[int, int]:
    """The descriptors of requests and answers, which are standard input and output until now: whatever a
    library prints from now on goes nowhere."""
    pipes = os.dup(0), os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1):
        os.dup2(silence, standard)
    os.close(silence)
    return pipes


def send(pipe: int, message: Any) -> None:
    """Write one length-prefixed frame; BrokenPipeError when the other side is gone."""
    body = marshal.dumps(message, 2)
    left = memoryview(struct.pack("<I", len(body)) + body)
    while left:
        left = left[os.write(pipe, left) :]


def receive(pipe: int, timeout_s: float | None = None) -> Any:
    """Read one frame. EOFError: the other side is gone, or what it wrote is no frame; TimeoutError."""
    end = None if timeout_s is None else time.monotonic() + timeout_s
    body = _exactly(pipe, struct.unpack("<I", _exactly(pipe, 4, end))[0], end)
    try:
        return marshal.loads(body)
    except (ValueError, TypeError) as problem:
        raise EOFError from problem


def _exactly(pipe: int, size: int, end: float | None) -> bytes:
    parts: list[bytes] = []
    while size:
        if end is not None and hasattr(select, "poll"):  # Windows cannot wait for a pipe
            waiting = select.poll()
            waiting.register(pipe, select.POLLIN)
            if not waiting.poll(max(0.0, 1000 * (end - time.monotonic()))):
                raise TimeoutError
        part = os.read(pipe, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# ------------------------------------------------------------------------------ the worker process


class Connections:
    """The connections of a process that is its own sandbox, and the timer that ends it."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._open: OrderedDict[tuple[Any, ...], sqlite3.Connection] = OrderedDict()

    def run(
        self,
        path: str,
        mark: tuple[int, ...],
        sql: str,
        timeout_s: float,
        max_rows: int,
        max_result_bytes: int,
        max_cell_bytes: int,
        describing: bool,
    ) -> Answer:
        """Run one statement on the file whose `identity` is `mark`; the process ends if it is late.

        `describing`: a statement of ours, which may ask the pragmas that describe a schema.
        """
        arm(timeout_s + GRACE_S)
        try:
            connection = self._connection(path, mark, max_cell_bytes, describing)
            return run(connection, sql, timeout_s, max_rows, max_result_bytes, max_cell_bytes)
        except (sqlite3.Error, OSError) as problem:
            return Answer((), [], False, f"cannot open the database: {problem}", False, 0.0)
        finally:
            arm(0)

    def _connection(
        self, path: str, mark: tuple[int, ...], max_cell_bytes: int, describing: bool
    ) -> sqlite3.Connection:
        key = (path, mark, max_cell_bytes, describing)
        if key not in self._open:
            for other in [other for other in self._open if other[0] == path and other[1] != mark]:
                self._open.pop(other).close()
            pragmas = DESCRIBING if describing else _FTS_PRAGMA
            self._open[key] = connect(path, pragmas, max_cell_bytes, True)
            if len(self._open) > self._most:
                self._open.popitem(last=False)[1].close()
        self._open.move_to_end(key)
        return self._open[key]


def serve(max_memory_bytes: int) -> None:
    """Answer requests until standard input closes."""
    requests, answers = channel()
    limit_process(max_memory_bytes)
    connections = Connections()
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        send(answers, tuple(connections.run(*request)))


if __name__ == "__main__":
    serve(int(sys.argv[1]))
