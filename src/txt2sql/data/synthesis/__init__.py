"""Data synthesis: questions with SQL for any database that has contents, the same ones for the same seed.

Template-based generation (as in SyntaxSQLNet's augmentation, Yu et al. 2018, and GraPPa, Yu et al.
2021): a shape of question is filled with parts of the database. Every statement is run in this process,
over a read-only connection and within a budget of opcodes, and stays where it returns something.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from txt2sql.data.spider import write_split
from txt2sql.data.synthesis.contents import Profile, fetch, read_profile
from txt2sql.data.synthesis.shapes import Question, compose
from txt2sql.errors import DatabaseError, DataError
from txt2sql.execution.database import Database
from txt2sql.runs import write_atomically
from txt2sql.sql.normal_form import canonical_sql
from txt2sql.types import Schema

__all__ = ["Pair", "Report", "Source", "summary", "synthesise", "write_pairs"]

_OPCODES, _FETCHED, _FAILURES = 200_000, 200, 200  # so many failures in a row end a database
_NO_ROWS = "has no rows, so every query would come back empty; fill a table"
Entry = Callable[[str], Mapping[str, Any] | None]


class Source(NamedTuple):
    database: Database
    schema: Schema


class Pair(NamedTuple):
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
    """`count` pairs, or fewer when the databases have no more to give, in the order of the
    databases. `exclude` holds questions that must not come out (those a model will be tested on);
    `advance` is called with how many pairs there are. Raises DataError where no database has rows,
    DatabaseError where two have one name."""
    start = time.monotonic()
    report = Report(count)
    if not sources:
        raise DataError("no database was given; name one")
    for db_id, times in Counter(source.schema.db_id for source in sources).items():
        if times > 1:
            raise DatabaseError(f"two databases are called '{db_id}'; rename the file of one")
    excluded = {plain(question) for question in exclude}
    writers = []
    for source in sources:
        profile, db_id = read_profile(source.database, source.schema), source.schema.db_id
        if any(table.rows for table in profile.tables):
            writers.append(_Writer(source, profile, f"{seed}/{db_id}/", excluded))
        else:
            report.silent[db_id] = f"'{db_id}' {_NO_ROWS}"
    if not writers:
        raise DataError(next(iter(report.silent.values())))
    active = list(writers)
    while report.made < count and active:
        quota = -(-(count - report.made) // len(active))
        for writer in active:
            writer.extend(min(quota, count - report.made), report)
            advance(report.made)
        active = [writer for writer in active if writer.failures < _FAILURES]
    report.seconds = time.monotonic() - start
    return [pair for writer in writers for pair in writer.pairs], report


def plain(question: str) -> str:
    """A question without what does not tell it from another: case, spaces, the mark at its end."""
    return " ".join(question.lower().split()).rstrip("?.! ")


@dataclass
class _Writer:
    """The pairs of one database; no question and no statement comes twice."""

    source: Source
    profile: Profile
    prefix: str
    excluded: Collection[str]
    pairs: list[Pair] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    attempts: int = 0
    failures: int = 0

    def extend(self, wanted: int, report: Report) -> None:
        target, schema = len(self.pairs) + wanted, self.source.schema
        with closing(self.source.database.connect()) as connection:
            connection.text_factory = bytes
            while len(self.pairs) < target and self.failures < _FAILURES:
                question = compose(self.profile, random.Random(f"{self.prefix}{self.attempts}"))
                self.attempts += 1
                problem = self._problem(connection, question)
                if problem or not question:
                    report.rejected[problem] += 1
                    self.failures += 1
                    continue
                self.failures = 0
                self.seen |= {plain(question.text), question.sql}
                sql = canonical_sql(question.sql, schema)
                self.pairs.append(Pair(schema.db_id, question.text, sql, question.kind))
                report.made += 1

    def _problem(self, connection: sqlite3.Connection, question: Question | None) -> str:
        if question is None:
            return "does not fit the database"
        if (text := plain(question.text)) in self.excluded:
            return "is a question to be kept out"
        if text in self.seen or question.sql in self.seen:
            return "was there already"
        sql = question.sql
        if question.clock:
            sql = sql.replace("'now'", f"'{question.clock}'")
        head, _, limit = sql.rpartition(" LIMIT ")
        try:
            rows = fetch(connection, sql, _FETCHED, _OPCODES)
            if not any(cell not in (None, 0, "", b"") for row in rows for cell in row):
                return "returns nothing"
            if limit.isdigit():
                before, _, key = head.rpartition(" ORDER BY ")
                outputs, _, rest = before.partition(" FROM ")
                probe = f"{outputs}, {key.removesuffix(' DESC')} FROM {rest} ORDER BY {key}"
                rows = fetch(connection, f"{probe} LIMIT {int(limit) + 1}", _FETCHED, _OPCODES)
                if len(rows) <= int(limit) or rows[-1][-1] == rows[-2][-1]:
                    return "is tied where it is cut off"
        except (sqlite3.Error, ValueError, OverflowError, MemoryError) as problem:
            return "takes too long" if "interrupted" in str(problem) else "fails"
        return ""


def summary(pairs: Sequence[Pair], report: Report) -> dict[str, Any]:
    """The statistics of a run, ready for JSON: counts, shares of kinds, seconds."""
    kinds = Counter(pair.kind for pair in pairs)
    return {
        "pairs": len(pairs),
        "wanted": report.wanted,
        "databases": len({pair.db_id for pair in pairs}),
        "kinds": {kind: round(n / len(pairs), 4) for kind, n in kinds.most_common()},
        "rejected": dict(report.rejected.most_common()),
        "silent": report.silent,
        "seconds": round(report.seconds, 2),
        "pairs_per_second": round(len(pairs) / max(report.seconds, 1e-9), 1),
    }


def write_pairs(
    pairs: Sequence[Pair],
    output: Path,
    sources: Sequence[Source],
    entry: Entry = lambda db_id: None,
) -> None:
    """Store pairs as `output`: JSON lines (.jsonl), or a folder in Spider's layout. The folder has
    train.json, links to the databases, and tables.json with the items that `entry` has for them.
    Raises DataError where it cannot be written."""
    rows = [
        {"db_id": p.db_id, "question": p.question, "query": p.sql, "kind": p.kind} for p in pairs
    ]
    if output.suffix == ".jsonl":
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_atomically(output, "".join(lines))
    else:
        entries = [item for source in sources if (item := entry(source.schema.db_id))]
        write_split(output, "train", rows, [source.database for source in sources], entries)
