"""Judging sampled answers: in processes that may die, nothing twice, and never for ever.

Each process is its own sandbox (execution/pool.py) and stays for the whole run, so that gold
results are at hand. It has a deadline per answer: one that is killed, crashes or does not come back is
replaced, and the answer it was judging counts as failed. What was judged is remembered by the content
of the database and the two statements: samples of one model repeat themselves.

>>> with closing(Judges(2, timeout_s=5.0)) as judges:  # doctest: +SKIP
...     judges.judge([Task("shop.sqlite", (), "shop", "SELECT 1", "SELECT 1")])[0].outcome
'correct'
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

import txt2sql
from txt2sql.errors import DatabaseError
from txt2sql.evaluation.gold import lasts
from txt2sql.evaluation.provenance import file_hash
from txt2sql.execution import sandbox
from txt2sql.training.grpo_judge import GOLD_PATIENCE, Ruling, Task
from txt2sql.types import Outcome

_REMEMBERED = 200_000
_STARTING_S = 120.0
_STILLBORN = 3
"""Processes in a row that end before their first answer, until something must be wrong with all."""


def judge_count(wanted: int | None) -> int:
    """How many processes judge: those that are wanted, else one per core and at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return wanted or min(8, cores or 1)


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
        self._stillborn = 0
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
                    self._pool[i] = process = self._replace(process)  # it had nothing to do
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
                    self._pool[self._pool.index(process)] = self._replace(process)
                else:
                    self._stillborn = 0
                done.append((group, ruling))
        return done

    def _replace(self, process: _Process) -> _Process:
        """A new process in the place of a dead one."""
        if process.close() >= 0 and process.starting_s:  # no signal ended it: it could not start
            self._stillborn += 1
        if self._stillborn >= _STILLBORN:
            raise DatabaseError(
                f"the processes that judge answers end before they begin; see what "
                f"`{' '.join(process.command)}` says"
            )
        return _Process(self.timeout_s)

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
        self.command = [sys.executable, "-m", "txt2sql.training.grpo_judge", str(timeout_s)]
        try:
            self.process = subprocess.Popen(
                self.command,
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
        try:
            sandbox.send(self.requests.fileno(), tuple(task))
        except BrokenPipeError:
            return False
        self.group = group
        allowed = 2 * (GOLD_PATIENCE * self.timeout_s + sandbox.GRACE_S) + 1  # gold and answer
        self.deadline = time.monotonic() + allowed + self.starting_s
        return True

    def answer(self) -> Ruling | None:
        """Its ruling; None where it died."""
        try:
            ruling = Ruling(*sandbox.receive(self.answers.fileno()))
        except EOFError:
            return None
        self.group, self.starting_s = [], 0.0
        return ruling

    def post_mortem(self, late: bool) -> Ruling:
        """The ruling on an answer whose judge was lost."""
        if not late:
            self.process.wait()
        code = self.close()
        if late or code == -signal.SIGALRM:
            reason = f"stopped after {self.timeout_s:g} s"
            return Ruling(Outcome.TIMEOUT.value, reason)
        failed = f"the process that judges ended unexpectedly (exit code {code})"
        return Ruling(Outcome.PREDICTION_ERROR.value, failed, failed=failed)

    def close(self) -> int:
        """End it, where it has not ended; its exit code."""
        self.process.kill()
        code = self.process.wait()
        for stream in (self.requests, self.answers):
            with suppress(OSError):  # bytes that the dead process will never read
                stream.close()
        return code
