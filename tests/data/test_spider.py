"""Spider's layout: splits, ids, natural names, foreign keys, and what is damaged."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql.data.spider import SpiderDataset
from txt2sql.errors import DataError
from txt2sql.types import ForeignKey, Turn


def test_splits_are_found_and_train_joins_both_parts(spider: Path) -> None:
    dataset = SpiderDataset(spider)
    assert dataset.splits == ("dev", "train_spider", "train_others", "train")
    ids = [example.id for example in dataset.examples("train")]
    assert ids == ["train_spider-0", "train_spider-1", "train_others-0"]
    assert dataset.count("train") == 3


def test_examples_carry_question_and_gold(spider: Path) -> None:
    first = next(SpiderDataset(spider).examples("dev"))
    assert (first.id, first.db_id) == ("dev-0", "shops")
    assert first.question == "How many shops?"
    assert (first.gold_sql, first.previous) == ("SELECT count(*) FROM shop", None)


def test_words_come_from_tables_json_and_names_from_the_file(spider: Path) -> None:
    schema = SpiderDataset(spider).schema("shops")
    assert [table.name for table in schema.tables] == ["shop", "Sale", "visit"]
    assert [column.words for column in schema.tables[0].columns] == [
        "shop number",
        "name",
        "year of opening",
    ]
    assert schema.tables[2].words == "visit of a shop"
    assert schema.tables[0].columns[1].samples == ("Corner", "Station")


def test_foreign_keys_of_both_sources_are_merged_once(spider: Path) -> None:
    # sale.shop is declared twice, visit.shop only in tables.json, gone.x is not in the file.
    assert SpiderDataset(spider).schema("shops").foreign_keys == (
        ForeignKey("Sale", "shop", "shop", "Shop_ID"),
        ForeignKey("visit", "shop", "shop", "Shop_ID"),
    )


def test_a_generic_folder_needs_only_questions_and_databases(tmp_path: Path) -> None:
    (tmp_path / "database" / "a").mkdir(parents=True)
    with closing(sqlite3.connect(tmp_path / "database" / "a" / "a.sqlite")) as connection:
        connection.execute("CREATE TABLE t (x INT)")
    item: dict[str, object] = {"db_id": "a", "question": "q", "query": "SELECT x FROM t"}
    item["difficulty"], item["accepted"] = "easy", [" SELECT t.x FROM t "]
    item["previous"] = {"question": " before ", "query": "SELECT 1 "}
    (tmp_path / "hospital.json").write_text(json.dumps([item]))
    dataset = SpiderDataset(tmp_path)
    assert dataset.splits == ("hospital",)
    example = next(dataset.examples("hospital"))
    assert (example.id, example.difficulty) == ("hospital-0", "easy")
    assert example.accepted == ("SELECT t.x FROM t",)
    assert example.previous == Turn("before", "SELECT 1")
    assert dataset.schema("a").tables[0].columns[0].name == "x"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[{", "as JSON"),
        ("[1, 2]", "list of objects"),
        ('[{"db_id": "shops", "query": "x"}]', "item 0 of .* has no 'question'"),
    ],
)
def test_a_damaged_split_says_what_is_wrong(spider: Path, content: str, said: str) -> None:
    (spider / "dev.json").write_text(content)
    with pytest.raises(DataError, match=said):
        list(SpiderDataset(spider).examples("dev"))


def test_a_damaged_tables_json_says_what_is_wrong(spider: Path) -> None:
    (spider / "tables.json").write_text('[{"db_id": "shops", "table_names": ["x"]}]')
    with pytest.raises(DataError, match="describes 'shops' in another way"):
        SpiderDataset(spider).schema("shops")


def test_the_real_one(data_root: Path) -> None:
    dataset = SpiderDataset(data_root / "spider")
    assert dataset.count("dev") == 1034
    assert dataset.count("train_spider") == 7000
    assert len({example.id for example in dataset.examples("train")}) == dataset.count("train")
    schemas = {example.db_id: None for example in dataset.examples("dev")}
    assert len(schemas) == 20
    for db_id in schemas:
        schema = dataset.schema(db_id)
        assert schema.tables
        assert all(column.words for table in schema.tables for column in table.columns)
        for key in schema.foreign_keys:
            for name, column in (
                (key.table, key.column),
                (key.referenced_table, key.referenced_column),
            ):
                table = schema.table(name)
                assert table is not None
                assert table.column(column) is not None
    assert len(dataset.schema("concert_singer").foreign_keys) == 3
