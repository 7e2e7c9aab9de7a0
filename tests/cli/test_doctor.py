"""`txt2sql doctor`: what it prints, and that its exit code tells the safe from the unsafe."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "txt2sql", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_an_unsafe_database_is_exit_code_1(
    attacked: Callable[[str], tuple[str, Callable[[], Any]]],
) -> None:
    url, _ = attacked("postgresql")
    done = doctor("--db", url)
    assert done.returncode == 1
    assert "DANGER  the role admin is a superuser" in done.stdout
    assert done.stdout.rstrip().endswith("not safe to use")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("oracle://ann:s3cret@db/x", "no engine for 'oracle://'"),
        ("postgresql://ann:s3cret@127.0.0.1:1/x", "cannot use 'postgresql://ann@127.0.0.1:1/x'"),
        ("postgresql://ann:s3cret@h:p0rt/x", "the port in the database URL is not a number"),
        ("postgresql://ann:s3cret@h", "the database URL is not complete"),
        ("mysql://ann:s3cret@127.0.0.1:1/x", "cannot use 'mysql://ann@127.0.0.1:1/x'"),
        ("duckdb:////no/such/file.duckdb", "cannot use 'duckdb:////no/such/file.duckdb'"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence_without_secrets(url: str, message: str) -> None:
    done = doctor("--db", url, "--json")
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr


def test_json_is_one_object(engine_url: Callable[[str], str]) -> None:
    done = doctor("--db", engine_url("duckdb"), "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert (found["engine"], found["tables"], found["safe"]) == ("DuckDB", 8, True)
    assert all({"level", "what", "mend"} == set(each) for each in found["findings"])


def test_the_sample_is_safe() -> None:
    done = doctor()
    assert done.returncode == 0
    assert "SQLite" in done.stdout
    assert "8 tables" in done.stdout


def test_described_names_that_are_not_there_are_advice(tmp_path: Path) -> None:
    file = tmp_path / "meanings.yaml"
    file.write_text("shops.city: where its door is\nshop: a place\n")
    done = doctor("--describe", str(file))
    assert done.returncode == 0
    assert "columns are described" in done.stdout
    assert "advice  'meanings.yaml' describes names" in done.stdout
    assert "'shop' (did you mean 'shops'?)" in done.stdout
    file.write_text("- shops")
    done = doctor("--describe", str(file))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


def test_keys_that_nobody_declared_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE sale (n INTEGER PRIMARY KEY, cust_no INTEGER)")
    done = doctor("--db", str(path))
    assert done.returncode == 0
    assert "sale.cust_no -> customers.id" in done.stdout
    (key,) = json.loads(doctor("--db", str(path), "--json").stdout)["inferred_keys"]
    assert 0.5 < key.pop("score") < 1
    assert key == {
        "table": "sale", "column": "cust_no", "to_table": "customers", "to_column": "id"
    }  # fmt: skip
