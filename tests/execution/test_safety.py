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

ENGINES = ("sqlite", "postgresql", "mariadb", "duckdb")
FIXTURES = Path(__file__).parents[1] / "fixtures" / "safety"
ATTACKS, HOSTILE = (
    json.loads((FIXTURES / name).read_text(encoding="utf-8"))
    for name in ("attacks.json", "engines.json")
)
LIMITS = Limits(timeout_s=0.3, max_memory_bytes=128_000_000)
MARGIN_S = 5.0
"""A busy machine starts a process slowly; a sleep of nine seconds is longer than that."""

Attacked = Callable[[str], tuple[str, Callable[[], Any]]]


def fault(database: Any, sql: str, harmless: bool = False) -> list[Any]:
    """What is wrong with how an attack was met."""
    start = time.perf_counter()
    result = execute(database, sql, LIMITS)
    seconds = time.perf_counter() - start
    if (result.error is None and not harmless) or seconds > MARGIN_S:
        return [(sql, result.error, result.rows[:2], round(seconds, 1))]
    sentence = result.error is None or ("\n" not in result.error and len(result.error) <= 400)
    return [] if sentence else [(sql, "not one sentence", result.error)]


@pytest.mark.parametrize("engine", ENGINES)
def test_no_attack_has_an_effect(engine: str, attacked: Attacked, tmp_path: Path) -> None:
    url, state = attacked(engine)
    database, before, wrong = open_database(url), state(), []
    tmp_path.chmod(0o777)  # a server that wrote would be able to
    for each in ATTACKS:
        sql = each["sql"].replace("{folder}", str(tmp_path))
        wrong += fault(database, sql, engine in each.get("harmless_on", ()))
    assert wrong == []
    assert state() == before
    assert list(tmp_path.iterdir()) == []


def test_a_changed_state_would_be_noticed(attacked: Attacked) -> None:
    url, state = attacked("sqlite")
    before = state()
    prepare("sqlite", url, ["UPDATE shops SET name = name || '!' WHERE shop_id = 1"])
    assert state() != before


@pytest.mark.parametrize("engine", ENGINES)
def test_what_each_engine_alone_understands(engine: str, attacked: Attacked) -> None:
    """Lexical forms, functions of the database's own, catalogues and memory; and beside them what has
    to pass, with the rows that it means.
    """
    url, state = attacked(engine)
    prepare(engine, url, HOSTILE[engine]["setup"])
    database, before = open_database(url), state()
    wrong = [each for sql in HOSTILE[engine]["refused"] for each in fault(database, sql)]
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
