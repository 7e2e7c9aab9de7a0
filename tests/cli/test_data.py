"""`txt2sql data` and `synth`: what a person and a script see of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlite_files import build

from txt2sql import sample

from .conftest import Command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "sets" / "spider"
    shutil.copytree(sample.folder() / "database", root / "database")
    for name in ("dev", "train_spider"):
        shutil.copy(sample.folder() / "dev.json", root / f"{name}.json")
    (root / "tables.json").write_text("[]")
    return root


def test_info_lists_the_splits(folder: Path, txt2sql: Command) -> None:
    splits = txt2sql("data", "info", "--data", folder.parent, "--json").json["splits"]
    assert [(row["split"], row["questions"], row["databases"]) for row in splits] == [
        ("dev", 30, 1),
        ("train_spider", 30, 1),
        ("train", 30, 1),
    ]
    assert "train_spider" in txt2sql("data", "info", "--dataset", folder).out


def test_check_exits_with_1_when_something_is_wrong(folder: Path, txt2sql: Command) -> None:
    good = txt2sql("data", "check", "--dataset", folder)
    assert good.code == 0 and "no problems" in good.out
    shutil.rmtree(folder / "database" / "bookshops")
    bad = txt2sql("data", "check", "--dataset", folder)
    assert bad.code == 1 and "30 questions on bookshops" in bad.out
    assert txt2sql("data", "check", "--dataset", folder, "--json").json["spider"]["problems"]


def test_preprocess_shows_a_summary_and_lists_failures(folder: Path, txt2sql: Command) -> None:
    questions = json.loads((folder / "dev.json").read_text())
    questions[3]["query"] = "SELECT 1 FROM nowhere"
    (folder / "dev.json").write_text(json.dumps(questions))
    command = ("data", "preprocess", "--data", folder, "--dataset", "spider", "--out", "out")
    done = txt2sql(*command)
    assert done.code == 0
    assert "1 failed" in done.out and "dev-3: no such table: nowhere" in done.out
    rows = txt2sql(*command, "--json").json["splits"]
    assert [(row["split"], row["n"], row["failed"], row["made"]) for row in rows] == [
        ("dev", 30, 1, 0),
        ("train_spider", 30, 0, 0),
    ]


@pytest.fixture
def synth(txt2sql: Command) -> Callable[..., list[Any]]:
    def run(output: str, *arguments: object) -> list[Any]:
        assert txt2sql("synth", *arguments, "--output", output).code == 0
        return [json.loads(line) for line in Path(output).read_text("utf-8").splitlines()]

    return run


def test_an_empty_database_is_told_and_nothing_written(tmp_path: Path, txt2sql: Command) -> None:
    bare = build(tmp_path / "bare.sqlite", "CREATE TABLE t (a INT)")
    done = txt2sql("synth", "--db", bare, "--output", "out.jsonl")
    assert done.code == 1
    assert "no rows" in done.err.splitlines()[-1] and "Traceback" not in done.err
    assert not Path("out.jsonl").exists()


def test_the_questions_of_other_splits_do_not_come_out(
    shops: Path, synth: Callable[..., list[Any]]
) -> None:
    items = json.loads((shops / "dev.json").read_text())
    (shops / "train.json").write_text(json.dumps(items[:1]))
    options = ("--dataset", shops, "-n", 30)
    rows = synth("first.jsonl", *options)
    taken = [{"db_id": "shop", "question": row["question"], "query": row["query"]} for row in rows]
    (shops / "dev.json").write_text(json.dumps(taken))
    again = synth("second.jsonl", *options)
    assert again
    assert not {row["question"] for row in rows} & {row["question"] for row in again}
