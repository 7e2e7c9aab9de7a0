"""`txt2sql synth`: an empty database is told; what it writes can be trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlite_files import build

from .conftest import Command


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
