"""Judging sampled answers: whatever an answer or a process does, every answer gets its ruling."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql.errors import DatabaseError
from txt2sql.training.grpo_judge import Task, tables_read
from txt2sql.training.grpo_judges import Judges

GOLD = "SELECT count(*) FROM shop"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


@pytest.fixture
def shop(tiny_spider: Path, tmp_path: Path) -> Path:
    path = tmp_path / "shop.sqlite"
    shutil.copy(tiny_spider / "database" / "shop_0" / "shop_0.sqlite", path)
    return path


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def judges(told: list[str]) -> Iterator[Judges]:
    with closing(Judges(2, 1.0, told.append)) as pool:
        yield pool


def task(path: Path, sql: str | None, gold: str = GOLD) -> Task:
    return Task(str(path), (), "shop", gold, sql)


def test_each_answer_gets_what_the_metrics_say_of_it(judges: Judges, shop: Path) -> None:
    answers = [
        "SELECT count(id) FROM shop",
        "SELECT count(*) FROM sale",
        "SELECT nothing FROM shop",
        None,
        "DROP TABLE shop",
        "SELECT town FROM shop WHERE id = 9",
    ]
    found = judges.judge([task(shop, sql) for sql in answers])
    outcomes = [ruling.outcome for ruling in found]
    assert outcomes == [
        "correct", "wrong_result", "prediction_error", "no_sql", "prediction_error", "wrong_result",
    ]  # fmt: skip
    assert [ruling.reads for ruling in found[:4]] == [("shop",), ("sale",), None, None]
    assert all(ruling.gold_reads == ("shop",) for ruling in found)
    assert found[0].component > found[5].component > 0
    nothing = judges.judge([task(shop, "SELECT 7 WHERE 0", "SELECT id FROM shop WHERE id > 99")])
    assert nothing[0].empty and nothing[0].outcome == "correct"


def test_what_never_ends_is_late_and_the_others_are_judged(
    judges: Judges, shop: Path, told: list[str]
) -> None:
    started = time.monotonic()
    found = judges.judge([task(shop, sql) for sql in (GOLD, ENDLESS, "SELECT 4", GOLD)])
    assert [ruling.outcome for ruling in found] == ["correct", "timeout", "correct", "correct"]
    again = time.monotonic()
    assert judges.judge([task(shop, ENDLESS)])[0].outcome == "timeout"
    assert time.monotonic() - again < 0.5 < again - started  # it is not waited for twice
    assert told == []  # an answer's own fault is no news


def test_a_killed_process_costs_its_answer_and_is_told_once(
    judges: Judges, shop: Path, told: list[str]
) -> None:
    judges.judge([task(shop, "SELECT 1"), task(shop, "SELECT 2")])
    before = [process.process.pid for process in judges._pool]

    def kill() -> None:
        for pid in before:
            os.kill(pid, signal.SIGKILL)

    for _ in range(2):
        before = [process.process.pid for process in judges._pool]
        slow = [task(shop, f"{ENDLESS} WHERE x > {n}") for n in (1, 2)]
        threading.Timer(0.3, kill).start()
        found = judges.judge([*slow, task(shop, GOLD), task(shop, "SELECT 5")])
        assert [ruling.outcome for ruling in found] == [
            "prediction_error", "prediction_error", "correct", "wrong_result",
        ]  # fmt: skip
        assert "exit code -9" in found[0].reason
    assert len(told) == 1 and "ended unexpectedly" in told[0]
    # What failed by a kill is no verdict to remember.
    assert judges.judge([slow[0]])[0].outcome == "timeout"


def test_processes_killed_between_two_steps_are_replaced(
    judges: Judges, shop: Path, told: list[str]
) -> None:
    judges.judge([task(shop, "SELECT 1"), task(shop, "SELECT 2")])
    for process in judges._pool:
        process.process.kill()
        process.process.wait()
    found = judges.judge([task(shop, sql) for sql in (GOLD, "SELECT 5", "SELECT 6")])
    assert [ruling.outcome for ruling in found] == ["correct", "wrong_result", "wrong_result"]
    assert told == []


def test_a_database_that_is_gone_fails_its_answers_and_is_told_once(
    judges: Judges, shop: Path, told: list[str], tmp_path: Path
) -> None:
    gone = tmp_path / "gone.sqlite"
    for _ in range(2):
        found = judges.judge([task(gone, GOLD), task(shop, GOLD), task(gone, "SELECT 1")])
        assert [ruling.outcome for ruling in found] == ["gold_error", "correct", "gold_error"]
    assert len(told) == 1 and "cannot open the database" in told[0]
    judges.judge([task(shop, "SELECT 8")])
    shop.unlink()  # after its gold result is known
    assert judges.judge([task(shop, "SELECT 9")])[0].outcome != "correct"


def test_a_database_that_changes_is_judged_anew(judges: Judges, shop: Path) -> None:
    assert judges.judge([task(shop, "SELECT 4")])[0].outcome == "correct"
    with closing(sqlite3.connect(shop)) as connection:
        connection.execute("DELETE FROM shop WHERE id = 1")
        connection.commit()
    with closing(Judges(1, 1.0)) as later:
        assert later.judge([task(shop, "SELECT 4")])[0].outcome == "wrong_result"


def test_nothing_is_judged_twice(judges: Judges, shop: Path) -> None:
    many = [task(shop, f"SELECT {n % 3}") for n in range(300)]
    asked: list[int] = []
    ask = judges._ask
    judges._ask = lambda groups, tasks: (asked.append(len(groups)), ask(groups, tasks))[1]  # type: ignore[method-assign]
    assert judges.judge(many) == judges.judge(many)
    assert asked == [3, 0]
    judges.judge([task(shop, "SELECT random()")] * 2)
    judges.judge([task(shop, "SELECT random()")] * 2)
    assert asked[2:] == [1, 1]  # but for what differs from time to time


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT 5", ()),
        ("SELECT count(*) FROM shop", ("shop",)),
        ("SELECT 5 FROM Shop AS sale", ("shop",)),
        ("SELECT a.town FROM shop AS a JOIN sale AS b ON a.id = b.shop_id", ("sale", "shop")),
        ("SELECT 1 WHERE EXISTS (SELECT * FROM sale)", ("sale",)),
        ("WITH shop AS (SELECT 5 AS n) SELECT n FROM shop", ()),
        ("WITH shop AS (SELECT 5 AS n) SELECT count(*) FROM shop", ()),
        ("SELECT count(*) FROM (SELECT id FROM sale) AS shop", ("sale",)),
        ("SELECT 'shop' AS shop", ()),
        ("SELECT name FROM sqlite_master", ("sqlite_master",)),
        ("SELECT 1; SELECT town FROM shop", None),
        ("SELECT nothing FROM shop", None),
        ("SELECT", None),
        ("PRAGMA table_info(shop)", None),
    ],
)
def test_the_tables_that_a_statement_reads(
    sql: str, tables: tuple[str, ...] | None, shop: Path
) -> None:
    assert tables_read(str(shop), sql) == tables


def test_processes_that_cannot_start_are_told(
    judges: Judges, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(DatabaseError, match="end before they begin"):
        judges.judge([task(shop, f"SELECT {n}") for n in range(9)])
