"""Prepared corpora: made once, made anew when the data change, and carried as one folder."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql.errors import DataError
from txt2sql.training.prepare import open_source, pack, read
from txt2sql.training.selection import measured_items


@pytest.fixture
def copy(tmp_path: Path, tiny_spider: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TXT2SQL_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(tiny_spider, tmp_path / "tiny"))


def test_a_second_start_reads_the_file_of_the_first(copy: Path) -> None:
    first = open_source(str(copy), "train")
    stamp = first.file.stat().st_mtime_ns
    again = open_source(str(copy), "train")
    assert again.file.stat().st_mtime_ns == stamp
    assert list(again.corpus) == list(first.corpus)


def test_changed_questions_or_cells_are_read_anew(copy: Path) -> None:
    before = open_source(str(copy), "train")
    rows = json.loads((copy / "train.json").read_text())
    rows[0]["question"] = "How many shops are in Lisbon?"
    (copy / "train.json").write_text(json.dumps(rows))
    after = open_source(str(copy), "train")
    assert after.corpus[0].example.question == "How many shops are in Lisbon?"
    assert after.corpus[0].matches and not before.corpus[0].matches
    database = copy / "database" / "shop_0" / "shop_0.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE shop SET town = 'Evora' WHERE town = 'Lisbon'")
    assert not open_source(str(copy), "train").corpus[0].matches


def test_a_damaged_file_is_named(copy: Path) -> None:
    source = open_source(str(copy), "train")
    source.file.write_bytes(source.file.read_bytes()[:-20])
    with pytest.raises(DataError, match="damaged"):
        read(source.file)


def test_a_packed_folder_is_the_data_set(copy: Path, tmp_path: Path) -> None:
    source = open_source(str(copy), "train")
    measured = measured_items(source, 0.4, 5, seed=0)
    home = pack(source, measured, tmp_path / "packed")
    there = open_source(str(home), "train")
    assert list(there.corpus) == list(source.corpus)
    needed = {item.example.db_id for item in measured}
    assert 0 < len(needed) < 6
    assert {path.stem for path in home.rglob("*.sqlite")} == needed
    for db_id in needed:
        assert there.database(db_id).schema() == source.database(db_id).schema()


def test_a_packed_wikisql_table_is_alone_in_its_file(tmp_path: Path, data_root: Path) -> None:
    from txt2sql.data import open_dataset
    from txt2sql.training.prepare import _copy

    dataset = open_dataset("wikisql", data_root)
    example = next(dataset.examples("train"))
    _copy(dataset.database(example.db_id), tmp_path / "one.sqlite")
    with closing(sqlite3.connect(tmp_path / "one.sqlite")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
        assert tables == [(name,) for name in dataset.database(example.db_id).tables]
        assert connection.execute(example.gold_sql).fetchall() is not None
