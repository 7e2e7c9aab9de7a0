"""synthesise(...): as many different pairs as wanted, over all cores, the same bytes whatever their number.

Work is cut into tasks, each a few attempts on one database. They run in any order, and are taken in
theirs: only then are duplicates dropped. What tasks gave is appended to a log as it is taken, so that
a run that was killed goes on where it was.

>>> pairs, report = synthesise(sources, 1000, seed=1)  # doctest: +SKIP
>>> report.made, report.levels["easy"]  # doctest: +SKIP
(1000, 251)
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from txt2sql.data.synthesis.contents import read_facts
from txt2sql.data.synthesis.facts import Facts
from txt2sql.data.synthesis.mining import mined
from txt2sql.data.synthesis.sampler import LEVEL_SHARES, Drawn, Sampler, Task
from txt2sql.errors import DatabaseError, DataError
from txt2sql.execution.database import Database
from txt2sql.execution.sandbox import identity
from txt2sql.execution.spread import Lost, can_spread, spread
from txt2sql.runs import append_row, read_rows
from txt2sql.types import Schema

_ATTEMPTS = 24
_SPARE = 1.1
_POOR_ROUNDS = 2
_MEMORY = 512_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """One database to ask, with the schema whose words are used."""

    database: Database
    schema: Schema


@dataclass(frozen=True, slots=True)
class Pair:
    """One question with SQL that answers it; `writer` is who wrote the question."""

    db_id: str
    question: str
    sql: str
    level: str
    shape: str
    writer: str = "templates"


@dataclass(slots=True)
class Report:
    """What came of a run. `rejected` counts attempts by reason, `silent` says why per database."""

    wanted: int
    made: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    silent: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def synthesise(
    sources: Sequence[Source],
    count: int,
    *,
    seed: int = 0,
    processes: int | None = None,
    exclude: Collection[str] = (),
    log: Path | None = None,
    advance: Callable[[int], None] = lambda made: None,
) -> tuple[list[Pair], Report]:
    """`count` pairs, or fewer when the databases have no more to give.

    `exclude` holds questions that must not come out (those a model will be tested on); `log` is a
    file that lets a killed run go on; `advance` is told how many pairs there are.
    """
    start = time.monotonic()
    report = Report(count)
    processes = processes or _cores()
    facts = _all_facts(sources, processes)
    usable = []
    for at, known in enumerate(facts):
        reason = known.why_silent()
        if reason is None:
            usable.append(at)
        else:
            report.silent[known.db_id] = reason
    if not usable:
        raise DataError(next(iter(report.silent.values()), "no database was given; name one"))
    sampler = Sampler(facts, [source.database for source in sources], seed)
    done = _Log(log, _fingerprint(sources, count, seed, exclude))
    pairs = _Pairs(exclude)
    first = dict.fromkeys(usable, 0)
    poor = dict.fromkeys(usable, 0)
    try:
        while len(pairs.kept) < count and usable:
            tasks = _round(usable, first, count - len(pairs.kept))
            gained: Counter[int] = Counter()
            for task, outcome in _ordered(sampler, tasks, done, processes):
                if isinstance(outcome, str):
                    report.rejected[outcome] += task[2]
                    continue
                drawn, why = outcome
                report.rejected.update(why)
                for each in drawn:
                    gained[task[0]] += pairs.take(facts[task[0]].db_id, each, report.rejected)
                advance(min(len(pairs.kept), count))
                if len(pairs.kept) >= count:
                    break
            asked = Counter(dict.fromkeys(usable, 0))
            for at, _, attempts in tasks:
                asked[at] += attempts
            for at in usable:  # fewer than one attempt in fifty gives something new
                poor[at] = poor[at] + 1 if gained[at] * 50 < asked[at] else 0
            usable = [at for at in usable if poor[at] < _POOR_ROUNDS]
    finally:
        sampler.close()
    report.made = min(count, len(pairs.kept))
    report.seconds = time.monotonic() - start
    # By database: whoever reads them opens each database once.
    place = {each.db_id: at for at, each in enumerate(facts)}
    return sorted(pairs.kept[:count], key=lambda pair: place[pair.db_id]), report


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _round(usable: Sequence[int], first: dict[int, int], missing: int) -> list[Task]:
    """Tasks that should about fill what is missing, the databases in turn."""
    each = max(4, min(int(missing * _SPARE / len(usable)) + 1, 2000))
    tasks: list[Task] = []
    for offset in range(0, each, _ATTEMPTS):
        attempts = min(_ATTEMPTS, each - offset)
        tasks += [(at, first[at] + offset, attempts) for at in usable]
    for at in usable:
        first[at] += each
    return tasks


class _Pairs:
    """The pairs kept; no question and no statement comes twice."""

    def __init__(self, exclude: Collection[str]) -> None:
        self.kept: list[Pair] = []
        self._questions: set[str] = set()
        self._statements: set[tuple[str, str]] = set()
        self._excluded = {plain(question) for question in exclude}

    def take(self, db_id: str, drawn: Drawn, rejected: Counter[str]) -> int:
        question, sql, level, shape = drawn
        asked, statement = plain(question), (db_id, " ".join(sql.lower().split()))
        if asked in self._excluded:
            rejected["is a question to be kept out"] += 1
        elif asked in self._questions or statement in self._statements:
            rejected["was there already"] += 1
        else:
            self._questions.add(asked)
            self._statements.add(statement)
            self.kept.append(Pair(db_id, question, sql, level, shape))
            return 1
        return 0


def plain(question: str) -> str:
    """A question without what does not tell it from another: case, spaces, the mark at its end."""
    return " ".join(question.lower().split()).rstrip("?.! ")


Outcome = tuple[list[Drawn], dict[str, int]] | str


def _ordered(
    sampler: Sampler, tasks: Sequence[Task], log: _Log, processes: int
) -> Iterator[tuple[Task, Outcome]]:
    """Every task with what it gave, in order: from the log, then by running it."""
    known = log.next(len(tasks))
    yield from zip(tasks, known)
    rest = tasks[len(known) :]
    if processes < 2 or len(rest) < 2 or not can_spread():
        for task in rest:
            given = sampler(task)
            log.add(given)
            yield task, given
        return
    waiting: dict[int, Outcome] = {}
    at = 0
    for position, result in spread(sampler, rest, processes=processes, max_memory_bytes=_MEMORY):
        waiting[position] = "killed the process" if isinstance(result, Lost) else result
        while at in waiting:
            outcome = waiting.pop(at)
            log.add(outcome)
            yield rest[at], outcome
            at += 1


class _Log:
    """What tasks gave, in order, as lines of a file that a later run with the same settings reads."""

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self.path, self._at = path, 0
        self._known: list[Outcome] = []
        if path is None:
            return
        rows = read_rows(path)
        head = next(rows, None)
        if head is not None and head.get("settings") == fingerprint:
            self._known = [_outcome(row) for row in rows]
        else:
            path.unlink(missing_ok=True)
            append_row(path, {"settings": fingerprint})

    def next(self, count: int) -> list[Outcome]:
        found = self._known[self._at : self._at + count]
        self._at += len(found)
        return found

    def add(self, outcome: Outcome) -> None:
        if self.path is not None:
            lost = isinstance(outcome, str)
            append_row(self.path, {"lost": outcome} if lost else {"drawn": outcome[0], "why": outcome[1]})  # fmt: skip


def _outcome(row: dict[str, Any]) -> Outcome:
    if "lost" in row:
        return str(row["lost"])
    return [tuple(drawn) for drawn in row["drawn"]], row["why"]


def _fingerprint(sources: Sequence[Source], count: int, seed: int, exclude: Collection[str]) -> str:
    """Changes when a run would give something else."""
    files = [[s.database.db_id, *identity(str(s.database.path))] for s in sources]
    shapes = [shape.text for shape in mined()]
    text = json.dumps([files, count, seed, sorted(exclude), shapes, LEVEL_SHARES])
    return hashlib.sha256(text.encode()).hexdigest()


def _all_facts(sources: Sequence[Source], processes: int) -> list[Facts]:
    """The facts of every database, read over all cores."""
    seen: set[str] = set()
    for source in sources:
        if source.schema.db_id in seen:
            raise DatabaseError(
                f"two databases are called '{source.schema.db_id}'; rename the file of one"
            )
        seen.add(source.schema.db_id)
    if processes < 2 or len(sources) < 8 or not can_spread():
        return [read_facts(source.database, source.schema) for source in sources]

    def read(at: int) -> bytes:
        return pickle.dumps(read_facts(sources[at].database, sources[at].schema))

    facts: dict[int, Facts] = {}
    for at, result in spread(
        read, range(len(sources)), processes=processes, max_memory_bytes=_MEMORY
    ):
        if isinstance(result, Lost):
            facts[at] = Facts(sources[at].schema.db_id, (), (), frozenset())
        else:
            facts[at] = pickle.loads(result)
    return [facts[at] for at in range(len(sources))]
