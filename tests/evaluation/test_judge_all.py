"""Judging at once: what breaks first, then that it says what judging one by one says."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from txt2sql.evaluation.evaluate import judge_all
from txt2sql.evaluation.gold import kept_in
from txt2sql.evaluation.metrics import Context, choose
from txt2sql.evaluation.metrics.execution_accuracy import ExecutionAccuracy
from txt2sql.evaluation.mode import Judging
from txt2sql.execution.database import Database
from txt2sql.execution.execute import Limits, execute
from txt2sql.execution.pool import can_spread
from txt2sql.types import Example, Outcome, Prediction, QueryResult, Verdict

COUNT = "SELECT count(*) FROM shop"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
LIMITS = Limits(timeout_s=0.2)
Find = Callable[[str], Database]


class Shops:
    """A data set of one database that can be rewritten."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fill("(1, 'Lisbon'), (2, 'Porto')")

    def fill(self, rows: str) -> None:
        self.path.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.path)) as connection:
            connection.executescript(
                f"CREATE TABLE shop (id, city); INSERT INTO shop VALUES {rows};"
            )
        os.utime(self.path, (1, 1))

    def database(self, db_id: str) -> Database:
        return Database(self.path, db_id)


@pytest.fixture
def shops(tmp_path: Path) -> Shops:
    return Shops(tmp_path / "shop.sqlite")


def examples(n: int, gold: str = COUNT) -> list[Example]:
    return [Example(f"e{i}", "shop", "?", gold) for i in range(n)]


def answers(sql: list[str | None]) -> list[Prediction]:
    return [Prediction(f"e{i}", text) for i, text in enumerate(sql)]


@pytest.mark.skipif(not can_spread(), reason="forking is for Linux")
def test_what_kills_a_process_still_gets_its_verdict(find: Find) -> None:
    class Fragile:
        name = "execution_accuracy"
        parent = os.getpid()
        judge = ExecutionAccuracy(Judging(limits=LIMITS))

        def __call__(self, example: Example, made: Prediction, database: Database) -> Verdict:
            if example.id == "e70" and os.getpid() != self.parent:
                os.kill(os.getpid(), signal.SIGKILL)
            return self.judge(example, made, database)

    sql: list[str | None] = ["SELECT 3"] * 100
    sql[10], sql[20], sql[30] = "SELECT 4", None, ENDLESS
    judged = judge_all(examples(100), answers(sql), [Fragile()], find, processes=2)
    outcomes = [item.verdicts[0].outcome for item in judged]
    others = [Outcome.WRONG_RESULT, Outcome.NO_SQL, Outcome.TIMEOUT]
    assert [outcomes.pop(place) for place in (30, 20, 10)][::-1] == others
    assert outcomes == [Outcome.CORRECT] * 97


def test_all_at_once_says_what_one_by_one_says(find: Find) -> None:
    sql = [
        "SELECT 3",
        "SELECT 4",
        None,
        "SELECT town FROM shop",
        COUNT,
        "DROP TABLE shop",
        "?",
    ] * 10
    for mode in ("strict", "official"):
        metric = ExecutionAccuracy(Judging(mode, limits=LIMITS))
        alone = [metric(e, p, find("shop")) for e, p in zip(examples(70), answers(sql))]
        together = judge_all(examples(70), answers(sql), [metric], find, processes=2)
        assert [item.verdicts for item in together] == [(verdict,) for verdict in alone]


def _gold_runs(
    shops: Shops, cache: Path, monkeypatch: pytest.MonkeyPatch, gold: str = COUNT
) -> tuple[Outcome, int]:
    """The outcome of SELECT 2, and how many gold statements had to be executed for it."""
    context = Context(Judging(limits=LIMITS, both=False), shops)
    ran: list[str] = []

    def counting(database: Database, sql: str, limits: Limits) -> QueryResult:
        ran.append(sql)
        return execute(database, sql, limits)

    monkeypatch.setattr("txt2sql.evaluation.gold.execute", counting)
    metrics = choose(context, "execution_accuracy")
    with kept_in(cache, context.gold, [shops.database("shop")]):
        (item,) = judge_all(
            examples(1, gold), answers(["SELECT 2"]), metrics, shops.database, gold=context.gold
        )
    return item.verdicts[0].outcome, len(ran)


def test_a_gold_result_is_that_of_the_same_content_and_statement(
    shops: Shops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    assert _gold_runs(shops, cache, monkeypatch) == (Outcome.CORRECT, 1)
    assert _gold_runs(shops, cache, monkeypatch) == (Outcome.CORRECT, 0)
    assert _gold_runs(shops, cache, monkeypatch, f"{COUNT} ") == (Outcome.CORRECT, 1)
    shops.fill("(1, 'Lisbon')")
    assert _gold_runs(shops, cache, monkeypatch) == (Outcome.WRONG_RESULT, 1)
    monkeypatch.setattr("txt2sql.evaluation.mode.VERSION", 0)
    assert _gold_runs(shops, cache, monkeypatch) == (Outcome.WRONG_RESULT, 1)


@pytest.mark.parametrize(
    "gold", ["SELECT 2 + 0 * random()", "SELECT 2 WHERE date('now') > '2000'", ENDLESS, "SELECT x"]
)
def test_what_fails_or_depends_on_chance_or_time_runs_again(
    shops: Shops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gold: str
) -> None:
    for _ in range(2):
        assert _gold_runs(shops, tmp_path / "cache", monkeypatch, gold)[1] == 1


def test_a_damaged_or_impossible_cache_is_no_obstacle(
    shops: Shops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "gold.sqlite").write_bytes(b"no database at all" * 100)
    assert _gold_runs(shops, folder, monkeypatch) == (Outcome.CORRECT, 1)
    assert _gold_runs(shops, folder, monkeypatch) == (Outcome.CORRECT, 0)  # made anew
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    assert _gold_runs(shops, blocked, monkeypatch) == (Outcome.CORRECT, 1)
