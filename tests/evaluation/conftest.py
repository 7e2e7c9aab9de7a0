"""A small shop to evaluate on, and a predictor that answers from a table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from txt2sql.errors import DatabaseError
from txt2sql.execution.database import Database, open_database
from txt2sql.types import Example, Prediction

SCRIPT = """
CREATE TABLE shop (id INTEGER PRIMARY KEY, city TEXT, opened INTEGER, rating REAL);
INSERT INTO shop VALUES (1, 'Lisbon', 1999, 4.5), (2, 'Porto', 2004, 3.5), (3, 'Lisbon', 2011, NULL);
"""


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Database:
    path = tmp_path_factory.mktemp("shop") / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT)
    return open_database(path)


@pytest.fixture
def find(shop: Database, tmp_path: Path) -> Callable[[str], Database]:
    """db_id -> database: `shop` is there, `ruin` is no SQLite file, any other is unknown."""
    ruin = tmp_path / "ruin.sqlite"
    ruin.write_bytes(b"this was a database once" * 100)

    def database(db_id: str) -> Database:
        if db_id == "shop":
            return shop
        if db_id == "ruin":
            return Database(ruin, "ruin")
        raise DatabaseError(f"no database '{db_id}'; take 'shop'")

    return database


@dataclass
class TablePredictor:
    answers: dict[str, str | None]
    name: str = "table"
    seen: list[Example] = field(default_factory=list)

    def predict(self, examples: Sequence[Example]) -> Iterator[Prediction]:
        for example in examples:
            self.seen.append(example)
            yield Prediction(example.id, self.answers[example.id], seconds=0.5)


@pytest.fixture
def table_predictor() -> type[TablePredictor]:
    return TablePredictor
