"""The command in this process, a tiny data set in Spider's layout, and a tiny model."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from txt2sql.cli.main import main

QUESTIONS = [
    ("How many shops are there?", "SELECT count(*) FROM shop"),
    ("Which cities have a shop?", "SELECT DISTINCT city FROM shop"),
    ("Which shop is the oldest?", "SELECT id FROM shop ORDER BY opened LIMIT 1"),
    ("Which shops are in Lisbon?", "SELECT id FROM shop WHERE city = 'Lisbon'"),
]


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def txt2sql(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command as if it were typed; paths and numbers are arguments, too."""

    def run(*arguments: object) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def refused(txt2sql: Command) -> Callable[..., str]:
    """The one sentence that a command says, exiting with 1 and printing nothing else."""

    def run(*arguments: object) -> str:
        done = txt2sql(*arguments)
        assert (done.code, done.out) == (1, "")
        [sentence] = done.err.splitlines()
        return sentence

    return run


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


@pytest.fixture
def shop(shops: Path) -> Path:
    return shops / "database" / "shop" / "shop.sqlite"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_models import build, byte_level

    folder = tmp_path_factory.mktemp("model") / "tiny"
    tokenizer = byte_level([f"{question} {sql}" for question, sql in QUESTIONS] * 9)
    tokenizer.save_pretrained(folder)
    build("qwen2", tokenizer, context=4096).save_pretrained(folder)
    return folder
