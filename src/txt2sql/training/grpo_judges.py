"""Judging sampled answers: in processes that may die, nothing twice, and never for ever.

Each process is its own sandbox (execution/contained.py) and stays for the whole run, so that gold
results are at hand. It has a deadline per answer: one that is killed, crashes or does not come back is
replaced, and the answer it was judging counts as failed. What was judged is remembered by the content
of the database and the two statements: samples of one model repeat themselves.

>>> with closing(Judges(2, timeout_s=5.0)) as judges:  # doctest: +SKIP
...     judges.judge([Task("shop.sqlite", (), "shop", None, "SELECT 1", "SELECT 1")])[0].outcome
'correct'
"""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import txt2sql
from txt2sql.errors import DatabaseError
from txt2sql.evaluation.cache import lasts
from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.component_match import ComponentMatch
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.evaluation.provenance import file_hash
from txt2sql.execution import contained, sandbox
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.execution.guard import check_read_only
from txt2sql.types import Example, Outcome, Prediction

_REMEMBERED = 200_000
_RENEWED = 5000
"""Answers after which a process forgets its gold results, so that it stays small."""
_STARTING_S = 120.0
_GOLD_PATIENCE = 5
"""Times an answer's deadline that its gold query may take."""
_SLOWER = 3
"""Times its gold query's time that an answer may take, where that is more than its deadline."""
_READ, _SELECT = 20, 21
"""Of sqlite3.h."""


class Task(NamedTuple):
    """One answer to judge; `keys` is the foreign-key map that the data set declares, if it does."""

    path: str
    tables: tuple[str, ...]
    db_id: str
    keys: Mapping[str, str] | None
    gold: str
    sql: str | None


class Ruling(NamedTuple):
    """What a process found: `outcome` is the value of an Outcome, `reads` as in rewards.Judged.

    `failed` says why there is no verdict, "" where there is one.
    """

    outcome: str
    reason: str = ""
    empty: bool = False
    component: float = 0.0
    reads: tuple[str, ...] | None = None
    gold_reads: tuple[str, ...] = ()
    failed: str = ""


