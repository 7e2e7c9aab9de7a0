"""What the examination says: unsafe roles first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from txt2sql import sample
from txt2sql.execution.database import open_database
from txt2sql.execution.examine import ADVICE, DANGER, OK, examine

Attacked = Callable[[str], tuple[str, Callable[[], Any]]]


@pytest.mark.parametrize(
    ("engine", "danger"), [("postgresql", "is a superuser"), ("mariadb", "on the whole server")]
)
def test_a_role_that_may_do_anything_is_not_safe(
    engine: str, danger: str, attacked: Attacked
) -> None:
    url, state = attacked(engine)
    before = state()
    found = examine(open_database(url))
    assert not found.safe
    assert [danger in each.what for each in found.findings if each.level == DANGER] == [True]
    assert state() == before


@pytest.mark.parametrize(
    ("engine", "name"), [("postgresql", "PostgreSQL"), ("mariadb", "MariaDB"), ("duckdb", "DuckDB")]
)
def test_a_reader_is_safe(engine: str, name: str, engine_url: Callable[[str], str]) -> None:
    found = examine(open_database(engine_url(engine)))
    assert (found.engine, found.tables, found.safe) == (name, 8, True)
    assert found.version[0].isdigit()
    # The engine itself refused to write, and our own check to sleep.
    assert [each.level for each in found.findings].count(OK) >= 2
    assert "p%40ss" not in repr(found)


def test_a_role_that_may_write_is_told_of(attacked: Attacked, postgresql: Any) -> None:
    import psycopg
    from engines import PASSWORD, READER

    url, _ = attacked("postgresql")
    name = url.rpartition("/")[2]
    host, port = postgresql.host.split(":")
    with psycopg.connect(
        host=host, port=int(port), user="admin", password=PASSWORD, dbname=name
    ) as connection:
        connection.execute(f"GRANT INSERT ON shops TO {READER}")
    found = examine(open_database(postgresql.url(name)))
    advice = [each for each in found.findings if each.level == ADVICE]
    assert any(
        "may write to 1 tables" in each.what and "GRANT SELECT" in each.mend for each in advice
    )


def test_a_file_that_may_be_written_is_told_of(tmp_path: Path) -> None:
    file = tmp_path / "books.sqlite"
    shutil.copyfile(sample.path(), file)
    found = examine(open_database(file))
    assert found.safe
    assert any(each.level == ADVICE and "chmod" in each.mend for each in found.findings)
