"""Random schemas and random SELECTs over them, right and wrong ones, from one seed."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

from txt2sql.search.steps import in_backticks
from txt2sql.types import Column, ForeignKey, Schema, Table

NAMES = ("id", "name", "Town", "price", "owner_id", "Full Name", "size")
TABLES = ("shop", "Staff", "visit", "price_list")
GHOST = "ghost"


def random_schema(rng: random.Random) -> Schema:
    tables = [
        Table(name, tuple(map(Column, rng.sample(NAMES, rng.randint(2, 5)))))
        for name in rng.sample(TABLES, rng.randint(2, 4))
    ]
    keys = []
    for table in tables[1:]:
        if rng.random() < 0.8:
            other = rng.choice(tables[: tables.index(table)])
            ends = rng.choice(table.columns).name, rng.choice(other.columns).name
            score = rng.choice((1.0, 0.8))
            keys.append(ForeignKey(table.name, ends[0], other.name, ends[1], score))
    return Schema("random", tuple(tables), tuple(keys))


def ddl(schema: Schema) -> str:
    return ";".join(
        f'CREATE TABLE "{table.name}"({", ".join(f"[{c.name}]" for c in table.columns)})'
        for table in schema.tables
    )


def objection(schema: Schema, sql: str) -> str:
    """What SQLite says against a statement on the empty database of the schema; "" for nothing."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(ddl(schema))
        try:
            connection.execute(f"EXPLAIN {in_backticks(sql)}")  # backticks are never text
        except sqlite3.Error as error:
            return str(error)
    return ""


