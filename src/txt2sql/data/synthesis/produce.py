"""synthesise(...): as many different pairs as wanted, and the same bytes for the same seed.

Every statement is run in this process, over a read-only connection and within a budget of opcodes.

>>> pairs, report = synthesise(sources, 1000, seed=1)  # doctest: +SKIP
>>> report.made, report.rejected["returns nothing"]  # doctest: +SKIP
(1000, 71)
"""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from txt2sql.data.synthesis.contents import Budget, read_profile
from txt2sql.data.synthesis.questions import Author, Question
from txt2sql.errors import DatabaseError, DataError
from txt2sql.execution.database import Database
from txt2sql.runs import write_atomically
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.types import Cell, Schema

_OPCODES = 200_000
_FETCHED = 200
_LEAST_YIELD = 50
"""A database is left where fewer than one attempt in so many gives a new pair."""
_NOTHING: tuple[Cell, ...] = (None, 0, "")
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_IDENTIFIER = re.compile(r'"(?:[^"]|"")*"|\b(?![A-Z_]+\b)[^\W\d]\w*')
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?")
SPLIT = "train"


@dataclass(frozen=True, slots=True)
class Source:
    """One database to ask, with the schema whose words are used."""

    database: Database
    schema: Schema


@dataclass(frozen=True, slots=True)
class Pair:
    """One question with SQL that answers it; `kind` is what kind of question it is."""

    db_id: str
    question: str
    sql: str
    kind: str


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
    exclude: Collection[str] = (),
    advance: Callable[[int], None] = lambda made: None,
) -> tuple[list[Pair], Report]:
    """`count` pairs, or fewer when the databases have no more to give, in the order of the databases.

    `exclude` holds questions that must not come out (those a model will be tested on); `advance` is
    told how many pairs there are.
    """
    start = time.monotonic()
    report = Report(count)
    if not sources:
        raise DataError("no database was given; name one")
    for db_id, times in Counter(source.schema.db_id for source in sources).items():
        if times > 1:
            raise DatabaseError(f"two databases are called '{db_id}'; rename the file of one")
    writers = []
    for source in sources:
        profile = read_profile(source.database, source.schema)
        reason = profile.why_silent()
        if reason is None:
            writers.append(_Writer(source, Author(profile), seed))
        else:
            report.silent[source.schema.db_id] = reason
    if not writers:
        raise DataError(next(iter(report.silent.values())))
    excluded = {plain(question) for question in exclude}
    active = list(writers)
    made = 0
    while made < count and active:
        quota = -(-(count - made) // len(active))
        for writer in active:
            wanted = min(quota, count - made)
            made += writer.extend(wanted, excluded, report.rejected)
            advance(made)
        active = [writer for writer in active if not writer.exhausted]
    report.made = made
    report.seconds = time.monotonic() - start
    return [pair for writer in writers for pair in writer.pairs], report


def plain(question: str) -> str:
    """A question without what does not tell it from another: case, spaces, the mark at its end."""
    return " ".join(question.lower().split()).rstrip("?.! ")


class _Writer:
    """The pairs of one database; no question and no statement comes twice."""

    def __init__(self, source: Source, author: Author, seed: int) -> None:
        self.database, self.author, self.schema = source.database, author, source.schema
        self.db_id = source.schema.db_id
        self.prefix = f"{seed}/{self.db_id}/"
        self.pairs: list[Pair] = []
        self.exhausted = False
        self._attempts = 0
        self._questions: set[str] = set()
        self._statements: set[str] = set()

    def extend(self, wanted: int, excluded: Collection[str], rejected: Counter[str]) -> int:
        """Write up to `wanted` more pairs; returns how many they are."""
        before = len(self.pairs)
        connection = self.database.connect()
        connection.text_factory = bytes
        try:
            budget = Budget(connection, _OPCODES)
            last = 0
            while len(self.pairs) < before + wanted and not self.exhausted:
                problem = self._attempt(budget, excluded)
                if problem:
                    rejected[problem] += 1
                    last += 1
                    self.exhausted = last > 4 * _LEAST_YIELD
                else:
                    last = 0
        finally:
            connection.close()
        return len(self.pairs) - before

    def _attempt(self, budget: Budget, excluded: Collection[str]) -> str:
        """Add one pair; returns why there is none, else ""."""
        rng = random.Random(f"{self.prefix}{self._attempts}")
        self._attempts += 1
        question = self.author.write(rng)
        if question is None:
            return "does not fit the database"
        text = plain(question.text)
        if text in excluded:
            return "is a question to be kept out"
        if text in self._questions or question.sql in self._statements:
            return "was there already"
        problem = _problem(budget, question)
        if not problem:
            self._questions.add(text)
            self._statements.add(question.sql)
            sql = canonical_sql(question.sql, self.schema)
            self.pairs.append(Pair(self.db_id, question.text, sql, question.kind))
        return problem


def _problem(budget: Budget, question: Question) -> str:
    """Why the statement is no answer; "" when it is one."""
    sql = question.sql
    if question.clock:
        sql = sql.replace("'now'", f"'{question.clock}'")
    try:
        rows = budget.rows(sql, _FETCHED)
        if not any(cell not in _NOTHING and cell != b"" for row in rows for cell in row):
            return "returns nothing"
        if question.probe:
            probe = question.probe
            if question.clock:
                probe = probe.replace("'now'", f"'{question.clock}'")
            keys = [row[-1] for row in budget.rows(probe, _FETCHED)]
            if len(keys) < 2 or keys[-1] == keys[-2] or len(keys) <= _limit(sql):
                return "is tied where it is cut off"
    except (sqlite3.Error, ValueError, OverflowError, MemoryError) as problem:
        return "takes too long" if "interrupted" in str(problem) else "fails"
    return ""


def _limit(sql: str) -> int:
    return int(sql.rpartition(" LIMIT ")[2])


# ----------------------------------------------------------------------------------------- storage


def skeleton(sql: str) -> str:
    """A statement without its names and values: its shape."""
    return _IDENTIFIER.sub("_", _LITERAL.sub("?", sql))


def summary(pairs: Sequence[Pair], report: Report) -> dict[str, Any]:
    """The statistics of a run, ready for JSON."""
    words = [_WORD.findall(pair.question.lower()) for pair in pairs]
    kinds = Counter(pair.kind for pair in pairs)
    return {
        "pairs": len(pairs),
        "wanted": report.wanted,
        "databases": len({pair.db_id for pair in pairs}),
        "kinds": {kind: round(n / len(pairs), 4) for kind, n in kinds.most_common()},
        "skeletons": len({skeleton(pair.sql) for pair in pairs}),
        "question_words": len({word for each in words for word in each}),
        "mean_question_words": round(sum(map(len, words)) / max(1, len(pairs)), 2),
        "rejected": dict(report.rejected.most_common()),
        "silent": report.silent,
        "seconds": round(report.seconds, 2),
        "pairs_per_second": round(len(pairs) / max(report.seconds, 1e-9), 1),
    }


def write_pairs(
    pairs: Sequence[Pair],
    output: Path,
    sources: Sequence[Source],
    entry: Callable[[str], Mapping[str, Any] | None] = lambda db_id: None,
) -> None:
    """Store pairs as `output`: JSON lines (.jsonl), or a folder in Spider's layout.

    The folder has train.json, links to the databases, and tables.json with the items that `entry`
    has for them.
    """
    rows = [
        {"db_id": p.db_id, "question": p.question, "query": p.sql, "kind": p.kind} for p in pairs
    ]
    if output.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_atomically(output, "".join(lines))
        return
    try:
        for source in sources:
            _link(output, source)
    except OSError as error:
        raise DataError(f"cannot link databases into '{output}' ({error}); choose another folder") from error  # fmt: skip
    entries = [item for source in sources if (item := entry(source.schema.db_id))]
    if entries:
        write_atomically(output / "tables.json", json.dumps(entries, ensure_ascii=False) + "\n")
    text = json.dumps(rows, ensure_ascii=False, indent=1)
    write_atomically(output / f"{SPLIT}.json", text + "\n")


def _link(output: Path, source: Source) -> None:
    db_id = source.schema.db_id
    link = output / "database" / db_id / f"{db_id}.sqlite"
    target = source.database.path.resolve()
    if link.is_symlink() and link.resolve() == target:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    part = link.with_name(f".{link.name}.{os.getpid()}.part")
    part.symlink_to(target)
    part.replace(link)
