"""Names in a SELECT: what SQLite refuses or silently misreads is reported, and nothing else."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_select import RandomSelect, objection, random_schema

from txt2sql.sql.names import FORGIVEN, check
from txt2sql.types import Column, ForeignKey, Schema, Table

SCHEMA = Schema(
    "museum",
    (
        Table("rooms", (Column("id"), Column("title"), Column("floor"))),
        Table("paintings", tuple(map(Column, ("id", "room_id", "artist", "year", "price")))),
        Table("loans", (Column("painting_id"), Column("borrower"), Column("from"), Column("Due On"))),
        Table("order", (Column("number"), Column("group"))),
    ),
    (
        ForeignKey("paintings", "room_id", "rooms", "id"),
        ForeignKey("loans", "painting_id", "paintings", "id", 0.9),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "kind", "name"),
    [
        ("SELECT title FROM museums", "UNKNOWN_TABLE", "museums"),
        ("SELECT colour FROM rooms", "UNKNOWN_COLUMN", "colour"),
        ("SELECT artist FROM rooms", "UNKNOWN_COLUMN", "artist"),
        ("SELECT T2.title FROM rooms AS T1", "UNKNOWN_COLUMN", "T2.title"),
        ("SELECT rooms.title FROM rooms AS T1", "UNKNOWN_COLUMN", "rooms.title"),
        ("SELECT id FROM rooms JOIN paintings ON room_id = rooms.id", "AMBIGUOUS", "id"),
        ('SELECT "artist" FROM rooms', "QUOTED_TEXT", '"artist"'),
        ("SELECT title FROM rooms, paintings", "JOIN_WITHOUT_CONDITION", "paintings"),
        ("SELECT title FROM rooms LEFT JOIN loans ON borrower = 'x'", "JOIN_WITHOUT_CONDITION", "loans"),
        ("SELECT title FROM rooms r JOIN paintings p ON p.id = p.id", "JOIN_WITHOUT_CONDITION", "p"),
        ("SELECT 1 FROM rooms JOIN paintings p ON p.id = p.id HAVING max(floor) > 1 ORDER BY floor", "JOIN_WITHOUT_CONDITION", "p"),
        ("SELECT title FROM rooms NATURAL JOIN loans", "JOIN_WITHOUT_CONDITION", "loans"),
        ("SELECT title FROM rooms WHERE EXISTS (SELECT 1 FROM paintings WHERE year > 1900)", "SAME_FOR_ALL_ROWS", "EXISTS"),
        ("SELECT title FROM rooms WHERE NOT EXISTS (SELECT 1 FROM paintings p WHERE p.room_id = id)", "SAME_FOR_ALL_ROWS", "EXISTS"),
        ("SELECT artist FROM paintings p WHERE price = (SELECT max(price) FROM paintings WHERE paintings.room_id = room_id)", "SAME_FOR_ALL_ROWS", "paintings.room_id"),
        ("SELECT artist FROM paintings p WHERE julianday(year) - julianday(p.year) > 3", "SAME_FOR_ALL_ROWS", "julianday"),
        ("SELECT sum(price) - SUM(price) FROM paintings", "SAME_FOR_ALL_ROWS", "sum"),
        ("SELECT artist FROM paintings WHERE strftime('%Y-%m', year) = '2025-03-10'", "SAME_FOR_ALL_ROWS", "'2025-03-10'"),
        ("SELECT artist FROM paintings WHERE substr(artist, 1, 4) IN ('2025-03', '2025-04')", "SAME_FOR_ALL_ROWS", "'2025-03'"),
        ("SELECT (SELECT max(year) FROM paintings ORDER BY title) FROM rooms", "UNKNOWN_COLUMN", "title"),
        ("SELECT title FROM rooms UNION SELECT artist FROM paintings ORDER BY year", "UNKNOWN_COLUMN", "year"),
        ("SELECT number FROM order", "RESERVED_WORD", "order"),
        *((sql, "UNREADABLE", "") for sql in ("SELECT number FROM", "SELECT " + "(" * 3000, "SELECT 'a")),
    ],
)  # fmt: skip
def test_what_is_wrong_is_reported(sql: str, kind: str, name: str) -> None:
    assert [(p.kind.name, p.name) for p in check(sql, SCHEMA)] == [(kind, name)]


HARMLESS = """
SELECT TITLE, Rooms.Floor FROM ROOMS
SELECT EXISTS (SELECT 1 FROM paintings WHERE year > 1900)
SELECT title FROM rooms WHERE EXISTS (SELECT 1 FROM paintings WHERE room_id = rooms.id)
SELECT title FROM rooms r WHERE EXISTS (SELECT 1 FROM paintings WHERE year > (SELECT max(x.floor) FROM rooms x WHERE x.title = r.title))
SELECT a.artist FROM paintings a JOIN paintings b ON b.id < a.id WHERE a.year = b.year
SELECT max(price) - min(price), 1.0 * sum(year) / sum(sum(year)) OVER () FROM paintings GROUP BY artist
SELECT artist FROM paintings WHERE strftime('%Y-%m', year) = '2025-03' AND substr(artist, 1, 4) IN ('2025', 'Rem')
SELECT rowid, rooms.oid, * FROM rooms
SELECT rooms.*, p.year FROM rooms JOIN paintings AS p ON p.room_id = rooms.id
SELECT floor + 1 AS up FROM rooms WHERE up > 2 GROUP BY up HAVING up < 9 ORDER BY up
SELECT title FROM rooms, paintings p WHERE p.year > 1900 AND p.room_id = rooms.id
SELECT title FROM rooms CROSS JOIN paintings
SELECT r.id FROM rooms r JOIN paintings p JOIN loans l ON l.painting_id = p.id AND p.room_id = r.id
SELECT id, title FROM rooms JOIN paintings USING (id)
SELECT price / total FROM paintings, (SELECT sum(price) AS total FROM paintings)
WITH t AS (SELECT avg(price) AS a FROM paintings) SELECT artist FROM paintings, t WHERE price > a
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n
SELECT title AS t FROM rooms UNION SELECT artist FROM paintings ORDER BY t
SELECT x.n FROM (SELECT count(*) AS n, floor FROM rooms GROUP BY floor) AS x ORDER BY x.floor
SELECT "title", [floor], `id` FROM "rooms" WHERE title = 'rooms'
SELECT sum(price) OVER w FROM paintings WINDOW w AS (PARTITION BY artist ORDER BY year)
SELECT value FROM rooms, json_each(rooms.title)
SELECT title FROM (rooms JOIN paintings ON room_id = rooms.id) JOIN loans ON painting_id = paintings.id
SELECT name FROM sqlite_master | SELECT title COLLATE NOCASE FROM rooms | VALUES (1), (2) | DELETE FROM rooms
"""


def test_what_sqlite_forgives_harmlessly_is_not_reported() -> None:
    statements = re.split(r" \| |\n", HARMLESS)
    assert [(sql, faults) for sql in statements if (faults := check(sql, SCHEMA))] == []


NAMES_OF_SQLITE = (
    "no such column", "ambiguous column name", "no such table", "cannot join using column",
    "does not match any column in the result set",
)  # fmt: skip
"""What its messages say of names; every other message is of something else."""


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_names_are_resolved_as_sqlite_resolves_them(seed: int) -> None:
    rng = random.Random(seed)
    schema = random_schema(rng)
    wrong = rng.choice((0.0, 0.02, 0.1))
    sql = RandomSelect(rng, schema, wrong, double=rng.random() < 0.3).statement()
    refused = objection(schema, sql)
    named = any(message in refused for message in NAMES_OF_SQLITE)
    if named or not refused:
        problems = [p for p in check(sql, schema) if p.kind not in FORGIVEN[1:]]
        assert bool(problems) == named, (sql, refused)
