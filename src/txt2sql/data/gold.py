"""Which gold queries of a data set can be used (faults of annotation, by kind), and the check of a
whole data set: is every question answerable on what is there?

A question without a usable gold query is neither trained on nor scored: an empty gold would teach
empty answers, and an accuracy over nothing is no accuracy.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from txt2sql.data.download import Progress
from txt2sql.errors import DataError, Text2SQLError
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.guard import check_read_only
from txt2sql.types import Example, ValueMatch

if TYPE_CHECKING:
    from txt2sql.data import Dataset

_LIMITS = Limits(timeout_s=30.0)
_LITERAL = re.compile(r"'((?:[^']|'')*)'|(?<![\w.])(\d+(?:\.\d+)?)(?![\w.])")
_NAMED = 5  # questions that a problem names
_GRAMMAR_ERRORS = ("syntax error", "incomplete input", "unrecognized token", "clause should come")


class GoldFault(str, Enum):
    MISSING = "no gold SQL"
    NOT_SQL = "gold that is no SELECT statement"
    UNKNOWN_TABLE = "gold that names a table its database lacks"
    FAILS = "gold that does not run"


def gold_fault(example: Example) -> GoldFault | None:
    """What is wrong with a gold query as a text; MISSING and NOT_SQL only."""
    if not example.gold_sql.strip():
        return GoldFault.MISSING
    return None if _is_select(example.gold_sql) else GoldFault.NOT_SQL


def run_fault(example: Example, dataset: Dataset) -> tuple[GoldFault | None, str]:
    """What is wrong with a gold query on its database, and what the database says of it."""
    fault = gold_fault(example)
    if fault is GoldFault.MISSING:
        return fault, ""
    error = execute(dataset.database(example.db_id), example.gold_sql, _LIMITS).error
    if error is None or fault is not None:
        return fault, error or ""
    unknown = error.startswith("no such table")
    return GoldFault.UNKNOWN_TABLE if unknown else GoldFault.FAILS, error


def with_gold(dataset: Dataset, split: str) -> list[Example]:
    """The questions of a split to learn from: those with gold SQL."""
    return usable(dataset.examples(split), f"'{dataset.name}' {split}")


def usable(examples: Iterable[Example], place: str, *, answers: bool = False) -> list[Example]:
    """The examples that have a gold query which parses, or, with `answers`, answers in its place.
    One line on standard error says how many are left out and why. Raises DataError where none is
    left."""
    good: list[Example] = []
    bad: list[Example] = []
    faults: Counter[GoldFault] = Counter()
    for example in examples:
        fault = None if answers and example.answers is not None else gold_fault(example)
        (bad if fault else good).append(example)
        faults.update([fault] if fault else [])
    total = len(good) + len(bad)
    reasons = ", ".join(f"{count:,} with {fault.value}" for fault, count in faults.items())
    if total and not good:
        hint = (
            "its questions have answers only"
            if all(example.answers is not None for example in bad)
            else "put each query as text under 'query', 'sql' or 'SQL'"
        )
        raise DataError(f"no question with gold SQL in {place} ({reasons}); {hint}")
    if faults:
        print(f"{place}: left out {len(bad):,} of {total:,}: {reasons}", file=sys.stderr)
    return good


@lru_cache(8192)
def _is_select(sql: str) -> bool:
    """Whether SQLite can parse it as one reading statement; names are nobody's concern here."""
    if check_read_only(sql) is not None:
        return False
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(f"EXPLAIN {sql}").close()
        except sqlite3.Error as error:
            return not any(part in str(error) for part in _GRAMMAR_ERRORS)
    return True


def stands_alone(example: Example, matches: Sequence[ValueMatch]) -> bool:
    """Whether a question can be answered without its evidence: every literal of its gold SQL is in
    the question, or is a cell that was matched."""
    text = example.question.lower()
    values = {match.value.lower() for match in matches}
    literals = [(a or b).replace("''", "'").lower() for a, b in _LITERAL.findall(example.gold_sql)]
    return all(each in text or each in values or each in ("", "0", "1", "100") for each in literals)


@dataclass(frozen=True, slots=True)
class SplitSize:
    split: str
    questions: int
    databases: int


@dataclass(frozen=True, slots=True)
class BadGold:
    """The questions of one split whose gold query has one kind of fault; `error` is what the database
    says of the first."""

    split: str
    fault: GoldFault
    ids: tuple[str, ...]
    error: str

    def __str__(self) -> str:
        shown = ", ".join(self.ids[:_NAMED]) + (", …" if len(self.ids) > _NAMED else "")
        error = f" ({self.error})" if self.error else ""
        return f"{len(self.ids):,} with {self.fault.value}: {shown}{error}"


@dataclass(frozen=True, slots=True)
class Checked:
    """The sizes of the splits and, one sentence each, what is wrong."""

    splits: tuple[SplitSize, ...]
    problems: tuple[str, ...]
    bad_gold: tuple[BadGold, ...] = ()


def sizes(dataset: Dataset) -> tuple[SplitSize, ...]:
    by_split = {name: [e.db_id for e in dataset.examples(name)] for name in dataset.splits}
    return tuple(SplitSize(name, len(ids), len(set(ids))) for name, ids in by_split.items())


def check(dataset: Dataset, progress: Progress | None = None) -> Checked:
    """Read every question, open every database that one is about, and run every gold query."""
    progress = progress or (lambda stage, done, total: None)
    splits, problems = [], []
    questions: Counter[str] = Counter()
    unique: dict[str, tuple[str, Example]] = {}
    for split in dataset.splits:
        try:
            examples = list(dataset.examples(split))
        except Text2SQLError as error:
            problems.append(f"split {split}: {error}")
            continue
        used = Counter(example.db_id for example in examples)
        splits.append(SplitSize(split, len(examples), len(used)))
        questions |= used
        for example in examples:  # `train` has the questions of its parts
            unique.setdefault(example.id, (split, example))
    readable = set()
    for number, (db_id, count) in enumerate(questions.items(), start=1):
        try:
            dataset.database(db_id)
            dataset.schema(db_id)
            readable.add(db_id)
        except Text2SQLError as error:
            problems.append(f"{count:,} questions on {db_id}: {error}")
        progress("databases", number, len(questions))
    if hasattr(dataset, "logical_forms"):  # its SQL is written from them, not by annotators
        return Checked(tuple(splits), tuple(problems))
    faults: dict[tuple[str, GoldFault], list[tuple[str, str]]] = {}
    pairs = [pair for pair in unique.values() if pair[1].db_id in readable]
    for number, (split, example) in enumerate(pairs, start=1):
        if example.gold_sql or example.answers is None:  # answers need no gold query
            fault, why = run_fault(example, dataset)
            if fault is not None:
                faults.setdefault((split, fault), []).append((example.id, why))
        progress("gold queries", number, len(pairs))
    bad = tuple(
        BadGold(split, fault, tuple(example_id for example_id, _ in cases), cases[0][1])
        for (split, fault), cases in faults.items()
    )
    return Checked(tuple(splits), (*problems, *map(str, bad)), bad)
