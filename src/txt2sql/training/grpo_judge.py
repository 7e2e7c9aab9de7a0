"""The process that judges sampled answers: one task in, one ruling out, under the limits of the sandbox.

Beside the verdict of execution accuracy, the one judge, it finds the clause Jaccard and the tables that a
statement reads, as SQLite's authorizer is told of them. Imports neither torch nor transformers, so that it
starts in a fraction of a second. `grpo_judges` starts such processes, and replaces them.

>>> tables_read("shop.sqlite", "SELECT s.town FROM shop AS s")  # doctest: +SKIP
('shop',)
"""

from __future__ import annotations

import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from txt2sql.evaluation.gold import GoldResults
from txt2sql.evaluation.metrics.clause_jaccard import ClauseJaccard
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution import pool, sandbox
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits
from txt2sql.execution.guard import check_read_only
from txt2sql.types import Example, Outcome, Prediction, Schema

GOLD_PATIENCE = 5
"""Times an answer's deadline that its gold query may take."""
_SLOWER = 3
"""Times its gold query's time that an answer may take, where that is more than its deadline."""
_RENEWED = 5000
"""Answers after which a process forgets its gold results, so that it stays small."""
_READ, _SELECT = 20, 21
"""Of sqlite3.h."""


class Task(NamedTuple):
    """One answer to judge."""

    path: str
    tables: tuple[str, ...]
    db_id: str
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
        self.gold_limits = Limits(timeout_s=GOLD_PATIENCE * timeout_s)
        self._schemas: dict[str, Schema] = {}
        self._renew()

    def _renew(self) -> None:
        self.done = 0
        self._gold = GoldResults(self.gold_limits)
        self._execution = ExecutionAccuracy(gold=self._gold)
        self._component = ClauseJaccard(self._schemas.__getitem__)
        self._gold_reads: dict[tuple[str, str], tuple[str, ...]] = {}

    def __call__(self, task: Task) -> Ruling:
        """The ruling on one task."""
        self.done += 1
        if self.done > _RENEWED:
            self._renew()
        database = Database(Path(task.path), task.db_id, tuple(task.tables))
        example = Example("sample", task.path, "", task.gold)
        prediction = Prediction("sample", task.sql)
        # An answer may take longer where its gold query does.
        usual = _SLOWER * self._gold.result(database, task.gold).seconds
        allowed = min(max(self.limits.timeout_s, usual), self.gold_limits.timeout_s)
        limits = replace(self.limits, timeout_s=allowed)
        self._execution.judging = Judging(both=False, limits=limits)
        verdict = self._execution(example, prediction, database)
        if verdict.outcome is Outcome.GOLD_ERROR:
            return Ruling(verdict.outcome.value, verdict.reason)
        if task.path not in self._schemas:
            self._schemas[task.path] = database.schema(infer=False)
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
    requests, answers = sandbox.channel()
    bench = _Bench(timeout_s)
    pool.contain(bench.limits.max_memory_bytes)
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
