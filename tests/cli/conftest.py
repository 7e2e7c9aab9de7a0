"""A tiny data set in Spider's layout, and a tiny model."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

QUESTIONS = [
    ("How many shops are there?", "SELECT count(*) FROM shop"),
    ("Which cities have a shop?", "SELECT DISTINCT city FROM shop"),
    ("Which shop is the oldest?", "SELECT id FROM shop ORDER BY opened LIMIT 1"),
    ("Which shops are in Lisbon?", "SELECT id FROM shop WHERE city = 'Lisbon'"),
]


@pytest.fixture
def shops(tmp_path: Path) -> Path:
    """The folder of the data set: one database `shop`, four questions in dev.json."""
    root = tmp_path / "shops"
    home = root / "database" / "shop"
    home.mkdir(parents=True)
    with closing(sqlite3.connect(home / "shop.sqlite")) as connection:
        connection.executescript(
            "CREATE TABLE shop (id INTEGER PRIMARY KEY, city TEXT, opened INTEGER);"
            "INSERT INTO shop VALUES (1, 'Lisbon', 1999), (2, 'Porto', 2004), (3, 'Lisbon', 2011);"
        )
    items = [{"db_id": "shop", "question": q, "query": sql} for q, sql in QUESTIONS]
    (root / "dev.json").write_text(json.dumps(items), encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with random weights."""
    from tiny_models import build, byte_level

    folder = tmp_path_factory.mktemp("model") / "tiny"
    tokenizer = byte_level([f"{question} {sql}" for question, sql in QUESTIONS] * 9)
    tokenizer.save_pretrained(folder)
    build("qwen2", tokenizer, context=4096).save_pretrained(folder)
    return folder
