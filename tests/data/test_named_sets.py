"""Training sets by name, and BIRD's own layout: where their databases are and what their schemas say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.data.conftest import QUESTIONS, TABLES, write_database

from txt2sql.data import open_dataset
from txt2sql.data.gold import check, with_gold
from txt2sql.errors import DatabaseError, DataError


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path, spider: Path) -> Path:
    shutil.copytree(spider, tmp_path / "sets" / "spider")
    return tmp_path / "sets"


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("cosql", "cosql"),
        ("cosql", "cosql_dataset"),
        ("spider_syn", "spider_syn"),
        ("spider_syn", "spider_syn_train"),
        ("spider_syn", "Spider-Syn"),
    ],
)
def test_sets_over_spider_use_the_databases_beside_them(root: Path, name: str, folder: str) -> None:
    write_json(root / folder / "train.json", QUESTIONS[:3])
    dataset = open_dataset(name, root)
    assert (dataset.name, dataset.splits, dataset.count("train")) == (name, ("train",), 3)
    database = dataset.database("shops").path
    assert database.resolve() == (root / "spider/database/shops/shops.sqlite").resolve()
    words = [column.words for column in dataset.schema("shops").tables[0].columns]
    assert words == ["shop number", "name", "year of opening"]
    assert "shops.sqlite" in {path.name for path in dataset.files("train")}


def test_without_spider_beside_it_the_sentence_says_what_is_missing(tmp_path: Path) -> None:
    write_json(tmp_path / "cosql" / "train.json", QUESTIONS[:1])
    dataset = open_dataset("cosql", tmp_path)
    with pytest.raises(DatabaseError, match="databases of Spider, which are not in"):
        dataset.database("shops")
    assert len(check(dataset).problems) == 1


def bird(root: Path, split: str, databases: str) -> Path:
    items = [
        {
            "question_id": 17 + number,
            "db_id": "shops",
            "question": item["question"],
            "evidence": "Station is a name",
            "SQL": item["query"],
            "difficulty": "challenging",
        }
        for number, item in enumerate(QUESTIONS[:3])
    ]
    write_json(root / f"{split}.json", items)
    write_json(root / f"{split}_tables.json", TABLES)
    home = root / databases / "shops"
    write_database(home / "shops.sqlite")
    (home / "database_description").mkdir()
    text = (
        "original_column_name,column_name,column_description,data_format,value_description\r\n"
        'Shop_ID,,shop id,integer,\r\nname ,,"the name, as on its\n sign",text,'
        '"commonsense evidence: long"\r\n'
        "Opening_year,opening,the year – when it opened,integer,0: unknown\r\n"
    )
    (home / "database_description" / "shop.csv").write_bytes(text.encode("cp1252"))
    return root


@pytest.mark.parametrize(
    ("split", "databases"),
    [
        ("dev", "dev_databases"),
        ("train", "train_databases"),
        ("dev", "dev_databases/dev_databases"),
        ("train", "train_databases/train_databases"),
        ("dev", "database"),
    ],
)
def test_the_layout_of_bird_is_read(tmp_path: Path, split: str, databases: str) -> None:
    dataset = open_dataset(bird(tmp_path / "release", split, databases))
    assert dataset.splits == (split,)
    assert check(dataset).problems == ()
    first = next(dataset.examples(split))
    assert (first.id, first.gold_sql) == (f"{split}-17", "SELECT count(*) FROM shop")
    assert (first.evidence, first.difficulty) == ("Station is a name", "challenging")
    columns = dataset.schema("shops").tables[0].columns
    assert [column.words for column in columns] == ["shop number", "name", "year of opening"]
    assert [column.comment for column in columns] == [
        "",  # what the name says
        "the name, as on its sign",
        "the year – when it opened; 0: unknown",
    ]


def test_questions_with_answers_have_no_gold(tmp_path: Path) -> None:
    root = tmp_path / "wtq"
    write_database(root / "database" / "shops" / "shops.sqlite")
    lines = [
        {"id": "nt-0", "db_id": "shops", "question": "first shop?", "answers": ["Corner"]},
        {"id": "nt-1", "db_id": "shops", "question": "years?", "answers": ["1990", "2,004"]},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (root / "questions.jsonl").write_text(text, encoding="utf-8")
    dataset = open_dataset("wtq", tmp_path)
    assert (dataset.splits, dataset.count("train")) == (("train",), 2)
    assert [example.answers for example in dataset.examples("train")] == [
        ("Corner",),
        ("1990", "2,004"),
    ]
    assert check(dataset).problems == ()
    with pytest.raises(DataError, match="no question with gold SQL in 'wtq' train.*answers only"):
        with_gold(dataset, "train")
