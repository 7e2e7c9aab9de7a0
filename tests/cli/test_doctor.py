"""`txt2sql doctor`: what it prints, and that its exit code tells the safe from the unsafe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .conftest import Command


def test_an_unsafe_database_is_exit_code_1(
    attacked: Callable[[str], tuple[str, Callable[[], Any]]], txt2sql: Command
) -> None:
    url, _ = attacked("postgresql")
    done = txt2sql("doctor", "--db", url)
    assert done.code == 1
    assert "DANGER  the role admin is a superuser" in done.out
    assert done.out.rstrip().endswith("not safe to use")


def test_what_cannot_be_opened_is_one_sentence_without_secrets(refused: Callable[..., str]) -> None:
    sentence = refused("doctor", "--db", "postgresql://ann:s3cret@127.0.0.1:1/x", "--json")
    assert "cannot use 'postgresql://ann@127.0.0.1:1/x'" in sentence and "s3cret" not in sentence


def test_a_safe_database_is_exit_code_0(engine_url: Callable[[str], str], txt2sql: Command) -> None:
    done = txt2sql("doctor", "--db", engine_url("duckdb"), "--json")
    facts = done.json
    assert done.code == 0
    assert (facts["engine"], facts["tables"], facts["safe"]) == ("DuckDB", 8, True)
    assert all({"level", "what", "mend"} == set(each) for each in facts["findings"])
    done = txt2sql("doctor")
    assert done.code == 0 and "SQLite" in done.out and "8 tables" in done.out
