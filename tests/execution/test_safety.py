"""The safety matrix: every attack on every engine, as a role that may do anything, has no effect."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from txt2sql.execution.database import open_database
from txt2sql.execution.execute import Limits, execute
from txt2sql.models.scripted import ScriptedGenerator
from txt2sql.serving.service import Service

ENGINES = ("sqlite", "postgresql", "mariadb", "duckdb")
FIXTURES = Path(__file__).parents[1] / "fixtures" / "safety"
LIMITS = Limits(timeout_s=0.3, max_memory_bytes=128_000_000)
MARGIN_S = 5.0
"""A busy machine starts a process slowly; a sleep of nine seconds is longer than that."""


def attacks(folder: Path) -> list[dict[str, Any]]:
    found = json.loads((FIXTURES / "attacks.json").read_text(encoding="utf-8"))
    return [{**each, "sql": each["sql"].replace("{folder}", str(folder))} for each in found]


def test_there_are_at_least_sixty_of_every_sort() -> None:
    found = attacks(Path("/x"))
    assert len({each["sql"] for each in found}) == len(found) >= 60
    assert len({each["kind"] for each in found}) >= 8


@pytest.mark.parametrize("engine", ENGINES)
def test_no_attack_has_an_effect(
    engine: str,
    attacked: Callable[[str], tuple[str, Callable[[], Any]]],
    tmp_path: Path,
) -> None:
    url, state = attacked(engine)
    database, before = open_database(url), state()
    wrong = []
    tmp_path.chmod(0o777)  # a server that wrote would be able to
    for each in attacks(tmp_path):
        start = time.perf_counter()
        result = execute(database, each["sql"], LIMITS)
        seconds = time.perf_counter() - start
        harmless = engine in each.get("harmless_on", ())
        if (result.error is None and not harmless) or seconds > MARGIN_S:
            wrong.append((each["sql"], result.error, result.rows[:2], round(seconds, 1)))
        elif result.error is not None and ("\n" in result.error or len(result.error) > 400):
            wrong.append((each["sql"], "not one sentence", result.error))
    assert wrong == []
    assert state() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_nor_when_a_model_writes_it(
    engine: str,
    attacked: Callable[[str], tuple[str, Callable[[], Any]]],
    tmp_path: Path,
) -> None:
    url, state = attacked(engine)
    before, wrong = state(), []
    tmp_path.chmod(0o777)
    written = [each for each in attacks(tmp_path) if each["kind"] != "bombs"][::2]
    service = Service(url, ScriptedGenerator([each["sql"] for each in written]), limits=LIMITS)
    for each in written:
        answer = service.ask("How many shops are there?")
        # What a completion holds after its first statement is cut off, so some answers are harmless.
        if answer.error is None and not _only_reads(answer.sql or ""):
            wrong.append((each["sql"], answer.sql))
    assert wrong == []
    assert state() == before
    assert list(tmp_path.iterdir()) == []


def _only_reads(sql: str) -> bool:
    """Whether SQLite, in which these functions are unknown, runs it on the sample, too."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(sql)
        except sqlite3.Error as problem:
            return "no such table" in str(problem)
    return sql.lower().lstrip().startswith("select")


def test_a_changed_state_would_be_noticed(
    attacked: Callable[[str], tuple[str, Callable[[], Any]]],
) -> None:
    url, state = attacked("sqlite")
    before = state()
    with closing(sqlite3.connect(url)) as connection:
        connection.execute("UPDATE shops SET name = name || '!' WHERE shop_id = 1")
        connection.commit()
    assert state() != before


HOSTILE = json.loads((FIXTURES / "engines.json").read_text(encoding="utf-8"))


def test_each_engine_has_forty_of_its_own() -> None:
    assert all(len(set(each["refused"])) >= 40 for each in HOSTILE.values())


@pytest.mark.parametrize("engine", ENGINES)
def test_what_each_engine_alone_understands(
    engine: str, attacked: Callable[[str], tuple[str, Callable[[], Any]]]
) -> None:
    """Lexical forms, functions of the database's own, catalogues and memory; and beside them what has
    to pass, with the rows that it means.
    """
    url, state = attacked(engine)
    prepare(engine, url, HOSTILE[engine]["setup"])
    database, before = open_database(url), state()
    wrong: list[Any] = []
    for sql in HOSTILE[engine]["refused"]:
        start = time.perf_counter()
        result = execute(database, sql, LIMITS)
        if result.error is None or time.perf_counter() - start > MARGIN_S:
            wrong.append((sql, result.error, result.rows[:2]))
        elif "\n" in result.error or len(result.error) > 400:
            wrong.append((sql, "not one sentence", result.error))
    for sql, rows in HOSTILE[engine]["rows"]:
        result = execute(database, sql, Limits(timeout_s=5))
        if rows == "one":
            rows = [list(result.rows[0])] if result.error is None and result.rows else []
        if (rows is None) != (result.error is not None) or [*map(list, result.rows)] != (
            rows or []
        ):
            wrong.append((sql, result.error, result.rows, "not", rows))
    assert not wrong, "\n".join(map(str, wrong))
    assert state() == before


def prepare(engine: str, url: str, statements: list[str]) -> None:
    """Run the statements as who owns the database."""
    if engine == "sqlite":
        with closing(sqlite3.connect(url)) as connection:
            connection.executescript(";".join(statements))
    elif engine == "duckdb":
        import duckdb

        with duckdb.connect(url.removeprefix("duckdb:///")) as connection:
            for sql in statements:
                connection.execute(sql)
    else:
        from sqlalchemy import create_engine

        driver = {"postgresql": "postgresql+psycopg", "mariadb": "mysql+pymysql"}[engine]
        alchemy = create_engine(driver + url[url.index(":") :])
        with alchemy.begin() as connection:
            for sql in statements:
                connection.exec_driver_sql(sql)
        alchemy.dispose()