class Judges:
    """A pool of judging processes. `report` hears of each kind of failure once."""

    def __init__(
        self,
        processes: int,
        timeout_s: float,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.processes, self.timeout_s, self.report = processes, timeout_s, report
        self._pool: list[_Process] = []
        self._known: OrderedDict[tuple[str, str, str | None], Ruling] = OrderedDict()
        self._told: set[str] = set()
        self._hash = lru_cache(maxsize=None)(lambda path: file_hash(Path(path)))

    def judge(self, tasks: Sequence[Task]) -> list[Ruling]:
        """A ruling for each task, in order."""
        keys = [self._key(task) for task in tasks]
        rulings: dict[int, Ruling] = {}
        left: dict[tuple[str, str, str | None], list[int]] = {}
        for i, key in enumerate(keys):
            if key is not None and key in self._known:
                self._known.move_to_end(key)
                rulings[i] = self._known[key]
            else:
                left.setdefault(key or ("", str(i), None), []).append(i)
        for group, ruling in self._ask(list(left.values()), tasks):
            rulings |= dict.fromkeys(group, ruling)
            task = tasks[group[0]]
            self._tell(task, ruling)
            found = keys[group[0]]
            if found is not None and not ruling.failed and lasts(task.gold, task.sql or ""):
                self._known[found] = ruling
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return [rulings[i] for i in range(len(tasks))]

    def close(self) -> None:
        """End the processes."""
        for process in self._pool:
            process.close()
        self._pool.clear()

    def _key(self, task: Task) -> tuple[str, str, str | None] | None:
        try:
            return self._hash(task.path), task.gold, task.sql
        except OSError:
            return None

    def _ask(
        self, groups: Sequence[list[int]], tasks: Sequence[Task]
    ) -> list[tuple[list[int], Ruling]]:
        waiting, done = deque(groups), []
        while len(self._pool) < min(self.processes, len(groups)):
            self._pool.append(_Process(self.timeout_s))
        while waiting or any(process.group for process in self._pool):
            for i, process in enumerate(self._pool):
                while waiting and not process.group and not process.ask(waiting[0], tasks):
                    process.close()  # it died while it had nothing to do
                    self._pool[i] = process = _Process(self.timeout_s)
                if waiting and process.group is waiting[0]:
                    waiting.popleft()
            busy = {process.answers: process for process in self._pool if process.group}
            patience = min(process.deadline for process in busy.values()) - time.monotonic()
            ready = select.select(list(busy), [], [], max(0.0, patience))[0]
            late = [p for p in busy.values() if not ready and p.deadline <= time.monotonic()]
            for process in [*(busy[stream] for stream in ready), *late]:
                group = process.group
                ruling = process.answer() if process not in late else None
                if ruling is None:
                    ruling = process.post_mortem(process in late)
                    self._pool[self._pool.index(process)] = _Process(self.timeout_s)
                done.append((group, ruling))
        return done

    def _tell(self, task: Task, ruling: Ruling) -> None:
        """Say once what went wrong with a database or with judging."""
        kind = ruling.failed
        if ruling.outcome == Outcome.GOLD_ERROR.value:
            kind = f"no verdict: {ruling.reason}"
        line = f"database '{task.db_id}': {kind}"
        if kind and line not in self._told:
            self._told.add(line)
            self.report(f"{line}; answers count as failed")


class _Process:
    """One judging process and the tasks (alike) that it is working on."""

    def __init__(self, timeout_s: float) -> None:
        home = str(Path(txt2sql.__file__).parents[1])
        path = os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "txt2sql.training.grpo_judges", str(timeout_s)]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C in the terminal is the trainer's
            )
        except OSError as problem:
            raise DatabaseError(
                f"cannot start the process that judges answers ({problem}); "
                f"check that '{sys.executable}' can be executed"
            ) from problem
        self.requests = cast(BinaryIO, self.process.stdin)
        self.answers = cast(BinaryIO, self.process.stdout)
        self.timeout_s, self.starting_s = timeout_s, _STARTING_S
        self.group: list[int] = []
        self.deadline = 0.0

    def ask(self, group: list[int], tasks: Sequence[Task]) -> bool:
        """Have it judge the task of a group; False where it is dead."""
        task = tasks[group[0]]
        keys = None if task.keys is None else dict(task.keys)
        try:
            sandbox.send(self.requests, (*task[:3], keys, *task[4:]))
        except BrokenPipeError:
            return False
        self.group = group
        allowed = 2 * (_GOLD_PATIENCE * self.timeout_s + sandbox.GRACE_S) + 1  # gold and answer
        self.deadline = time.monotonic() + allowed + self.starting_s
        return True

    def answer(self) -> Ruling | None:
        """Its ruling; None where it died."""
        try:
            ruling = Ruling(*sandbox.receive(self.answers))
        except EOFError:
            return None
        self.group, self.starting_s = [], 0.0
        return ruling

    def post_mortem(self, late: bool) -> Ruling:
        """The ruling on an answer whose judge was lost."""
        code = self.close(dying=not late)
        if late or code == -signal.SIGALRM:
            reason = f"stopped after {self.timeout_s:g} s"
            return Ruling(Outcome.TIMEOUT.value, reason)
        failed = f"the process that judges ended unexpectedly (exit code {code})"
        return Ruling(Outcome.PREDICTION_ERROR.value, failed, failed=failed)

    def close(self, dying: bool = False) -> int:
        """End it, unless it is `dying` by itself; its exit code."""
        if not dying:
            self.process.kill()
        code = self.process.wait()
        for stream in (self.requests, self.answers):
            with suppress(OSError):  # bytes that the dead process will never read
                stream.close()
        return code


# --------------------------------------------------------------------------- in the judging process


