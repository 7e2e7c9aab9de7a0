"""A tiny data set in Spider's layout, and tiny models with random weights, made once per test run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest
from tiny_models import build, byte_level

from txt2sql.execution.database import Database, open_database

TOWNS = ("Lisbon", "Porto", "Faro", "Braga")


@pytest.fixture(scope="session")
def tiny_spider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six databases, 24 questions, under the split `train`."""
    root = tmp_path_factory.mktemp("tiny") / "tiny"
    rows = []
    for n in range(6):
        folder = root / "database" / f"shop_{n}"
        folder.mkdir(parents=True)
        with closing(sqlite3.connect(folder / f"shop_{n}.sqlite")) as connection:
            connection.executescript(
                "CREATE TABLE shop (id INTEGER PRIMARY KEY, town TEXT, size INTEGER);"
                "CREATE TABLE sale (id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shop (id));"
            )
            connection.executemany(
                "INSERT INTO shop (town, size) VALUES (?, ?)", [(t, i) for i, t in enumerate(TOWNS)]
            )
            connection.commit()
        for question, query in (
            ("How many shops are there?", "SELECT count(*) FROM shop"),
            (f"Size of the shop in {TOWNS[n % 4]}?",
             f"SELECT size FROM shop WHERE town = '{TOWNS[n % 4]}'"),
            ("Which towns have sales?",
             "SELECT town FROM shop JOIN sale ON shop.id = sale.shop_id"),
            ("Case of sizes?", "SELECT CASE WHEN size > 1 THEN 1 ELSE 0 END FROM shop"),
        ):  # fmt: skip
            rows.append({"db_id": f"shop_{n}", "question": question, "query": query})
    (root / "train.json").write_text(json.dumps(rows))
    return root


TEXTS = [
    "-- SQLite tables, with examples of their values CREATE TABLE shop ( id INTEGER PRIMARY KEY, town TEXT );",
    "-- Question: SQLite SELECT statement: SELECT COUNT(*) FROM sale size INTEGER",
    "REFERENCES FOREIGN KEY WHERE JOIN ON shop.id = sale.shop_id Lisbon Porto",
] * 9


@pytest.fixture(scope="session")
def tiny_lm(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A folder with a language model of an architecture, random weights, and a byte-level tokenizer
    that has a chat template or none; made once.
    """

    @cache
    def folder(architecture: str = "qwen2", chat: bool = False) -> Path:
        path = tmp_path_factory.mktemp(f"{architecture}-{chat}")
        tokenizer = byte_level(TEXTS, chat=chat, size=500)
        tokenizer.save_pretrained(path)
        build(architecture, tokenizer, context=1024).save_pretrained(path)
        return path

    return folder


@pytest.fixture
def shops(tmp_path: Path) -> Database:
    """Three tables with rows."""
    path = tmp_path / "shops.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE town (id INTEGER PRIMARY KEY, name TEXT, people INTEGER);"
            "CREATE TABLE shop (id INTEGER PRIMARY KEY, name TEXT, size INTEGER, opened INTEGER,"
            " town_id INTEGER REFERENCES town (id));"
            "CREATE TABLE sale (id INTEGER PRIMARY KEY, shop_id INTEGER REFERENCES shop (id),"
            " amount REAL, kind TEXT);"
        )
        towns = ("Lisbon", "Porto", "Faro", "Braga", "Evora")
        connection.executemany(
            "INSERT INTO town VALUES (?, ?, ?)", [(i, t, 1000 * i) for i, t in enumerate(towns)]
        )
        connection.executemany(
            "INSERT INTO shop VALUES (?, ?, ?, ?, ?)",
            [(i, f"{towns[i % 5]} Books {i}", 10 * i, 1990 + i, i % 5) for i in range(20)],
        )
        connection.executemany(
            "INSERT INTO sale VALUES (?, ?, ?, ?)",
            [(i, i % 20, 1.5 * i, ("card", "cash")[i % 2]) for i in range(60)],
        )
        connection.commit()
    return open_database(path)
