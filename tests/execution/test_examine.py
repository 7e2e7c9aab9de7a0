"""What the examination says: unsafe roles first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
    report = examine(open_database(url))
    assert not report.safe
    assert [danger in each.what for each in report.findings if each.level == DANGER] == [True]
    assert state() == before


@pytest.mark.parametrize(
    ("engine", "name"), [("postgresql", "PostgreSQL"), ("mariadb", "MariaDB"), ("duckdb", "DuckDB")]
)
def test_a_reader_is_safe(engine: str, name: str, engine_url: Callable[[str], str]) -> None:
    report = examine(open_database(engine_url(engine)))
    assert (report.engine, report.tables, report.safe) == (name, 8, True)
    assert report.version[0].isdigit()
    # The engine itself refused to write, and our own check to sleep.
    assert [each.level for each in report.findings].count(OK) >= 2
    assert "p%40ss" not in repr(report)


def test_a_role_that_may_write_is_told_of(attacked: Attacked, postgresql: Any) -> None:
    import psycopg

    url, _ = attacked("postgresql")
    with psycopg.connect(url) as connection:
        connection.execute("GRANT INSERT ON shops TO reader")
    report = examine(open_database(postgresql.url(url.rpartition("/")[2])))
    advice = [each for each in report.findings if each.level == ADVICE]
    assert any(
        "may write to 1 tables" in each.what and "GRANT SELECT" in each.mend for each in advice
    )


def test_a_file_that_may_be_written_is_told_of(attacked: Attacked) -> None:
    report = examine(open_database(attacked("sqlite")[0]))
    assert report.safe
    assert any(each.level == ADVICE and "chmod" in each.mend for each in report.findings)
