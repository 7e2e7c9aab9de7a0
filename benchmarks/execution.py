"""execute() against opening, executing and closing with plain sqlite3, the usual evaluator's loop.

One database of three tables is built in a temporary folder; both sides run the same statements,
alternating round by round. `ours` and `peer` are median microseconds per statement. Ours checks,
authorises, limits and caps each statement; every statement of a round is different.

    python benchmarks/execution.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from txt2sql.execution.database import Database, open_database
from txt2sql.execution.execute import execute

TEMPLATES = (
    "SELECT count(*) FROM singer WHERE age > {n}",
    "SELECT name, age FROM singer WHERE singer_id = {n}",
    "SELECT country, avg(age) FROM singer WHERE singer_id <> {n} GROUP BY country",
    "SELECT s.name FROM singer AS s JOIN sings AS x ON s.singer_id = x.singer_id "
    "JOIN concert AS c ON c.concert_id = x.concert_id WHERE c.year = {n}",
    "SELECT name FROM singer WHERE singer_id NOT IN (SELECT singer_id FROM sings "
    "WHERE concert_id > {n}) ORDER BY age DESC LIMIT 3",
)


def build(path: Path) -> Database:
    """A small database, as large as a median one of Spider."""
    rng = random.Random(1)
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE singer (singer_id INTEGER PRIMARY KEY, name TEXT, country TEXT, age INT);"
            "CREATE TABLE concert (concert_id INTEGER PRIMARY KEY, title TEXT, year INT);"
            "CREATE TABLE sings (concert_id INT, singer_id INT);"
        )
        countries = ("France", "Japan", "Peru", "Kenya")
        connection.executemany(
            "INSERT INTO singer VALUES (?, ?, ?, ?)",
            [(i, f"Singer {i}", rng.choice(countries), rng.randrange(18, 80)) for i in range(50)],
        )
        connection.executemany(
            "INSERT INTO concert VALUES (?, ?, ?)",
            [(i, f"Concert {i}", 2000 + i % 20) for i in range(30)],
        )
        connection.executemany(
            "INSERT INTO sings VALUES (?, ?)",
            [(rng.randrange(30), rng.randrange(50)) for _ in range(120)],
        )
    connection.close()
    os.utime(path, (1, 1))  # an old file, as a data set's are
    return open_database(path)


def plain(path: Path, sql: str) -> list[tuple[object, ...]]:
    """The peer: a connection per statement, without any limit."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def microseconds(run: Callable[[str], object], statements: list[str]) -> float:
    """Mean time of one statement."""
    start = time.perf_counter()
    for sql in statements:
        run(sql)
    return (time.perf_counter() - start) / len(statements) * 1e6


def main() -> None:
    """Measure and print; the last line is JSON."""
    parser = argparse.ArgumentParser(description="execute() against plain sqlite3")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a few seconds")
    rounds = 10 if parser.parse_args().quick else 60
    with tempfile.TemporaryDirectory() as folder:
        database = build(Path(folder) / "concert.sqlite")
        sides: dict[str, Callable[[str], object]] = {
            "ours": lambda sql: execute(database, sql),
            "peer": lambda sql: plain(database.path, sql),
            "worker": lambda sql: execute(database, sql + " -- apart"),
        }
        times: dict[str, list[float]] = {name: [] for name in sides}
        for i in range(rounds):
            statements = [t.format(n=i * 100 + n) for n in range(40) for t in TEMPLATES]
            for sql in statements[:5]:
                assert list(execute(database, sql).rows) == plain(database.path, sql)
            for name, run in sides.items():
                times[name].append(microseconds(run, statements))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:>8} {value:8.1f} µs per statement")
    report = {
        "name": "execution",
        "ours": round(medians["ours"], 1),
        "peer": round(medians["peer"], 1),
        "ratio": round(medians["peer"] / medians["ours"], 2),
        "n": rounds * len(statements),
        "unit": "microseconds per statement (ratio: peer / ours)",
        "worker": round(medians["worker"], 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "versions": {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