@dataclass
class RandomSelect:
    """Writes one statement. `wrong` is how often a name is taken from anywhere; `double` allows
    double quotes, `alone` a join without a condition.
    """

    rng: random.Random
    schema: Schema
    wrong: float = 0.05
    double: bool = False
    alone: bool = True
    common: list[str] = field(default_factory=list)

    def statement(self) -> str:
        head = ""
        if self.chance(0.2):
            recursive = "RECURSIVE " if self.chance(0.2) else ""
            listed = "(id, total)" if self.chance(0.3) else ""
            width = 2 if listed else self.rng.randint(1, 3)
            head = f"WITH {recursive}cte{listed} AS ({self.select([], 1, width)}) "
            self.common.append("cte")
        if self.chance(0.2):
            operator = self.rng.choice(("UNION", "UNION ALL", "EXCEPT", "INTERSECT"))
            width = self.rng.randint(1, 2)
            order = f" ORDER BY {self.bare()}" if self.chance(0.5) else ""
            sides = (self.select([], 1, width, ordered=False) for _ in "ab")
            return head + f" {operator} ".join(sides) + order
        return head + self.select([], 2)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def quoted(self, name: str) -> str:
        marks = ["``", "[]"] + (['""'] * 3 if self.double else [])
        if " " not in name and self.chance(0.7):
            return name.upper() if self.chance(0.1) else name
        first, last = self.rng.choice(marks)
        return first + name + last

    def bare(self) -> str:
        return self.quoted(self.rng.choice((*NAMES, "total", GHOST)))

    def select(self, outer: list[tuple[str, tuple[str, ...]]], depth: int, width: int = 0, ordered: bool = True) -> str:  # fmt: skip
        """One SELECT of `width` columns, or any number; `outer` are (alias, columns) around it."""
        rng = self.rng
        sources: list[tuple[str, tuple[str, ...]]] = []
        text = ""
        for i in range(rng.choice((1, 1, 2, 2, 3))):
            entry, source = self.source(depth)
            if i == 0:
                text = entry
                sources.append(source)
                continue
            before = list(sources)
            sources.append(source)
            kind = rng.choice(
                ("JOIN", "LEFT JOIN", "INNER JOIN", "CROSS JOIN", ",", "NATURAL JOIN")
            )
            if not self.alone and kind in (",", "NATURAL JOIN"):
                kind = "JOIN"
            shared = [n for n in source[1] if any(n in names for _, names in before)]
            if kind in ("CROSS JOIN", ",", "NATURAL JOIN"):
                text += f" {kind} {entry}"
            elif shared and self.chance(0.2):
                text += f" {kind} {entry} USING ({self.quoted(rng.choice(shared))})"
            elif self.alone and self.chance(0.1) and kind != "LEFT JOIN":
                text += f" {kind} {entry}"
            else:
                other = rng.choice(before)
                text += f" {kind} {entry} ON {self.of(source)} = {self.of(other)}"
        around = sources + outer
        projections = [
            self.expression(around, depth) + (f" AS {self.rng.choice(('total', 'name', 'n'))}" if self.chance(0.3) else "")
            for _ in range(width or rng.randint(1, 3))
        ]  # fmt: skip
        if not width and self.chance(0.1):
            projections = ["*"] if self.chance(0.5) else [f"{sources[0][0]}.*"]
        sql = f"SELECT {', '.join(projections)} FROM {text}"
        if self.chance(0.5):
            sql += " WHERE " + " AND ".join(self.condition(around, depth) for _ in range(rng.randint(1, 2)))  # fmt: skip
        if self.chance(0.2):
            sql += f" GROUP BY {self.column(around)}"
            if self.chance(0.3):
                sql += f" HAVING count({self.column(around)}) > 1"
        if ordered and self.chance(0.3):
            sql += f" ORDER BY {self.column(around) if self.chance(0.7) else self.bare()} DESC"
        return sql

    def source(self, depth: int) -> tuple[str, tuple[str, tuple[str, ...]]]:
        alias = self.rng.choice(("T1", "T2", "T3", "x"))
        if depth > 0 and self.chance(0.15):
            width = self.rng.randint(1, 2)
            names = self.rng.sample(("id", "name", "total"), width)
            inner, source = self.source(0)
            selected = ", ".join(f"{self.of(source)} AS {name}" for name in names)
            return f"(SELECT {selected} FROM {inner}) AS {alias}", (alias, tuple(names))
        if self.common and self.chance(0.4):
            return f"cte AS {alias}", (alias, ("id", "total"))
        if self.chance(self.wrong / 2):
            return f"nowhere AS {alias}", (alias, ("id",))
        table = self.rng.choice(self.schema.tables)
        names = tuple(column.name for column in table.columns)
        if self.chance(0.6):
            mark = " AS " if self.chance(0.8) else " "
            return f"{self.quoted(table.name)}{mark}{alias}", (alias, names)
        return self.quoted(table.name), (table.name, names)

    def of(self, source: tuple[str, tuple[str, ...]]) -> str:
        if self.chance(self.wrong):
            return self.column([source])
        return f"{source[0]}.{self.quoted(self.rng.choice(source[1]))}"

    def column(self, around: list[tuple[str, tuple[str, ...]]]) -> str:
        rng = self.rng
        if self.chance(self.wrong):
            name = rng.choice((*NAMES, GHOST))
            alias = rng.choice(("T1", "T2", "x", *TABLES, ""))
        else:
            alias, names = rng.choice(around[:3] if self.chance(0.8) else around)
            name = rng.choice(names)
            others = sum(name.lower() in map(str.lower, each) for _, each in around)
            if others == 1 and self.chance(0.6):
                alias = ""
        return f"{alias}.{self.quoted(name)}" if alias else self.quoted(name)

    def expression(self, around: list[tuple[str, tuple[str, ...]]], depth: int) -> str:
        column = self.column(around)
        if depth > 0 and self.chance(0.1):
            return f"({self.select(around, depth - 1, 1)} LIMIT 1)"
        form = self.rng.choice(
            ("{}", "{}", "{}", "count({})", "max({})", "{} || 'x'", "length({})", "CAST({} AS TEXT)",
             "CASE WHEN {} > 1 THEN 'a' ELSE 'b' END", "coalesce({}, 0)")
        )  # fmt: skip
        return form.format(column)

    def condition(self, around: list[tuple[str, tuple[str, ...]]], depth: int) -> str:
        column = self.column(around)
        if depth > 0 and self.chance(0.3):
            inner = self.select(around, depth - 1, 1)
            return self.rng.choice((f"{column} IN ({inner})", f"EXISTS ({inner})", f"{column} = ({inner})"))  # fmt: skip
        right = self.column(around) if self.chance(0.3) else self.rng.choice(("1", "'x'", "NULL"))
        if self.double and self.chance(0.2):
            right = '"some text"'
        operator = self.rng.choice(("=", "<>", ">", "LIKE", "IS"))
        return f"{column} {operator} {right}"
