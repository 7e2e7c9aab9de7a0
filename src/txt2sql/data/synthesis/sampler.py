"""One database, one seed -> pairs of question and SQL that were executed and give rows.

An attempt first draws a hardness level, so that levels come out in the shares wanted however hard they
are to fill, then shapes of that level until one fits, can be put into words, runs within a budget of
opcodes, returns something, and has no tie where a LIMIT cuts.

>>> sampler = Sampler([facts], [database], seed=1)  # doctest: +SKIP
>>> sampler((0, 0, 10))[0][0]  # doctest: +SKIP
('How many singers are there?', 'SELECT count(*) FROM singer', 'easy', 'select count ( * ) from t0')
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from txt2sql.data.synthesis.conditions import Unsayable
from txt2sql.data.synthesis.contents import Budget
from txt2sql.data.synthesis.facts import Facts
from txt2sql.data.synthesis.fill import Filled, Room, fill
from txt2sql.data.synthesis.grammar import sampled
from txt2sql.data.synthesis.mining import MinedShape, mined
from txt2sql.data.synthesis.plan import Plan, plan
from txt2sql.data.synthesis.questions import question
from txt2sql.data.synthesis.shape import Compound, Misfit, Select, selects
from txt2sql.data.synthesis.write import tie_probe, write, write_query
from txt2sql.execution.database import Database
from txt2sql.types import Cell, Row

LEVEL_SHARES = {"easy": 0.25, "medium": 0.35, "hard": 0.2, "extra": 0.2}
Drawn = tuple[str, str, str, str]
"""question, SQL, hardness level, text of the shape: what marshal carries between processes"""
Task = tuple[int, int, int]
"""position of the database, first attempt, how many attempts"""

_GRAMMAR_SHARE = 0.15
_TRIES = 12
_FLATTEN = 0.85
_OPCODES = 200_000
_FETCHED = 200
_NOTHING: tuple[Cell, ...] = (None, 0, "")


class Sampler:
    """Draws pairs; call it with a task. Databases are opened when they are first asked."""

    def __init__(self, facts: Sequence[Facts], databases: Sequence[Database], seed: int) -> None:
        self.facts, self.databases, self.seed = facts, databases, seed
        self._pools = {
            level: (_Pool(mined(), level), _Pool(sampled(), level)) for level in LEVEL_SHARES
        }
        self._plans: dict[str, Plan | None] = {}
        self._rooms: dict[int, Room] = {}
        self._budgets: dict[int, Budget] = {}

    def __call__(self, task: Task) -> tuple[list[Drawn], dict[str, int]]:
        """The pairs of some attempts, at most one each, and why others came to nothing."""
        at, first, attempts = task
        why: Counter[str] = Counter()
        found = [self._attempt(at, number, why) for number in range(first, first + attempts)]
        return [drawn for drawn in found if drawn is not None], dict(why)

    def _attempt(self, at: int, number: int, why: Counter[str]) -> Drawn | None:
        if at not in self._rooms:
            self._rooms[at] = Room(self.facts[at])
        room = self._rooms[at]
        rng = random.Random(f"{self.seed}/{room.facts.db_id}/{number}")
        level = rng.choices(tuple(LEVEL_SHARES), tuple(LEVEL_SHARES.values()))[0]
        for _ in range(_TRIES):
            shape = self._pools[level][rng.random() < _GRAMMAR_SHARE].draw(rng)
            if shape is None:
                continue
            planned = self._planned(shape)
            if planned is None:
                why["cannot be put into words"] += 1
                continue
            try:
                filled = fill(planned, room, rng)
                asked = question(filled, rng)
            except Misfit:
                why["does not fit the database"] += 1
                continue
            except Unsayable:
                why["cannot be put into words"] += 1
                continue
            sql = write(filled)
            problem = self._problem(at, filled, sql)
            if problem is None:
                return asked, sql, level, shape.text
            why[problem] += 1
        return None

    def _planned(self, shape: MinedShape) -> Plan | None:
        if shape.text not in self._plans:
            try:
                self._plans[shape.text] = plan(shape.query)
            except Misfit:
                self._plans[shape.text] = None
        return self._plans[shape.text]

    def _problem(self, at: int, filled: Filled, sql: str) -> str | None:
        """Why the statement is not worth asking; None when it is."""
        try:
            rows = self._rows(at, sql)
            if not any(cell not in _NOTHING for row in rows for cell in row):
                return "returns nothing"
            for select in selects(filled.query):
                if select.limit >= 0 and self._tied(at, filled, select):
                    return "is tied where it is cut off"
            if self._idle(at, filled, rows):
                return "has a side that changes nothing"
        except (sqlite3.Error, ValueError, OverflowError, MemoryError) as problem:
            slow = "interrupted" in str(problem)
            return "takes too long" if slow else "fails"
        return None

    def _tied(self, at: int, filled: Filled, select: Select) -> bool:
        """Whether the order leaves open which rows are kept, or there are no others to leave out."""
        limit = filled.values[select.limit]
        assert isinstance(limit, int)
        keys = self._rows(at, tie_probe(filled, select))
        return len(keys) <= limit or keys[limit - 1] == keys[limit]

    def _idle(self, at: int, filled: Filled, rows: Sequence[Row]) -> bool:
        """Whether one side of a set operation, or conditions joined by OR, might as well not be."""
        query = filled.query
        if isinstance(query, Compound):
            return set(self._rows(at, write_query(filled, query.left))) == set(rows)
        if not query.either or query.limit >= 0:
            return False
        return self._rows(at, write_query(filled, query._replace(where=()))) == rows

    def _rows(self, at: int, sql: str) -> list[Row]:
        if at not in self._budgets:
            connection = self.databases[at].connect()
            connection.text_factory = (
                str  # decoding in C is faster; what is not UTF-8 fails, and is not asked
            )
            self._budgets[at] = Budget(connection, _OPCODES)
        return self._budgets[at].rows(sql, _FETCHED)

    def close(self) -> None:
        """Close what was opened."""
        for budget in self._budgets.values():
            budget.connection.close()
        self._budgets.clear()


class _Pool:
    """The shapes of one level; frequent ones are drawn more often, though less than they occur."""

    def __init__(self, shapes: Sequence[MinedShape], level: str) -> None:
        self.shapes = [shape for shape in shapes if shape.level == level]
        self.weights = list(accumulate(shape.golds**_FLATTEN for shape in self.shapes))

    def draw(self, rng: random.Random) -> MinedShape | None:
        if not self.shapes:
            return None
        return rng.choices(self.shapes, cum_weights=self.weights)[0]
