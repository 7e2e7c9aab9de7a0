"""`txt2sql synth`: wrong usage is told in one sentence; what it writes can be trained on."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql import sample
from txt2sql.cli.main import main
from txt2sql.data import open_dataset
from txt2sql.data.gold import with_gold


def fail(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["synth", *map(str, arguments)])
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.strip().splitlines()[-1]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["synth", *map(str, arguments)])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_an_empty_database_is_told_and_nothing_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(tmp_path / "bare.sqlite")) as connection:
        connection.execute("CREATE TABLE t (a INT)")
    error = fail(capsys, "--db", tmp_path / "bare.sqlite", "--output", tmp_path / "out.jsonl")
    assert "no rows" in error
    assert not (tmp_path / "out.jsonl").exists()


def test_json_alone_goes_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run(capsys, "--db", sample.path(), "-n", 80, "--output", tmp_path / "p.jsonl", "--json")
    found = json.loads(out)
    assert found["pairs"] == 80
    assert len(found["kinds"]) > 10 and abs(sum(found["kinds"].values()) - 1) < 0.01
    assert len((tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()) == 80
    assert [path.name for path in tmp_path.iterdir()] == ["p.jsonl"]


def test_a_folder_can_be_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "--db", sample.path(), "-n", 60, "--output", tmp_path / "pairs")
    assert "60 pairs from 1 databases" in out
    assert len(with_gold(open_dataset(str(tmp_path / "pairs")), "train")) == 60


def test_two_databases_and_the_same_seed(
    shops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = shops / "database" / "shop" / "shop.sqlite"
    texts = []
    for name in ("a.jsonl", "b.jsonl"):
        run(capsys, "--db", sample.path(), "--db", shop, "-n", 40, "--seed", 3, "--output", tmp_path / name)  # fmt: skip
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    assert {json.loads(line)["db_id"] for line in texts[0].splitlines()} == {"bookshops", "shop"}


def test_the_questions_of_other_splits_do_not_come_out(
    shops: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = json.loads((shops / "dev.json").read_text())
    (shops / "train.json").write_text(json.dumps(items[:1]))
    run(capsys, "--dataset", shops, "-n", 30, "--output", tmp_path / "first.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "first.jsonl").read_text().splitlines()]
    taken = [{"db_id": "shop", "question": row["question"], "query": row["query"]} for row in rows]
    (shops / "dev.json").write_text(json.dumps(taken))
    run(capsys, "--dataset", shops, "-n", 30, "--output", tmp_path / "second.jsonl")
    again = [json.loads(line) for line in (tmp_path / "second.jsonl").read_text().splitlines()]
    assert again
    assert not {row["question"] for row in rows} & {row["question"] for row in again}
