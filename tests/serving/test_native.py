"""What a model wrote, in the dialect of the database; what a person typed, as it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from txt2sql.execution.database import open_database
from txt2sql.serving.service import run_native


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_every_model_writes_the_sql_of_sqlite(engine: str, engine_url: Callable[..., str]) -> None:
    database = open_database(engine_url(engine))
    sql = "SELECT strftime('%Y', order_date) AS year, count(*) FROM orders GROUP BY year ORDER BY 1"
    ran, result = run_native(database, database.schema(), sql)
    assert result.error is None
    assert result.rows[0][0] == "2023"
    assert ("CAST(order_date AS TIMESTAMP)" in ran) == (engine == "duckdb")


def test_what_cannot_be_translated_is_run_as_it_is_and_says_why_it_fails(
    engine_url: Callable[..., str],
) -> None:
    database = open_database(engine_url("duckdb"))
    ran, result = run_native(database, database.schema(), "SELECT nothing FROM nowhere WHERE")
    assert ran == "SELECT nothing FROM nowhere WHERE"
    assert result.error