class _Reads(sandbox.Authorizer):
    """Notes the tables that a statement reads, as SQLite resolves them. A read of no column in
    particular (`count(*)`) comes without the name of a database, also where a common table expression
    is called like a table: `defined` are the names of those.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tables: set[str] = set()
        self.columnless: set[str] = set()
        self.defined: set[str] = set()

    def __call__(
        self, action: int, first: str | None, second: str | None, *rest: str | None
    ) -> int:
        database, within = rest
        if action == _READ and first:
            (self.tables if database else self.columnless).add(first.lower())
        elif action == _SELECT and within:
            self.defined.add(within.lower())
        return super().__call__(action, first, second, *rest)


def tables_read(path: str, sql: str) -> tuple[str, ...] | None:
    """The tables that a statement reads, in small letters and sorted; None if it does not compile."""
    if check_read_only(sql) is not None:
        return None
    noted = _Reads()
    try:
        with closing(sandbox.connect(path, noted)) as connection:
            connection.execute(f"EXPLAIN {sql}").close()
    except (sqlite3.Error, sqlite3.Warning, OSError, ValueError):
        return None
    return tuple(sorted(noted.tables | (noted.columnless - noted.defined)))


class _Bench:
    """Judges one task after another; gold results and what gold queries read stay at hand."""

    def __init__(self, timeout_s: float) -> None:
        self.limits = Limits(timeout_s=timeout_s)
        self.gold_limits = Limits(timeout_s=_GOLD_PATIENCE * timeout_s)
        self._keys: dict[str, Mapping[str, str] | None] = {}
        self._renew()

    def _renew(self) -> None:
        self.done = 0
        self._gold = GoldResults(self.gold_limits)
        self._execution = ExecutionAccuracy(gold=self._gold)
        self._component = ComponentMatch(self._keys.get)
        self._gold_reads: dict[tuple[str, str], tuple[str, ...]] = {}

    def __call__(self, task: Task) -> Ruling:
        """The ruling on one task."""
        self.done += 1
        if self.done > _RENEWED:
            self._renew()
        self._keys[task.db_id] = task.keys
        database = Database(Path(task.path), task.db_id, tuple(task.tables))
        example = Example("sample", task.db_id, "", task.gold)
        prediction = Prediction("sample", task.sql)
        # An answer may take longer where its gold query does.
        usual = _SLOWER * self._gold.result(database, task.gold).seconds
        allowed = min(max(self.limits.timeout_s, usual), self.gold_limits.timeout_s)
        limits = replace(self.limits, timeout_s=allowed)
        self._execution.judging = Judging(both=False, limits=limits)
        verdict = self._execution(example, prediction, database)
        if verdict.outcome is Outcome.GOLD_ERROR:
            return Ruling(verdict.outcome.value, verdict.reason)
        sandbox.arm(self.limits.timeout_s + sandbox.GRACE_S)  # for what is no execution
        try:
            key = (task.path, task.gold)
            if key not in self._gold_reads:
                self._gold_reads[key] = tables_read(*key) or ()
            reads = tables_read(task.path, task.sql) if task.sql else None
            matched = self._component(example, prediction, database).score
        finally:
            sandbox.arm(0)
        empty = bool((verdict.details or {}).get("empty"))
        outcome = verdict.outcome.value
        return Ruling(outcome, verdict.reason, empty, matched, reads, self._gold_reads[key])


def serve(timeout_s: float) -> None:
    """Judge what comes on standard input until it closes."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing else may be written between the answers
    bench = _Bench(timeout_s)
    contained.contain(bench.limits.max_memory_bytes)
    while True:
        try:
            task: Any = Task(*sandbox.receive(requests))
        except EOFError:
            return
        try:
            ruling = bench(task)
        except Exception as error:  # told to the trainer, which reports it
            failed = f"judging failed: {type(error).__name__}: {error}"
            ruling = Ruling(Outcome.PREDICTION_ERROR.value, failed, failed=failed)
        sandbox.send(answers, tuple(ruling))


if __name__ == "__main__":
    serve(float(sys.argv[1]))
